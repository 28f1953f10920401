# SPDX-License-Identifier: BSD-3-Clause
"""Authentic packets whose padding is not 1, 2, 3, ... or longer than the payload (RFC 4303 2.4)."""
from lab import *


def packets(lab):
    inner = raw(incoming(b"12"))  # 30 bytes
    trailers = (
        trailer(b"\0\0\0\0"),               # zeros
        trailer(b"\1\2\3\5"),               # the last one wrong
        trailer(b"\2\3\4\5"),               # counted from 2
        trailer(b"", pad_length=31),        # one more than there is
        trailer(b"", pad_length=255),
    )
    for seq, tail in enumerate(trailers, 1):
        lab.receive("wan", lab.sa(IN).seal_payload(inner + tail, seq))
        lab.drops("esp_in_bad_padding", sa=IN)
    lab.receive("wan", lab.sa(IN).seal_payload(b"\xff\x04\1\2", seq=6))  # far too long
    lab.receive("wan", lab.sa(IN).seal_payload(b"\1\1\3\4", seq=7))
    lab.drops("esp_in_bad_padding", 2, sa=IN)
    # Padding that is right, but would begin with the 8 bytes of the IV in front of the payload.
    beyond = bytes(range(1, 31))
    lab.receive("wan", lab.sa(IN).seal_payload(beyond[8:] + b"\x1e\x04", seq=8, iv=beyond[:8]))
    lab.drops("esp_in_bad_padding", sa=IN)
    # They were authentic: their numbers are used up.
    lab.stands_at(IN, 8, bitmap=0b11111111)
