# SPDX-License-Identifier: BSD-3-Clause
"""No policy, or one that says so: nothing leaves, and nobody is told (RFC 4301 5.1)."""
from lab import *


def packets(lab):
    lab.receive("lan", outgoing(dst="198.51.100.9"))               # no policy in either direction
    lab.receive("lan", outgoing(dst="198.51.100.9", ttl=1))
    lab.receive("lan", sized(1500, dst="198.51.100.9", flags="DF"))
    lab.receive("lan", outgoing(dst="198.51.100.200"))             # an inbound policy alone
    lab.receive("lan", outgoing(dst="10.2.255.5"))                 # the outbound policy blocks
    lab.receive("lan", outgoing(dst="10.2.255.5", frag=3))         # and each fragment
    lab.receive("wan", outgoing(src=PEER, dst=HOST))               # from outside
    lab.drops("spd_out_discard", 7)
