# SPDX-License-Identifier: BSD-3-Clause
"""Without ESN 2^32 - 1 is the last sequence number; the rest waits for a rekey (RFC 4303 3.3.3)."""
from lab import *

LAST = 0xFFFFFFFF


def packets(lab):
    for seq in (LAST - 1, LAST):
        lab.receive("lan", outgoing())
        lab.seals(OUT, hop(outgoing()), seq)
    for _ in range(5):
        lab.receive("lan", outgoing())
        lab.drops("esp_out_seq_overflow", sa=OUT)
