# SPDX-License-Identifier: BSD-3-Clause
"""Without DF, what does not fit once sealed is split before, and each piece sealed by itself."""
from lab import *
from scapy.layers.inet import fragment

FITS = 1446


def packets(lab):
    seq = 0
    for size in (FITS, FITS + 1, 1500):
        packet = sized(size)
        lab.receive("lan", packet)
        pieces = fragment(IP(hop(packet)), (FITS - 20) // 8 * 8) if size > FITS else [packet]
        if size > FITS:
            lab.splits(len(pieces))
        for piece in pieces:
            seq += 1
            lab.seals(OUT, IP(raw(piece)) if size > FITS else hop(piece), seq)
