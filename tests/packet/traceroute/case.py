# SPDX-License-Identifier: BSD-3-Clause
"""A traceroute through the tunnel, from either side, finds this gateway (RFC 1812 5.3.1)."""
from lab import *


def packets(lab):
    # From behind us: the probe has not entered the tunnel, the answer comes from our near address.
    probe = sized(60, ttl=1)
    lab.receive("lan", probe)
    lab.drops("forward_ttl")
    lab.originates()
    lab.sends("lan", icmp_error(LAN, HOST, TIME_EXCEEDED, probe))
    # From the far side: the answer goes back through the tunnel, from an address of ours that the
    # policy covers, and takes part of the SA's numbers.
    for seq, size in enumerate((60, 1446), 1):
        probe = sized(size, incoming, ttl=1)
        lab.receive("wan", lab.sa(IN).seal(probe, seq))
        lab.carries(IN, probe)
        lab.drops("forward_ttl")
        lab.originates()
        lab.seals(OUT, icmp_error(LAN, FAR, TIME_EXCEEDED, probe), seq)
    lab.receive("wan", lab.sa(IN).seal(incoming(ttl=2), 3))
    lab.opens(IN, incoming(ttl=2))
