# SPDX-License-Identifier: BSD-3-Clause
"""SPI 0 is for local use and never on the wire (RFC 4303 2.1)."""
from lab import *


def packets(lab):
    for length in (8, 36, 100):
        lab.receive("wan", lab.sa(IN).around(bytes(length)))
        lab.drops("esp_in_zero_spi")
