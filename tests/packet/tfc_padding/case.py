# SPDX-License-Identifier: BSD-3-Clause
"""RFC 4303 2.7: short packets are made as long as `tfcpad` says, by zeroes behind the inner one."""
from lab import *

PADDED = 200


def packets(lab):
    seq = 0
    for size in (28, 100, 199, 200, 201, 1446):
        seq += 1
        inner = hop(sized(size))
        clear = inner + bytes(max(PADDED - size, 0))
        padding = bytes(range(1, 1 + (-len(clear) - 2) % 4))
        lab.receive("lan", sized(size))
        lab.sends("wan", lab.sa(OUT).seal_payload(clear + trailer(padding), seq, id=seq))
        lab.carries(OUT, inner)
        # What comes in so is cut to the inner packet's own length.
        inner = raw(sized(size, incoming))
        clear = inner + bytes(min(PADDED, 1446 - size))
        padding = bytes(range(1, 1 + (-len(clear) - 2) % 4))
        lab.receive("wan", lab.sa(IN).seal_payload(clear + trailer(padding), seq))
        lab.opens(IN, inner)
