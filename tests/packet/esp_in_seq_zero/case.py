# SPDX-License-Identifier: BSD-3-Clause
"""No sender may use sequence number 0 (RFC 4303 3.3.3), even with an ICV that is right."""
from lab import *


def packets(lab):
    lab.receive("wan", lab.sa(IN).seal(incoming(), seq=0))
    lab.drops("esp_in_seq_zero", sa=IN)
    lab.stands_at(IN, 0)
