# SPDX-License-Identifier: BSD-3-Clause
"""With no window asked for and none configured, numbers are not looked at (RFC 4303 3.4.3)."""
from lab import *


def packets(lab):
    lab.config += "\n[esp]\nreplay_window = 0\n"
    for seq in (5, 5, 1, 0xFFFFFFFF, 0, 7):
        lab.receive("wan", lab.sa(IN).seal(incoming(), seq))
        lab.opens(IN, incoming())
    lab.stands_at(IN, 7)
