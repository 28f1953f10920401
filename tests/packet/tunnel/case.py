# SPDX-License-Identifier: BSD-3-Clause
"""Both directions of three tunnels: AES-128, AES-192 and AES-256 in GCM (RFC 4106)."""
from lab import *

# Outbound SA, inbound SA, third byte of the far network.
TUNNELS = ((0x1281, 0x1282, 1), (0x1921, 0x1922, 2), (0x2561, 0x2562, 3))


def packets(lab):
    for count in range(1, 6):
        for out_spi, in_spi, net in TUNNELS:
            for size in (28, 64, 65, 576, 1446):
                far = f"10.2.{net}.5"
                seq = (count - 1) * 5 + (28, 64, 65, 576, 1446).index(size) + 1
                lab.receive("lan", sized(size, dst=far))
                lab.seals(out_spi, hop(sized(size, dst=far)), seq)
                lab.receive("wan", lab.sa(in_spi).seal(sized(size, incoming, src=far), seq))
                lab.opens(in_spi, sized(size, incoming, src=far))
    for out_spi, in_spi, _ in TUNNELS:
        lab.stands_at(out_spi, 25)
        lab.stands_at(in_spi, 25, bitmap=(1 << 25) - 1)
