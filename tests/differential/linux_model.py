# SPDX-License-Identifier: BSD-3-Clause
"""What Linux 6.1 does with each packet in a gateway's place: as model.py, with all that Linux does
otherwise. Drops are named as in /proc/net/xfrm_stat, "" where nothing there counts them."""

import struct
from collections import Counter

from lab import hop
from model import (DUMMY, IPIP, IPV6, UDP, Model, Outcome, Refused, class_of, covers, ends_of,
                   inner_length, ip_address, summed, upper_place, with_protocol)
from transforms import Forged

CE, ECT_0 = 3, 2
DF = 0x40
NONE = ""
# Not counted there either.
TTL = "time exceeded"
SHORT = "short in UDP"
# Of `ip -s xfrm state`: dropped as too old, as seen before, by their ICV.
TOO_OLD, SEEN, FORGED = "replay-window", "replay", "failed"


class LinuxModel(Model):
    def __init__(self, batch, mtu):
        super().__init__(batch, mtu)
        self.carried = Counter()  # packets, and as (SPI, "bytes") bytes
        self.stats = Counter()    # (SPI, one of the three above)
        for side in self.sides.values():
            side.window.seen = set()  # what came before an SA was handed over may come again

    def carry(self, spi, size):
        self.carried[spi] += 1
        self.carried[spi, "bytes"] += size

    # Outbound.

    def seal(self, packet):
        try:
            outcome = super().seal(packet)
        except Refused as refused:
            assert refused.reason == "esp_out_seq_overflow", refused.reason
            raise Refused("XfrmOutStateSeqError") from None
        inner = outcome.packet
        if self.sides[outcome.spi].sa.is_transport:
            inner = inner[self.place_of_esp(inner)[0]:]
        self.carry(outcome.spi, len(inner))
        return outcome

    @staticmethod
    def place_of_esp(packet):
        """Behind all that RFC 4303 3.1.1 lets stand in front: destination options too."""
        return upper_place(packet)

    @staticmethod
    def new_front(side, inner, seq, behind):
        """The inner flow label goes outside, and CE becomes ECT(0), as in RFC 3168 9.1.1."""
        front = bytearray(Model.new_front(side, inner, seq, behind))
        ecn = class_of(inner) & 3
        if ecn == CE and "noecn" not in side.flags:
            if side.sa.is_ipv6:
                front[1] = front[1] & 0xCF | ECT_0 << 4
            else:
                front[1] = front[1] & 0xFC | ECT_0
        if side.sa.is_ipv6 and inner[0] >> 4 == 6:
            front[1] = front[1] & 0xF0 | inner[1] & 0x0F
            front[2:4] = inner[2:4]
        if not side.sa.is_ipv6:
            return summed(front[:20]) + bytes(front[20:])
        return bytes(front)

    # Inbound.

    def open(self, packet):
        at, protocol_at = upper_place(packet)
        is_udp = packet[protocol_at] == UDP
        esp = packet[at + 8:] if is_udp else packet[at:]
        if is_udp and (len(esp) <= 8 or esp[:4] == bytes(4)):
            raise Refused(NONE)  # for the socket's owner
        if is_udp and len(esp) < (40 if packet[0] >> 4 == 6 else (packet[0] & 15) * 4):
            # xfrm[46]_udp_encap_rcv takes what is left behind the IP header for the whole packet.
            raise Refused(SHORT)
        spi, low = struct.unpack_from("!II", esp)
        _, dst = ends_of(packet)
        side = self.sides.get(spi)
        if side is None or ip_address(side.sa.dst) != dst:
            raise Refused("XfrmInNoStates")
        if is_udp != bool(side.sa.encap):
            raise Refused("XfrmInStateMismatch")
        seq = self.check_window(side, low)
        clear = self.decipher(side, esp, seq)
        pad_length, protocol = clear[-2:]
        # The padding's bytes are not looked at. There is no empty payload.
        if pad_length + 2 >= len(clear) or protocol == DUMMY:
            raise Refused("XfrmInStateProtoError")
        side.window.enter(seq)
        payload = clear[:-2 - pad_length]
        self.carry(spi, len(payload))
        if side.sa.is_transport:
            inner = with_protocol(packet[:at], protocol_at, protocol, payload)
            return Outcome("opened", spi, "punt", inner)
        inner = self.take_out(side, packet, protocol, payload)
        src, dst = ends_of(inner)
        if not any(policy.reqid == side.reqid and covers(policy, src, dst)
                   for policy in self.policies["in"]):
            raise Refused("XfrmInNoPols")
        if inner[7 if inner[0] >> 4 == 6 else 8] <= 1:
            raise Refused(TTL)
        return Outcome("opened", spi, "lan", hop(inner))

    def check_window(self, side, low):
        seq = side.window.infer(low)
        if seq == 0 and side.window.size:
            raise Refused("XfrmInStateSeqError")
        reason = side.window.verdict(seq)
        if reason:
            self.stats[side.sa.spi, TOO_OLD if reason == "esp_in_too_old" else SEEN] += 1
            raise Refused("XfrmInStateSeqError")
        return seq

    def decipher(self, side, esp, seq):
        sa, transform = side.sa, side.sa.transform
        sealed = len(esp) - 8 - transform.iv_bytes - transform.icv_bytes
        if sealed < 0 or not transform.has_integrity and (
                sealed < 2 or sealed % transform.block_bytes):
            raise Refused("XfrmInStateProtoError")
        try:
            return transform.open(esp, seq >> 32, sa.esn)
        except Forged:
            self.stats[sa.spi, FORGED] += 1
            raise Refused("XfrmInStateProtoError") from None

    @staticmethod
    def take_out(side, outer, protocol, payload):
        if protocol not in (IPIP, IPV6) or len(payload) < (20 if protocol == IPIP else 40):
            raise Refused("XfrmInStateModeError")
        length = inner_length(protocol, payload)
        if length is None:
            raise Refused(NONE)  # the inner packet's own receiver drops it
        inner = bytearray(payload[:length])
        old, seen = class_of(inner), class_of(outer)
        # Only CE is copied inwards, and never to what knows no ECN.
        is_marked = "noecn" not in side.flags and seen & 3 == CE and old & 3 != 0
        ecn = CE if is_marked else old & 3
        dscp = seen & 0xFC if "decap-dscp" in side.flags else old & 0xFC
        if protocol == IPV6:
            inner[0] = 0x60 | (dscp | ecn) >> 4
            inner[1] = (dscp | ecn) << 4 & 0xF0 | inner[1] & 0x0F
            return bytes(inner)
        inner[1] = dscp | ecn
        header = (inner[0] & 15) * 4
        return summed(inner[:header]) + bytes(inner[header:])


def duplicated(packet):
    """As iptables' TEE sends a copy of what is for the guest itself."""
    packet = bytearray(hop(packet))
    if packet[0] >> 4 == 6:
        return bytes(packet)
    packet[6] |= DF
    header = (packet[0] & 15) * 4
    return summed(packet[:header]) + bytes(packet[header:])
