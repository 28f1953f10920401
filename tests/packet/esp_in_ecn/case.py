# SPDX-License-Identifier: BSD-3-Clause
"""Congestion marked outside a packet that is not ECN-capable: RFC 6040 4.2 wants it dropped."""
from lab import *

NOT_ECT, CE = 0, 3


def packets(lab):
    lab.receive("wan", lab.sa(IN).seal(incoming(tos=NOT_ECT), seq=1, tos=CE))
    lab.receive("wan", lab.sa(IN).seal(incoming(tos=46 << 2 | NOT_ECT), seq=2, tos=46 << 2 | CE))
    lab.drops("esp_in_ecn", 2, sa=IN)
