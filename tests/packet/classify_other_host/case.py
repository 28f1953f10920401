# SPDX-License-Identifier: BSD-3-Clause
"""A switch floods what it does not know: frames for others are not ours to forward."""
from lab import *


def packets(lab):
    for mac in ("02:00:00:00:01:77", OUR_MAC["lan"], "00:00:00:00:00:00"):
        lab.receive_frame("wan", Ether(src=NEIGHBOR_MAC["wan"], dst=mac)
                          / IP(lab.sa(IN).seal(incoming(), 1)))
        lab.drops("classify_other_host")
