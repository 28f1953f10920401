# SPDX-License-Identifier: BSD-3-Clause
"""No more than 50 errors of a kind in a row and 1000 a second (RFC 1812 4.3.2.8)."""
from lab import *

IN_A_ROW = 50
EXTRA = 20


def packets(lab):
    """Both kinds mixed: however they fall into bursts, the same ones are answered."""
    expired, big = outgoing(ttl=1), sized(1500, flags="DF")
    for i in range(IN_A_ROW + EXTRA):
        lab.receive("lan", expired, after_ms=0.0001)
        lab.drops("forward_ttl")
        lab.receive("lan", big, after_ms=0.0001)
        lab.drops("esp_out_too_big", sa=OUT)
        if i < IN_A_ROW:
            lab.originates(2)
            lab.sends("lan", icmp_error(LAN, HOST, TIME_EXCEEDED, expired))
            lab.sends("lan", icmp_error(LAN, HOST, FRAGMENTATION_NEEDED, hop(big), mtu=1446))
    for _ in range(3):      # a millisecond earns one more
        lab.receive("lan", expired, after_ms=1)
        lab.drops("forward_ttl")
        lab.originates()
        lab.sends("lan", icmp_error(LAN, HOST, TIME_EXCEEDED, expired))
