# SPDX-License-Identifier: BSD-3-Clause
"""Without DF, what does not fit once sealed would have to be split, which is not done."""
from lab import *


def packets(lab):
    for size in (1447, 1500):
        lab.receive("lan", sized(size))
        lab.drops("esp_out_needs_fragments", sa=OUT)
    lab.receive("lan", sized(1446))
    lab.seals(OUT, hop(sized(1446)), seq=1)
