# SPDX-License-Identifier: BSD-3-Clause
"""After the packet that reaches the hard limit of bytes nothing is sealed."""
from lab import *

HARD_BYTES = 250


def packets(lab):
    for seq in range(1, 4):
        lab.receive("lan", sized(100))
        lab.seals(OUT, hop(sized(100)), seq)
    for _ in range(3):
        lab.receive("lan", sized(100))
        lab.drops("esp_out_expired", sa=OUT)
