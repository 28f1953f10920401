# SPDX-License-Identifier: BSD-3-Clause
"""Nothing is a frame that lacks a part of its Ethernet header."""
from lab import *


def packets(lab):
    for length in (0, 1, 6, 13):
        lab.receive_frame("wan", raw(Ether(dst=OUR_MAC["wan"], src=NEIGHBOR_MAC["wan"]))[:length])
        lab.drops("classify_runt")
