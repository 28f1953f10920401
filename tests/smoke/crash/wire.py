# SPDX-License-Identifier: BSD-3-Clause
"""What crossed between two gateways: no plain packet, no number twice under one key, every ESP
packet authentic under its SA's key.

  wire.py [--restarts FILE] KEYS CAPTURE...     exit status 1, and what is wrong, if something is
  wire.py --self-test                           does it find what it is to find?

KEYS: a line "SPI KEY" for each SA of the run, in hex, the salt behind the key (RFC 4106 8.1).
CAPTURE: pcap of Ethernet frames. FILE: a line "FROM TO" for each time that the sender was gone, in
seconds: what it sends under an SA after TO has higher numbers than all before FROM.
"""

import bisect
import io
import os
import struct
import sys
from collections import Counter, defaultdict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ETHERNET_IPV4, ETHERNET_ARP = 0x0800, 0x0806
PROTO_ESP = 50
ICV_BYTES = 16
MOST_FAULTS = 20


def read_capture(stream):
    """Time in seconds and bytes of each frame; one that is cut off at the end is left out."""
    head = stream.read(24)
    if len(head) < 24:
        return
    magic = struct.unpack("=I", head[:4])[0]
    per_second = {0xA1B2C3D4: 1_000_000, 0xA1B23C4D: 1_000_000_000}[magic]
    while len(record := stream.read(16)) == 16:
        seconds, fraction, captured, length = struct.unpack("=IIII", record)
        frame = stream.read(captured)
        if len(frame) < captured:
            return
        yield seconds + fraction / per_second, frame, length


class Wire:
    """Judges frames in the order of their capture."""

    def __init__(self, keys, restarts=()):
        self.ciphers = {spi: (AESGCM(key[:-4]), key[-4:], key) for spi, key in keys.items()}
        self.restarts = sorted(restarts)
        self.used = defaultdict(set)  # by key: the IVs
        self.highest = {}  # by SPI: highest number, time, highest before the last restart
        self.packets = Counter()
        self.faults = Counter()
        self.first = []

    def fault(self, kind, text):
        self.faults[kind] += 1
        if len(self.first) < MOST_FAULTS:
            self.first.append(f"{kind}: {text}")

    def take(self, time, frame, length):
        kind = struct.unpack_from("!H", frame, 12)[0] if len(frame) >= 14 else 0
        if kind == ETHERNET_ARP:
            self.packets["arp"] += 1
        elif kind == ETHERNET_IPV4 and len(frame) >= 34 and frame[23] == PROTO_ESP:
            self.take_esp(time, frame, length)
        else:
            self.fault("plain", f"at {time:.6f}: {frame[:48].hex()}")

    def take_esp(self, time, frame, length):
        total = struct.unpack_from("!H", frame, 16)[0]
        esp = frame[14 + (frame[14] & 15) * 4:14 + total]
        if len(frame) < length or len(esp) < 8 + 8 + ICV_BYTES:
            return self.fault("short", f"at {time:.6f}: {frame[:48].hex()}")
        spi, low = struct.unpack_from("!II", esp)
        number = int.from_bytes(esp[8:16], "big")  # the IV is the sequence number, all 64 bits
        where = f"spi {spi:#x} number {number} at {time:.6f}"
        self.packets["esp"] += 1
        if spi not in self.ciphers:
            return self.fault("unknown SPI", where)
        cipher, salt, key = self.ciphers[spi]
        if number in self.used[key]:
            self.fault("number used twice", where)
        self.used[key].add(number)
        self.check_order(spi, number, time, where)
        # With ESN all 64 bits are authenticated (RFC 4106 5).
        try:
            cipher.decrypt(salt + esp[8:16], esp[16:],
                           struct.pack("!IQ", spi, number >> 32 << 32 | low))
        except InvalidTag:
            self.fault("wrong key", where)
        return None

    def check_order(self, spi, number, time, where):
        highest, last, floor = self.highest.get(spi, (0, 0, 0))
        following = bisect.bisect_right(self.restarts, (last, float("inf")))
        if following < len(self.restarts) and self.restarts[following][1] < time:
            floor = highest
        if number <= floor:
            self.fault("number of before the restart", f"{where}: {floor} was used")
        self.highest[spi] = (max(highest, number), time, floor)

    def report(self, out=sys.stdout):
        print(f"{self.packets['esp']} ESP packets of {len(self.highest)} SAs, "
              f"{self.packets['arp']} ARP, {sum(self.faults.values())} faults", file=out)
        for line in self.first:
            print(f"  {line}", file=out)
        return not self.faults


