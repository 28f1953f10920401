# SPDX-License-Identifier: BSD-3-Clause
"""Out of the tunnel and too big for the link behind us: the answer goes back through the tunnel."""
from lab import *


def packets(lab):
    lab.set_mtu("lan", 1300)
    for seq, size in enumerate((1301, 1446), 1):
        big = sized(size, incoming, flags="DF")
        lab.receive("wan", lab.sa(IN).seal(big, seq))
        lab.carries(IN, big)
        lab.drops("forward_too_big")
        lab.originates()
        lab.seals(OUT, icmp_error(LAN, FAR, FRAGMENTATION_NEEDED, hop(big), mtu=1300), seq)
    lab.receive("wan", lab.sa(IN).seal(sized(1300, incoming, flags="DF"), 3))
    lab.opens(IN, sized(1300, incoming, flags="DF"))
    lab.receive("lan", outgoing())
    lab.seals(OUT, hop(outgoing()), 3)
