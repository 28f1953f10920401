# SPDX-License-Identifier: BSD-3-Clause
"""TTL 1 is answered by "time exceeded", which quotes the packet (RFC 1812 4.3.2, 5.3.1)."""
from lab import *


def packets(lab):
    for ttl in (1, 0):
        lab.receive("lan", outgoing(ttl=ttl))
        lab.drops("forward_ttl")
        lab.sends("lan", icmp_error(LAN, HOST, TIME_EXCEEDED, outgoing(ttl=ttl)))
        lab.originates()
    # No error about an error, nor about a fragment that is not the first.
    unreachable = IP(src=HOST, dst=FAR, ttl=1, id=3) / ICMP(type=3, code=1) / raw(outgoing())
    for silent in (unreachable, outgoing(ttl=1, frag=7)):
        lab.receive("lan", silent)
        lab.drops("forward_ttl")
    lab.receive("lan", outgoing(ttl=2))
    lab.seals(OUT, hop(outgoing(ttl=2)), seq=1)
