# SPDX-License-Identifier: BSD-3-Clause
"""What a gateway must do with each packet, from the batch file alone: bytes by transforms.py,
verdicts by window.py, headers by RFC 4301 5.1.2 and RFC 6040."""

import shlex
import struct
from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from lab import LAN, LAN6, WAN, WAN6, hop  # noqa: F401
from sa import parse_sas
from transforms import Forged
from scapy.utils import checksum
from window import Window

LEAST_WINDOW = 32  # culvert's, where there is one
ESP, UDP, TCP, ICMP = 50, 17, 6, 1
IPIP, IPV6, DUMMY = 4, 41, 59
EXTENSIONS = {0, 43, 60}
# RFC 6040 4.2, figure 4: by inner, then by outer field; None is dropped.
ECN = ((0, 0, 0, None), (1, 1, 1, 3), (2, 1, 2, 3), (3, 3, 3, 3))


@dataclass
class Outcome:
    """A drop, or a packet that leaves by `port` ("punt": for Linux)."""
    verdict: str           # "sealed", "opened" or a reason
    spi: int = 0
    port: str = ""
    packet: bytes = b""
    seq: int = 0           # of a sealed packet
    clear: bytes = b""     # the same: what it must open to
    front: bytes = b""     # the same: all up to the IV


class Refused(Exception):
    def __init__(self, reason, spi=0):
        super().__init__(reason)
        self.reason, self.spi = reason, spi


class Side:
    """An SA as its line says."""
    def __init__(self, sa, words):
        value = {word: words[i + 1:] for i, word in enumerate(words[:-1])}

        def number(word):
            return int(value[word][0], 0) if word in value else 0
        self.sa = sa
        self.reqid = number("reqid")
        self.flags = {word for word in ("noecn", "decap-dscp", "nopmtudisc", "dont-encap-dscp")
                      if word in words}
        self.tfcpad = number("tfcpad")
        self.next = number("replay-oseq-hi") << 32 | number("replay-oseq")
        top = number("replay-seq-hi") << 32 | number("replay-seq")
        asked = number("replay-window")
        self.window = Window(max(asked, LEAST_WINDOW) if asked else 0, top, sa.esn)


class Policy:
    def __init__(self, words):
        value = {word: words[i + 1:] for i, word in enumerate(words[:-1])}
        template = words[words.index("tmpl"):]
        self.direction = value["dir"][0]
        first_dst = words.index("dst")
        self.src = ip_network(words[words.index("src") + 1])
        self.dst = ip_network(words[first_dst + 1])
        self.reqid = int(template[template.index("reqid") + 1])


