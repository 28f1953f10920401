# SPDX-License-Identifier: BSD-3-Clause
"""Too short for header, IV, trailer and ICV, or not a multiple of four bytes (RFC 4303 2.4)."""
from lab import *


def packets(lab):
    sealed = lab.sa(IN).seal(incoming(), 1)
    esp = raw(IP(sealed).payload)
    smallest = 8 + 8 + 4 + 16
    for length in (0, 7, 8, 16, smallest - 4, smallest - 1, smallest + 1, smallest + 2,
                   smallest + 3, len(esp) - 1, len(esp) - 2):
        lab.receive("wan", lab.sa(IN).around(esp[:length]))
        lab.drops("esp_in_runt")
