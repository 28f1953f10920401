# SPDX-License-Identifier: BSD-3-Clause
"""What still waits for a neighbor when the captures end is not lost without a word."""
from lab import *


def packets(lab):
    for _ in range(8):
        lab.receive("wan", outgoing(src=PEER, dst="10.1.0.66"))
    lab.drops("replay_end", 8)
