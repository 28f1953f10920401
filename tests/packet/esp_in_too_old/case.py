# SPDX-License-Identifier: BSD-3-Clause
"""Left of a window of 64 nothing can be told apart any more (RFC 4303 3.4.3)."""
from lab import *


def packets(lab):
    for seq, is_taken in ((100, True), (36, False), (37, True), (1, False)):
        lab.receive("wan", lab.sa(IN).seal(incoming(), seq))
        if is_taken:
            lab.opens(IN, incoming())
        else:
            lab.drops("esp_in_too_old", sa=IN)
    forged = bytearray(lab.sa(IN).seal(incoming(), seq=2))
    forged[-1] ^= 1
    lab.receive("wan", bytes(forged))  # not worth opening
    lab.drops("esp_in_too_old", sa=IN)
    lab.stands_at(IN, 100, bitmap=1 << 63 | 1)
