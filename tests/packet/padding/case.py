# SPDX-License-Identifier: BSD-3-Clause
"""Inner packets of 20 to 64 bytes: all lengths of padding, ours the shortest (RFC 4303 2.4)."""
from lab import *


def plain(size, src, dst):
    return IP(raw(IP(src=src, dst=dst, id=7, proto=253) / bytes(range(size - 20))))


def packets(lab):
    for seq, size in enumerate(range(20, 65), 1):
        lab.receive("lan", plain(size, HOST, FAR))
        lab.seals(OUT, IP(hop(plain(size, HOST, FAR))), seq)
        inner = plain(size, FAR, HOST)
        lab.receive("wan", lab.sa(IN).seal(inner, seq))
        lab.opens(IN, inner)
    # A peer may pad as much as one byte can say, and fill up behind the packet (RFC 4303 2.7).
    inner = incoming(b"12")  # 30 bytes
    fillings = ((0, 252), (0, 4), (100, 0), (101, 251), (1000, 4))
    for seq, (filling, pad) in enumerate(fillings, 100):
        tail = trailer(bytes(range(1, pad + 1)))
        assert (30 + filling + len(tail)) % 4 == 0
        payload = raw(inner) + bytes(filling) + tail
        lab.receive("wan", lab.sa(IN).seal_payload(payload, seq))
        lab.opens(IN, inner)
