# SPDX-License-Identifier: BSD-3-Clause
"""Dummy packets are authentic, use up their numbers and go no further (RFC 4303 2.6)."""
from lab import *

DUMMY = 59


def packets(lab):
    for seq, payload in enumerate((b"", b"any thing", bytes(1000)), 1):
        padding = bytes(range(1, 1 + (-len(payload) - 2) % 4))
        tail = trailer(padding, next_header=DUMMY)
        lab.receive("wan", lab.sa(IN).seal_payload(payload + tail, seq))
        lab.drops("esp_in_dummy")
    lab.receive("wan", lab.sa(IN).seal(incoming(), 4))
    lab.opens(IN, incoming())
    lab.stands_at(IN, 4, bitmap=0b1111)
