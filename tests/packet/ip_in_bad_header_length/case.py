# SPDX-License-Identifier: BSD-3-Clause
"""No IPv4 header is shorter than 20 bytes."""
from lab import *


def packets(lab):
    packet = raw(IP(src=PEER, dst=WAN) / UDP())
    for words in range(5):
        lab.receive("wan", bytes([0x40 | words]) + packet[1:])
        lab.drops("ip_in_bad_header_length")
