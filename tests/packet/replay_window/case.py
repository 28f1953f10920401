# SPDX-License-Identifier: BSD-3-Clause
"""Replay windows of 32 to 4096, which is what iproute2 can ask for."""
from lab import *
from replay_story import tell


def packets(lab):
    for window in (32, 64, 1024, 4096):
        tell(lab, window, 0x1000 + window)
