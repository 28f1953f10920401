# SPDX-License-Identifier: BSD-3-Clause
"""A packet that comes again is refused, also out of order and also in the same burst."""
from lab import *


def packets(lab):
    lab.receive("wan", lab.sa(IN).seal(incoming(b"first"), seq=1))
    lab.opens(IN, incoming(b"first"))
    lab.receive("wan", lab.sa(IN).seal(incoming(b"third"), seq=3))
    lab.opens(IN, incoming(b"third"))
    lab.receive("wan", lab.sa(IN).seal(incoming(b"first"), seq=1))
    lab.drops("esp_in_replay", sa=IN)
    # The number is looked at before any work goes into opening the packet (RFC 4303 3.4.3).
    forged = bytearray(lab.sa(IN).seal(incoming(b"first"), seq=1))
    forged[-1] ^= 1
    lab.receive("wan", bytes(forged))
    lab.drops("esp_in_replay", sa=IN)
    lab.receive("wan", lab.sa(IN).seal(incoming(b"second"), seq=2))
    lab.opens(IN, incoming(b"second"))
    lab.stands_at(IN, 3, bitmap=0b111)
