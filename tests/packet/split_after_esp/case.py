# SPDX-License-Identifier: BSD-3-Clause
"""The same with `fragment = "after"`: one ESP packet, which leaves in pieces."""
from lab import *
from scapy.layers.inet import fragment

FITS = 1446


def packets(lab):
    lab.config += '\n[esp]\nfragment = "after"\n'
    for seq, size in enumerate((FITS, FITS + 1, 1500), 1):
        packet = sized(size)
        lab.receive("lan", packet)
        if size <= FITS:
            lab.seals(OUT, hop(packet), seq)
            continue
        sealed = IP(lab.sa(OUT).seal(hop(packet), seq, id=seq))
        pieces = fragment(sealed, 1480)
        lab.splits(len(pieces))
        lab.carries(OUT, hop(packet))
        for piece in pieces:
            lab.sends("wan", IP(raw(piece)))
