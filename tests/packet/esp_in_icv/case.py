# SPDX-License-Identifier: BSD-3-Clause
"""One bit wrong anywhere: the packet is refused and the window does not move (RFC 4303 3.4.4)."""
from lab import *

OUTER_BYTES = 20  # the SPI follows; it is not touched, as another one is no SA of ours
SEQUENCE, IV, CIPHERTEXT = OUTER_BYTES + 4, OUTER_BYTES + 8, OUTER_BYTES + 16


def packets(lab):
    honest = lab.sa(IN).seal(incoming(), seq=1)
    for byte in (SEQUENCE, IV, IV + 7, CIPHERTEXT, len(honest) - 17, len(honest) - 16,
                 len(honest) - 1):
        forged = bytearray(honest)
        forged[byte] ^= 0x40
        lab.receive("wan", bytes(forged))
        lab.drops("esp_in_icv", sa=IN)
    other_key = lab.sa(OUT)
    other_key.spi, other_key.src, other_key.dst = IN, PEER, WAN
    lab.receive("wan", other_key.seal(incoming(), seq=2))
    lab.drops("esp_in_icv", sa=IN)

    lab.receive("wan", honest)
    lab.opens(IN, incoming())
    lab.stands_at(IN, 1, bitmap=1)