class Model:
    def __init__(self, batch, mtu):
        self.mtu = mtu
        self.sides, self.policies = {}, {"in": [], "out": []}
        sas = parse_sas(batch)
        for line in batch.splitlines():
            words = shlex.split(line)
            if words[:2] == ["xfrm", "state"]:
                spi = int(words[words.index("spi") + 1], 0)
                self.sides[spi] = Side(sas[spi], words)
            elif words[:2] == ["xfrm", "policy"]:
                policy = Policy(words)
                self.policies[policy.direction].append(policy)
        self.out_by_reqid = {side.reqid: side for side in self.sides.values()
                             if side.sa.src in (WAN, WAN6)}
        self.drops, self.drops_by_sa = Counter(), Counter()

    def receive(self, port, packet):
        try:
            return self.seal(packet) if port == "lan" else self.open(packet)
        except Refused as refused:
            self.drops[refused.reason] += 1
            if refused.spi:
                self.drops_by_sa[refused.spi, refused.reason] += 1
            return Outcome(refused.reason, refused.spi)

    # Outbound.

    def seal(self, packet):
        packet = hop(packet)
        src, dst = ends_of(packet)
        side = next((self.out_by_reqid[policy.reqid] for policy in self.policies["out"]
                     if covers(policy, src, dst)), None)
        if side is None:
            raise Refused("spd_out_discard")
        sa = side.sa
        side.next += 1
        seq = side.next
        if not sa.esn and seq >= 1 << 32:
            side.next -= 1
            raise Refused("esp_out_seq_overflow", sa.spi)
        if sa.is_transport:
            at, protocol_at = self.place_of_esp(packet)
            own, clear, protocol = packet[:at], packet[at:], packet[protocol_at]
        else:
            own, clear, protocol = b"", packet, IPV6 if packet[0] >> 4 == 6 else IPIP
            wanted = min(side.tfcpad, self.largest(sa))
            clear += bytes(max(wanted - len(clear), 0))
        padding = -(len(clear) + 2) % sa.transform.block_bytes
        clear += bytes(range(1, padding + 1)) + bytes([padding, protocol])
        esp_bytes = 8 + sa.transform.iv_bytes + len(clear) + sa.transform.icv_bytes
        behind = esp_bytes + (8 if sa.encap else 0)
        front = (own_front(own, protocol_at, sa, behind) if sa.is_transport
                 else self.new_front(side, packet, seq, behind))
        if sa.encap:
            front += struct.pack("!HHHH", *sa.encap, behind, 0)
        front += struct.pack("!II", sa.spi, seq & 0xFFFFFFFF)
        return Outcome("sealed", sa.spi, "wan", packet, seq, clear, front)

    @staticmethod
    def place_of_esp(packet):
        return esp_place(packet)

    def largest(self, sa):
        outer = (40 if sa.is_ipv6 else 20) + (8 if sa.encap else 0) + 8 + sa.transform.iv_bytes
        block = sa.transform.block_bytes
        return (self.mtu - outer - sa.transform.icv_bytes) // block * block - 2

    @staticmethod
    def new_front(side, inner, seq, behind):
        sa = side.sa
        is_v6 = inner[0] >> 4 == 6
        traffic_class = class_of(inner)
        if "noecn" in side.flags:
            traffic_class &= 0xFC
        if "dont-encap-dscp" in side.flags:
            traffic_class &= 0x03
        protocol = UDP if sa.encap else ESP
        src, dst = ip_address(sa.src).packed, ip_address(sa.dst).packed
        if sa.is_ipv6:
            flow = 0  # a gateway does not copy it (RFC 4301 5.1.2.2)
            return struct.pack("!IHBB", 6 << 28 | traffic_class << 20 | flow, behind, protocol,
                               64) + src + dst
        keeps_whole = is_v6 or bool(inner[6] & 0x40)
        if "nopmtudisc" in side.flags:
            keeps_whole = False
        header = struct.pack("!BBHHHBBH", 0x45, traffic_class, 20 + behind,
                             0 if keeps_whole else seq & 0xFFFF, 0x4000 if keeps_whole else 0, 64,
                             protocol, 0) + src + dst
        return summed(header)

    # Inbound.

    def open(self, packet):
        at, protocol_at = upper_place(packet)
        is_udp = packet[protocol_at] == UDP
        esp = packet[at + 8:] if is_udp else packet[at:]
        if len(esp) < 8:
            raise Refused("nat_t_runt" if is_udp and len(esp) < 4 else "esp_in_runt")
        spi, low = struct.unpack_from("!II", esp)
        if spi == 0:
            raise Refused("esp_in_zero_spi")
        _, dst = ends_of(packet)
        side = self.sides.get(spi)
        if side is None or ip_address(side.sa.dst) != dst:
            raise Refused("esp_in_no_sa")
        sa, transform = side.sa, side.sa.transform
        if is_udp != bool(sa.encap):
            raise Refused("esp_in_nat_t_mismatch", spi)
        sealed = len(esp) - 8 - transform.iv_bytes - transform.icv_bytes
        if sealed < 2 or sealed % transform.block_bytes:
            raise Refused("esp_in_runt")
        seq = side.window.infer(low)
        if seq == 0 and side.window.size:
            raise Refused("esp_in_seq_zero", spi)
        reason = side.window.verdict(seq)
        if reason:
            raise Refused(reason, spi)
        try:
            clear = transform.open(esp, seq >> 32, sa.esn)
        except Forged:
            raise Refused("esp_in_icv", spi) from None
        side.window.enter(seq)
        pad_length, protocol = clear[-2:]
        end = len(clear) - 2 - pad_length
        if end < 0 or clear[end:-2] != bytes(range(1, pad_length + 1)):
            raise Refused("esp_in_bad_padding", spi)
        if protocol == DUMMY:
            raise Refused("esp_in_dummy")
        if sa.is_transport:
            inner = with_protocol(packet[:at], protocol_at, protocol, clear[:end])
        else:
            inner = self.take_out(side, packet, protocol, clear[:end])
        src, dst = ends_of(inner)
        if not any(policy.reqid == side.reqid and covers(policy, src, dst)
                   for policy in self.policies["in"]):
            raise Refused("esp_in_policy", spi)
        if sa.is_transport:
            return Outcome("opened", spi, "punt", inner)
        return Outcome("opened", spi, "lan", hop(inner))

    @staticmethod
    def take_out(side, outer, protocol, payload):
        spi = side.sa.spi
        if protocol not in (IPIP, IPV6):
            raise Refused("esp_in_next_header", spi)
        length = inner_length(protocol, payload)
        if length is None:
            raise Refused("esp_in_inner_header", spi)
        inner = bytearray(payload[:length])
        old, seen = class_of(inner), class_of(outer)
        ecn = old & 3
        if "noecn" not in side.flags:
            ecn = ECN[old & 3][seen & 3]
            if ecn is None:
                raise Refused("esp_in_ecn", spi)
        dscp = seen & 0xFC if "decap-dscp" in side.flags else old & 0xFC
        if protocol == IPV6:
            inner[0] = 0x60 | (dscp | ecn) >> 4
            inner[1] = (dscp | ecn) << 4 & 0xF0 | inner[1] & 0x0F
            return bytes(inner)
        inner[1] = dscp | ecn
        return summed(inner[:(inner[0] & 15) * 4]) + bytes(inner[(inner[0] & 15) * 4:])


