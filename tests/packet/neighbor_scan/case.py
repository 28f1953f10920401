# SPDX-License-Identifier: BSD-3-Clause
"""Somebody scans a large link: 256 neighbors may be waited for, with 8 packets each."""
from lab import *

WAITED_FOR, SCANNED, EACH = 256, 300, 8


def packets(lab):
    lab.default_bypass()
    lab.config = lab.config.replace("10.1.0.1/24", "10.1.0.1/16")
    for _ in range(EACH):
        for host in range(SCANNED):
            packet = outgoing(src=PEER, dst=f"10.1.{7 + host // 250}.{1 + host % 250}")
            lab.receive("wan", packet, after_ms=0.01)
    lab.drops("forward_no_neighbor", EACH * (SCANNED - WAITED_FOR))
    lab.drops("replay_end", EACH * WAITED_FOR)
