# SPDX-License-Identifier: BSD-3-Clause
"""One byte 0xff keeps a NAT's mapping alive and has done its work (RFC 3948 2.3)."""
from lab import *


def packets(lab):
    for sport in (4500, 61004):
        lab.receive("wan", IP(src=PEER, dst=WAN, id=1) / UDP(sport=sport, dport=4500) / b"\xff")
        lab.drops("nat_t_keepalive")