def covers(policy, src, dst):
    return src in policy.src and dst in policy.dst


def ends_of(packet):
    if packet[0] >> 4 == 6:
        return ip_address(bytes(packet[8:24])), ip_address(bytes(packet[24:40]))
    return ip_address(bytes(packet[12:16])), ip_address(bytes(packet[16:20]))


def class_of(packet):
    return (packet[0] << 4 | packet[1] >> 4) & 0xFF if packet[0] >> 4 == 6 else packet[1]


def summed(header):
    header = bytearray(header)
    header[10:12] = b"\0\0"
    header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
    return bytes(header)


def upper_place(packet, stop=lambda packet, at, protocol: False):
    """Where the upper layer starts, and the byte that names it."""
    if packet[0] >> 4 == 4:
        return (packet[0] & 15) * 4, 9
    at, named = 40, 6
    while packet[named] in EXTENSIONS and not stop(packet, at, packet[named]):
        named, at = at, at + 8 + packet[at + 1] * 8
    return at, named


def esp_place(packet):
    """RFC 4303 3.1.1: destination options without a routing header behind them go inside."""
    return upper_place(packet, lambda packet, at, protocol: protocol == 60 and packet[at] != 43)


def own_front(own, protocol_at, sa, behind):
    """The packet's own header with ESP, or UDP, behind it."""
    return with_protocol(own, protocol_at, UDP if sa.encap else ESP, bytes(behind))[:len(own)]


def with_protocol(own, protocol_at, protocol, payload):
    own = bytearray(own)
    own[protocol_at] = protocol
    if own[0] >> 4 == 6:
        own[4:6] = (len(own) - 40 + len(payload)).to_bytes(2, "big")
    else:
        own[2:4] = (len(own) + len(payload)).to_bytes(2, "big")
        own = bytearray(summed(own))
    return bytes(own) + payload


def inner_length(protocol, payload):
    """None unless there is a whole packet of that family, with a right header."""
    if protocol == IPV6:
        if len(payload) < 40 or payload[0] >> 4 != 6:
            return None
        length = 40 + int.from_bytes(payload[4:6], "big")
        return length if length <= len(payload) else None
    if len(payload) < 20 or payload[0] >> 4 != 4:
        return None
    header, length = (payload[0] & 15) * 4, int.from_bytes(payload[2:4], "big")
    if header < 20 or not header <= length <= len(payload):
        return None
    return length if summed(payload[:header]) == bytes(payload[:header]) else None
