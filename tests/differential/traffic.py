# SPDX-License-Identifier: BSD-3-Clause
"""Random packets for the pairs of world.py: both families, options and extension headers, sizes at
the edges, numbers out of order, and damage of every kind."""

import struct
from dataclasses import dataclass

from model import ESP, UDP as UDP_PROTOCOL, esp_place, summed, with_protocol
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import (ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop,
                                PadN)
from scapy.packet import Raw, raw
from world import IN_SPI, TWO_TO_32

MTU = 1500
BLOCK_MOST = 16  # bytes that headers in front of ESP may cost besides their own
PADDING = PadN(otype=1, optdata=b"\0" * 4)
# What is done to a packet from the peer, and how often in a hundred.
DAMAGE = {
    "": 48, "icv": 4, "ciphertext": 4, "iv": 3, "sequence": 3, "spi": 3, "zero_spi": 1,
    "truncated": 4, "pad_bytes": 3, "pad_length": 3, "next_header": 3, "dummy": 2,
    "inner_length": 3, "inner_checksum": 2, "encapsulation": 3, "other_policy": 3,
    "zero_sequence": 1, "outer_class": 9,
}
NEEDS_INTEGRITY = {"icv", "ciphertext", "iv", "sequence", "zero_sequence", "spi"}


@dataclass
class Sender:
    """The peer of a pair: where its numbers are."""
    newest: int
    has_jumped: bool = False

    def number(self, rng, pair):
        limit = (1 << 63) if pair.esn else TWO_TO_32 - 1
        kind = rng.random()
        if kind < 0.55:
            step = 1
        elif kind < 0.7:
            step = rng.randrange(1, pair.window * 2 + 66)
        elif kind < 0.74 and not self.has_jumped and pair.back.has_integrity:
            self.has_jumped = True
            step = rng.randrange(1 << 20, TWO_TO_32 - (1 << 20) if pair.esn else TWO_TO_32 // 4)
        else:  # late, again, or too old
            back = rng.choice((0, 1, 2, rng.randrange(pair.window + 8),
                               pair.window - 1, pair.window, pair.window + 1))
            return max(1, self.newest - back)
        self.newest = min(self.newest + step, limit)
        return self.newest


class Traffic:
    def __init__(self, rng, pairs, sas):
        self.rng, self.pairs, self.sas = rng, pairs, sas
        self.senders = [Sender(pair.top) for pair in pairs]
        self.damaged = {}

    def next(self):
        """("lan" or "wan", an IP packet)."""
        pair = self.rng.choice(self.pairs)
        if self.rng.random() < 0.45:
            return "lan", self.inner(pair, pair.host, pair.far, self.room(pair, pair.out))
        return "wan", self.from_peer(pair)

    def room(self, pair, transform):
        """The largest packet that fits once it is sealed, without options."""
        outer = 0 if pair.is_transport else (20 if pair.outer == 4 else 40)
        own = (20 if pair.outer == 4 else 40) if pair.is_transport else 0
        udp = 8 if pair.encap else 0
        fixed = outer + own + udp + 8 + transform.iv_bytes + transform.icv_bytes
        block = transform.block_bytes
        return own + (MTU - fixed) // block * block - 2

    def inner(self, pair, src, dst, room):
        rng = self.rng
        size = rng.choice((0, rng.randrange(64), rng.randrange(64), rng.randrange(room), room))
        traffic_class = rng.choice((0, 0, 1, 2, 3, rng.randrange(256)))
        hops = rng.choice((64, 64, 255, 2, rng.randrange(2, 256)))
        if pair.inner == 4:
            ip = IP(src=src, dst=dst, tos=traffic_class, ttl=hops, id=rng.randrange(1 << 16),
                    flags=rng.choice(("", "DF")))
            headers = 20
            if rng.random() < 0.15 and size != room:
                ip.options = [IPOption(b"\1" * rng.choice((4, 8, 40)))]
                headers, room = 60, room - BLOCK_MOST
            if not pair.is_transport and rng.random() < 0.1:
                ip.flags, ip.frag, ip.proto = "MF", rng.randrange(4) * 8, 17
                return raw(ip / Raw(rng.randbytes(min(size, room - headers) // 8 * 8)))
        else:
            ip = IPv6(src=src, dst=dst, tc=traffic_class, hlim=hops, fl=rng.randrange(1 << 20))
            headers = 40
            if rng.random() < 0.2 and size != room:
                ip = ip / rng.choice((IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt))(options=[PADDING])
                headers, room = 48, room - BLOCK_MOST
        upper = rng.choice((
            lambda: UDP(sport=rng.randrange(1, 4000), dport=rng.randrange(1, 4000)),
            lambda: TCP(sport=rng.randrange(1, 4000), dport=rng.randrange(1, 4000)),
            lambda: ICMP() if pair.inner == 4 else ICMPv6EchoRequest()))()
        fill = min(max(size - headers - len(upper), 0), room - headers - len(upper))
        if size == room:
            fill = room - headers - len(upper)
        return raw(ip / upper / Raw(rng.randbytes(max(fill, 0))))

    # From the peer.

    def from_peer(self, pair):
        rng = self.rng
        sa = self.sas[IN_SPI + pair.index]
        damage = rng.choices(list(DAMAGE), DAMAGE.values())[0]
        if damage in NEEDS_INTEGRITY and not pair.back.has_integrity:
            damage = ""
        if damage == "iv" and not pair.back.iv_bytes or damage == "zero_spi" and pair.encap:
            damage = ""
        if pair.is_transport and damage in ("inner_length", "inner_checksum", "other_policy",
                                            "outer_class"):
            damage = ""
        if damage == "inner_checksum" and pair.inner == 6:
            damage = ""
        self.damaged[damage] = self.damaged.get(damage, 0) + 1
        src = pair.far if damage != "other_policy" else {4: "10.250.0.5", 6: "2001:db8:3::5"}[
            pair.inner]
        room = self.room(pair, pair.back) - (16 if damage == "encapsulation" else 0)
        inner = self.inner(pair, src, pair.host, room)
        seq = self.senders[pair.index].number(rng, pair)
        if damage == "zero_sequence":
            seq = 0
        own, clear = self.clear_part(pair, inner, damage, room)
        iv = (seq.to_bytes(8, "big") if pair.back.is_iv_the_sequence
              else rng.randbytes(pair.back.iv_bytes))
        esp = pair.back.seal(sa.spi, seq, sa.esn, clear, iv)
        return self.around(pair, own, self.damage_sealed(pair, esp, damage), damage)

    def clear_part(self, pair, inner, damage, most):
        """(own header in transport mode, all that is encrypted)."""
        rng, block = self.rng, pair.back.block_bytes
        if pair.is_transport:
            at, protocol_at = esp_place(inner)
            own, clear, protocol = inner[:at], inner[at:], inner[protocol_at]
        else:
            own, clear, protocol = b"", bytearray(inner), 4 if pair.inner == 4 else 41
            if damage == "inner_length":
                spot = 2 if pair.inner == 4 else 4
                clear[spot:spot + 2] = (0xFFF0).to_bytes(2, "big")
                if pair.inner == 4:
                    clear[:20] = summed(clear[:20]) if clear[0] == 0x45 else clear[:20]
            if damage == "inner_checksum":
                clear[10] ^= 1
            room = most - len(clear)
            if room > 0 and rng.random() < 0.2:  # RFC 4303 2.7
                clear += rng.randbytes(rng.randrange(min(room, 300)))
            clear = bytes(clear)
        pad = -(len(clear) + 2) % block
        room = most - len(own) - len(clear) - pad
        while room > block and pad + block <= 255 and rng.random() < 0.2:
            pad, room = pad + block, room - block
        padding = bytearray(range(1, pad + 1))
        pad_length = pad
        if damage == "pad_bytes" and padding:
            padding[rng.randrange(pad)] ^= 1 << rng.randrange(8)
        if damage == "pad_length":
            pad_length = rng.choice((255, pad + 1, (pad + 4) & 0xFF, rng.randrange(256)))
            if pair.is_transport and pad_length < pad:
                pad_length = 255  # else it is a longer packet
        if damage == "dummy":
            protocol, clear = 59, rng.randbytes(len(clear))
        if damage == "next_header":
            protocol = rng.choice((253, 99, 0xFF))
        return own, clear + bytes(padding) + bytes([pad_length, protocol])

    def damage_sealed(self, pair, esp, damage):
        rng = self.rng
        payload = 8 + pair.back.iv_bytes
        end = len(esp) - pair.back.icv_bytes
        spans = {"icv": (end, len(esp)), "ciphertext": (payload, end), "iv": (8, payload),
                 "sequence": (4, 8), "spi": (0, 4)}
        if damage in spans:
            forged = bytearray(esp)
            forged[rng.randrange(*spans[damage])] ^= 1 << rng.randrange(8)
            return bytes(forged)
        if damage == "zero_spi":
            return bytes(4) + esp[4:]
        if damage == "truncated" and pair.back.has_integrity:
            return esp[:rng.randrange(8, len(esp))]
        if damage == "truncated":
            return esp[:rng.randrange(8, payload + 2)]
        return esp

    def around(self, pair, own, esp, damage):
        rng = self.rng
        is_udp = pair.encap != (damage == "encapsulation")
        if is_udp:
            # RFC 3948 2.1: nobody may depend on this checksum being zero.
            esp = struct.pack("!HHHH", 61004, 4500, 8 + len(esp),
                              rng.choice((0, rng.randrange(1 << 16)))) + esp
        if not own:
            traffic_class = rng.randrange(256) if damage == "outer_class" else 0
            own = raw(IP(src=pair.peer, dst=pair.us, tos=traffic_class, chksum=0) if pair.outer == 4
                      else IPv6(src=pair.peer, dst=pair.us, tc=traffic_class))
        protocol_at = esp_place(own + bytes(8))[1]
        return with_protocol(own, protocol_at, UDP_PROTOCOL if is_udp else ESP, esp)
