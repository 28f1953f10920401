# SPDX-License-Identifier: BSD-3-Clause
"""Extended sequence numbers across 2^32, which is not on the wire (RFC 4303 2.2.1, A2)."""
from lab import *

BEFORE = (5 << 32) - 3  # where both SAs start


def packets(lab):
    for i in range(1, 7):
        lab.receive("lan", outgoing(bytes([i])))
        lab.seals(OUT, hop(outgoing(bytes([i]))), BEFORE + i)
    # Out of order across the border, again, and far to the right.
    for seq, is_new in ((BEFORE + 1, True), (BEFORE + 6, True), (BEFORE + 2, True),
                        (BEFORE + 5, True), (BEFORE + 60, True), (BEFORE + 3, True)):
        inner = incoming(seq.to_bytes(8, "big"))
        lab.receive("wan", lab.sa(IN).seal(inner, seq))
        lab.opens(IN, inner)
    for seq in (BEFORE + 2, BEFORE + 6):
        lab.receive("wan", lab.sa(IN).seal(incoming(), seq))
        lab.drops("esp_in_replay", sa=IN)
    # Numbers of the wrong 2^32 are not authentic: the high half is in the ICV.
    for seq in (BEFORE + 7 - (1 << 32), BEFORE + 7 + (1 << 32)):
        lab.receive("wan", lab.sa(IN).seal(incoming(), seq))
        lab.drops("esp_in_icv", sa=IN)
    # Left of the window is taken for right of the next 2^32.
    lab.receive("wan", lab.sa(IN).seal(incoming(), BEFORE - 20))
    lab.drops("esp_in_icv", sa=IN)
    lab.stands_at(OUT, BEFORE + 6)
    lab.stands_at(IN, BEFORE + 60, bitmap=sum(1 << 60 - i for i in (1, 2, 3, 5, 6, 60))
                  | (1 << 64) - (1 << 60))
