# SPDX-License-Identifier: BSD-3-Clause
"""In clear too, what does not fit and has no DF is split (RFC 791 2.3)."""
from lab import *
from scapy.layers.inet import fragment


def packets(lab):
    lab.set_mtu("wan", 1400)
    for size in (1400, 1401, 1500):
        packet = sized(size, dst="198.51.100.9")
        lab.receive("lan", packet)
        pieces = fragment(IP(hop(packet)), 1376) if size > 1400 else [hop(packet)]
        lab.splits(len(pieces))
        for piece in pieces:
            lab.sends("wan", IP(raw(piece)))
