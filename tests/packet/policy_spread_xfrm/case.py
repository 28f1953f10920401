# SPDX-License-Identifier: BSD-3-Clause
"""XFRM's policies spread their flows, too, where the configuration says so."""
from collections import Counter

from lab import *
from spread import place_of

SPIS = (0x1001, 0x1003, 0x1005)
FLOWS = 24
UDP_PROTOCOL = 17
CONFIG = """
[xfrm]
spread = true
"""


def packets(lab):
    lab.config += CONFIG
    used = Counter()

    def goes(packet, sport, dport):
        spi = SPIS[place_of((HOST, FAR, UDP_PROTOCOL, sport, dport), len(SPIS))]
        used[spi] += 1
        lab.seals(spi, hop(packet), used[spi])

    # Every flow's packets among those of the others: all of one flow by one SA.
    for turn in range(3):
        for flow in range(FLOWS):
            packet = IP(raw(IP(src=HOST, dst=FAR, id=turn) /
                            UDP(sport=4000 + flow, dport=5000) / b"data"))
            lab.receive("lan", packet)
            goes(packet, 4000 + flow, 5000)
    # No SA stays idle, nor has more than two thirds of the flows.
    assert len(used) == len(SPIS) and max(used.values()) <= 2 * FLOWS, used
    # Not all fragments of a packet show ports: none is sent by them.
    for part in (outgoing(flags="MF"), outgoing(frag=5)):
        lab.receive("lan", part)
        goes(part, 0, 0)
