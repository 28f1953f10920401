# SPDX-License-Identifier: BSD-3-Clause
"""[esp] replay_window = 32768 is a floor for every SA, whatever was asked for."""
from lab import *
from replay_story import tell

ASKED_32, ASKED_NOTHING = 0x2002, 0x2004


def packets(lab):
    lab.config += "\n[esp]\nreplay_window = 32768\n"
    for spi in (ASKED_32, ASKED_NOTHING):
        tell(lab, 32768, spi)
