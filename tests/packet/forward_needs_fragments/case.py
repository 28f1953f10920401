# SPDX-License-Identifier: BSD-3-Clause
"""In clear too, what does not fit and has no DF would have to be split, which is not done."""
from lab import *


def packets(lab):
    lab.set_mtu("wan", 1400)
    for size in (1401, 1500):
        lab.receive("lan", sized(size, dst="198.51.100.9"))
        lab.drops("forward_needs_fragments")
