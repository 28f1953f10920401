# SPDX-License-Identifier: BSD-3-Clause
"""What comes after the hard limit of packets is refused (RFC 4301 4.4.2.1)."""
from lab import *

HARD_PACKETS = 5


def packets(lab):
    for seq in range(1, HARD_PACKETS + 1):
        lab.receive("wan", lab.sa(IN).seal(incoming(), seq))
        lab.opens(IN, incoming())
    for seq in range(HARD_PACKETS + 1, HARD_PACKETS + 4):
        lab.receive("wan", lab.sa(IN).seal(incoming(), seq))
        lab.drops("esp_in_expired", sa=IN)
