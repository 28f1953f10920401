# SPDX-License-Identifier: BSD-3-Clause
"""What should have come in an SA came in clear: it goes nowhere, nor to Linux (RFC 4301 5.2)."""
from lab import *


def packets(lab):
    lab.receive("wan", incoming())
    lab.receive("lan", incoming())        # whichever port it comes by
    lab.receive("wan", incoming(dst=LAN))
    lab.receive("wan", incoming(ttl=1))   # no time exceeded either
    lab.receive("wan", sized(1500, make=incoming, flags="DF"))
    lab.receive("wan", IP(src=FAR, dst=LAN, id=3) / ICMP())
    lab.drops("spd_in_clear_protected", 6)
