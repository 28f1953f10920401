# SPDX-License-Identifier: BSD-3-Clause
"""Eight packets wait a second for a next hop that does not answer; nothing more waits."""
from lab import *


def packets(lab):
    for _ in range(9):
        lab.receive("wan", outgoing(src=PEER, dst="10.1.0.66"))     # the ninth finds no place
    lab.receive("wan", outgoing(src=PEER, dst="10.1.0.67"))         # another neighbor
    lab.drops("forward_no_neighbor", 10)
    lab.receive("wan", outgoing(src=PEER, dst=HOST), after_ms=1100)     # time goes on
    lab.forwards("lan", outgoing(src=PEER, dst=HOST))