def self_test():
    """One capture that is right, and each fault alone in one that was."""
    key = bytes(range(20))

    def esp(spi, number, sealing=key, low=None):
        iv = number.to_bytes(8, "big")
        head = struct.pack("!II", spi, number & 0xFFFFFFFF if low is None else low)
        sealed = AESGCM(sealing[:16]).encrypt(sealing[16:] + iv, b"\0" * 46 + b"\0\4",
                                              struct.pack("!IQ", spi, number))
        body = head + iv + sealed
        return (b"\2" * 12 + b"\x08\0" + b"\x45\0" + struct.pack("!H", 20 + len(body)) +
                b"\0" * 5 + bytes([PROTO_ESP]) + b"\0" * 10 + body)

    arp = b"\2" * 12 + b"\x08\x06" + b"\0" * 46
    udp = esp(1, 9)[:23] + b"\x11" + esp(1, 9)[24:]
    right = [(1, esp(0x1001, 1)), (1, arp), (2, esp(0x1001, 1 << 32 | 5)),
             (9, esp(0x1001, 2 << 32 | 1)), (9, esp(0x1002, 1, key[::-1]))]
    cases = [("", []), ("number used twice", [(2.5, esp(0x1001, 1))]),
             ("number of before the restart", [(9, esp(0x1001, 1 << 32 | 4))]),
             ("plain", [(3, udp)]), ("plain", [(3, b"\2" * 12 + b"\x86\xdd" + b"\0" * 60)]),
             ("wrong key", [(3, esp(0x1001, 2 << 32, key[::-1]))]),
             ("wrong key", [(3, esp(0x1001, 2 << 32, low=7))]),
             ("unknown SPI", [(3, esp(0x1003, 7))]), ("short", [(3, esp(0x1001, 2 << 32)[:60])])]
    is_right = True
    for expected, more in cases:
        stream = io.BytesIO()
        stream.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for time, frame in sorted(right + more, key=lambda entry: entry[0]):
            stream.write(struct.pack("=IIII", int(time), int(time % 1 * 1e6), len(frame),
                                     len(frame) + (expected == "short" and len(frame) == 60)))
            stream.write(frame)
        stream.seek(0)
        wire = Wire({0x1001: key, 0x1002: key[::-1]}, [(4, 8)])
        for record in read_capture(stream):
            wire.take(*record)
        if list(wire.faults) != [expected] * (expected != ""):
            print(f"self-test: {expected or 'nothing'} expected, found {dict(wire.faults)}")
            is_right = False
    return is_right


def main():
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        return 0 if self_test() else 1
    restarts = []
    if arguments[0] == "--restarts":
        with open(arguments[1], encoding="ascii") as file:
            restarts = [tuple(map(float, line.split())) for line in file]
        arguments = arguments[2:]
    with open(arguments[0], encoding="ascii") as file:
        keys = {int(spi, 16): bytes.fromhex(key) for spi, key in map(str.split, file)}
    is_right = True
    for path in arguments[1:]:
        wire = Wire(keys, restarts)
        with open(path, "rb") as stream:
            for record in read_capture(stream):
                wire.take(*record)
        print(f"{os.path.basename(path)}: ", end="")
        is_right &= wire.report()
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
