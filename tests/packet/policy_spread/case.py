# SPDX-License-Identifier: BSD-3-Clause
"""Flows spread over the SAs of one policy."""
from collections import Counter

from lab import *
from scapy.layers.inet import fragment
from spread import place_of

SPIS = (0x1001, 0x1003, 0x1005)
FLOWS = 24
FITS = 1446
UDP_PROTOCOL = 17
CONFIG = """
[[policy.entry]]
direction = "out"
action = "protect"
src = "10.1.0.0/24"
dst = "10.2.0.0/16"
spread = true
template = { src = "192.0.2.1", dst = "192.0.2.2", reqid = 1 }
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
    # The pieces of a packet that is split go by its own SA.
    whole = sized(1480)
    lab.receive("lan", whole)
    spi = SPIS[place_of((HOST, FAR, UDP_PROTOCOL, 4000, 5000), len(SPIS))]
    pieces = fragment(IP(hop(whole)), (FITS - 20) // 8 * 8)
    lab.splits(len(pieces))
    for piece in pieces:
        used[spi] += 1
        lab.seals(spi, IP(raw(piece)), used[spi])
