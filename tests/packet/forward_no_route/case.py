# SPDX-License-Identifier: BSD-3-Clause
"""No route, or one into a black hole; also where the outer header of an SA would have to go."""
from lab import *

NOWHERE = "203.0.113.9"


def packets(lab):
    lab.receive("lan", outgoing(dst=NOWHERE))
    lab.receive("lan", outgoing(dst="198.51.100.200"))
    lab.drops("forward_no_route", 2)
    lab.receive("lan", outgoing(dst="10.2.9.5"))     # its SA goes to NOWHERE
    lab.drops("forward_no_route")
    lab.carries(0x2001, outgoing())
