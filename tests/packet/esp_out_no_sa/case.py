# SPDX-License-Identifier: BSD-3-Clause
"""A policy asks for an SA that is not there: it waits for nothing and leaves nothing in clear."""
from lab import *


def packets(lab):
    lab.receive("lan", outgoing())
    lab.receive("lan", sized(1500, flags="DF"))
    lab.drops("esp_out_no_sa", 2)
