# SPDX-License-Identifier: BSD-3-Clause
"""TCP is told of segments that fit into the tunnel, in both directions, never of larger ones."""
from lab import *

FITS = 1446


def syn(mss):
    return TCP(sport=4000, dport=80, flags="S", options=[("MSS", mss), ("SAckOK", b"")])


def packets(lab):
    for seq, (said, told) in enumerate(((1460, FITS - 40), (FITS - 40, FITS - 40), (536, 536)), 1):
        lab.receive("lan", IP(raw(IP(src=HOST, dst=FAR, id=7) / syn(said))))
        lab.seals(OUT, hop(IP(raw(IP(src=HOST, dst=FAR, id=7) / syn(told)))), seq)
    # What the far side says is told to our host, whose segments will go through the same tunnel.
    for seq, (said, told) in enumerate(((1460, FITS - 40), (536, 536)), 1):
        lab.receive("wan", lab.sa(IN).seal(IP(raw(IP(src=FAR, dst=HOST, id=7) / syn(said))), seq))
        lab.carries(IN, IP(raw(IP(src=FAR, dst=HOST, id=7) / syn(said))))
        lab.forwards("lan", IP(raw(IP(src=FAR, dst=HOST, id=7) / syn(told))))
    # Not a SYN.
    other = IP(raw(IP(src=HOST, dst=FAR, id=7)
                   / TCP(sport=4000, dport=80, flags="A", options=[("MSS", 1460)])))
    lab.receive("lan", other)
    lab.seals(OUT, hop(other), 4)
