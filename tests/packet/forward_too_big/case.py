# SPDX-License-Identifier: BSD-3-Clause
"""In clear too, what does not fit and has DF is answered by the next link's MTU (RFC 1191 4)."""
from lab import *

CLEAR = "198.51.100.9"


def packets(lab):
    lab.set_mtu("wan", 1400)
    for size in (1401, 1500):
        big = sized(size, dst=CLEAR, flags="DF")
        lab.receive("lan", big)
        lab.drops("forward_too_big")
        lab.sends("lan", icmp_error(LAN, HOST, FRAGMENTATION_NEEDED, hop(big), mtu=1400))
        lab.originates()
    lab.receive("lan", sized(1400, dst=CLEAR, flags="DF"))
    lab.forwards("wan", sized(1400, dst=CLEAR, flags="DF"))
