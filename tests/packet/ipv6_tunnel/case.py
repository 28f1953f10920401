# SPDX-License-Identifier: BSD-3-Clause
"""Tunnels with IPv6 inside, outside or both (RFC 4301 5.1.2): lengths, hop limits, DSCP, ECN, flow
labels, extension headers."""
from lab import *
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN

PADDING = PadN(otype=1, optdata=b"\0" * 4)
BEHIND_IPV4 = "2001:db8:2:100::5"
# By tunnel: the SAs and packets both ways; the largest that fits into 1500 bytes. 1500 = 40 outer
# IPv6, 8 ESP, 8 IV, 1424 payload and padding, 2 trailer, 16 ICV, 2 short of 4 bytes; IPv4 as ever.
TUNNELS = (
    (0x1001, 0x1002, outgoing6, incoming6, {}, 1426),
    (0x2001, 0x2002, outgoing6, incoming6, {"far": BEHIND_IPV4}, 1446),
    (0x3001, 0x3002, outgoing, incoming, {}, 1426),
)


def packets(lab):
    for out, back, make, make_back, ends, fits in TUNNELS:
        there = {"dst": ends["far"]} if ends else {}
        here = {"src": ends["far"]} if ends else {}
        seq = 0
        for payload_bytes in (0, 1, 2, 3, 100, fits - 48 if make is outgoing6 else fits - 28):
            seq += 1
            inner = make(bytes(payload_bytes), **there)
            lab.receive("lan", inner)
            lab.seals(out, hop(inner), seq)
            inner = make_back(bytes(payload_bytes), **here)
            lab.receive("wan", lab.sa(back).seal(inner, seq))
            lab.opens(back, inner)
    marked(lab)
    extended(lab)


def marked(lab):
    """Traffic class, which is copied, and flow label, which is not (RFC 4301 5.1.2.2)."""
    inner = outgoing6(tc=0x2A, fl=0xABCDE)
    lab.receive("lan", inner)
    lab.seals(0x1001, hop(inner), 7)
    inner = outgoing6(tc=0xB9, fl=5, dst=BEHIND_IPV4)
    lab.receive("lan", inner)
    lab.seals(0x2001, hop(inner), 7)
    # The network says "congestion" on the outside (RFC 6040 4.2).
    inner = incoming6(tc=0x29)
    lab.receive("wan", lab.sa(0x1002).seal(inner, 7, tc=0x03))
    marked_inner = ip_of(inner)
    marked_inner.tc = 0x2B
    lab.opens(0x1002, raw(marked_inner))
    inner = incoming6(tc=0x28)
    lab.receive("wan", lab.sa(0x1002).seal(inner, 8, tc=0x03))
    lab.drops("esp_in_ecn", sa=0x1002)


def extended(lab):
    """Extension headers inside travel as they are; outside they may stand before ESP."""
    for seq, extension in ((8, IPv6ExtHdrHopByHop(options=[PADDING])),
                           (9, IPv6ExtHdrDestOpt(options=[PADDING]))):
        inner = IPv6(raw(IPv6(src=HOST6, dst=FAR6) / extension / UDP(sport=1, dport=2) / b"x"))
        lab.receive("lan", inner)
        lab.seals(0x1001, hop(inner), seq)
    sealed = IPv6(lab.sa(0x1002).seal(incoming6(), 9))
    outer = IPv6(src=PEER6, dst=WAN6) / IPv6ExtHdrDestOpt(options=[PADDING], nh=50)
    lab.receive("wan", IPv6(raw(outer / raw(sealed.payload))))
    lab.opens(0x1002, incoming6())
