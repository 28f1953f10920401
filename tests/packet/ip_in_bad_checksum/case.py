# SPDX-License-Identifier: BSD-3-Clause
"""A damaged header is not believed, also where the damage is in its options."""
from lab import *
from scapy.layers.inet import IPOption


def packets(lab):
    good = raw(IP(src=PEER, dst=WAN, options=[IPOption(b"\1\1\1\0")]) / UDP())
    for byte in (1, 4, 8, 10, 11, 12, 19, 20, 23):
        damaged = bytearray(good)
        damaged[byte] ^= 0x01
        lab.receive("wan", bytes(damaged))
        lab.drops("ip_in_bad_checksum")
