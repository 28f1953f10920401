# SPDX-License-Identifier: BSD-3-Clause
"""With `df = "set"` the outer header has DF whatever the inner one says (RFC 4301 8.1), but for
what is split outside; the SA's own flag nopmtudisc comes first."""
from lab import *
from scapy.layers.inet import fragment

CLEARED_OUT = 0x2001
CLEARED_FAR = "10.2.9.5"
FITS = 1446


def packets(lab):
    lab.config += '\n[esp]\ndf = "set"\nfragment = "after"\n'
    for seq, flags in enumerate(("DF", 0), 1):
        inner = outgoing(flags=flags)
        lab.receive("lan", inner)
        lab.seals(OUT, hop(inner), seq, flags="DF", id=0)
        inner = outgoing(flags=flags, dst=CLEARED_FAR)
        lab.receive("lan", inner)
        lab.seals(CLEARED_OUT, hop(inner), seq, flags=0, id=seq)
    packet = sized(FITS + 1)
    lab.receive("lan", packet)
    pieces = fragment(IP(lab.sa(OUT).seal(hop(packet), 3, id=3)), 1480)
    lab.splits(len(pieces))
    lab.carries(OUT, hop(packet))
    for piece in pieces:
        lab.sends("wan", IP(raw(piece)))
