# SPDX-License-Identifier: BSD-3-Clause
"""ESP to us that nobody has agreed on: another SPI, an outbound one, another of our addresses."""
from lab import *


def packets(lab):
    sa = lab.sa(IN)
    for spi, dst in ((0x1003, WAN), (OUT, WAN), (1, WAN), (0xFFFFFFFF, WAN), (IN, LAN)):
        sa.spi, sa.dst = spi, dst
        lab.receive("wan", sa.seal(incoming(), 1))
        lab.drops("esp_in_no_sa")
    sa.spi, sa.dst, sa.encap = 0x1003, WAN, (4500, 4500)
    lab.receive("wan", sa.seal(incoming(), 1))
    lab.drops("esp_in_no_sa")
