# SPDX-License-Identifier: BSD-3-Clause
"""Extension headers that end beyond the packet, stand where they must not, or are too many."""
from lab import *
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN

OPTIONS = IPv6ExtHdrDestOpt(options=[PadN(otype=1, optdata=b"\0" * 4)])


def packets(lab):
    ip = IPv6(src=HOST6, dst=FAR6)
    many = ip
    for _ in range(9):
        many = many / OPTIONS.copy()
    for packet in (
        IPv6(src=HOST6, dst=FAR6, nh=60) / bytes([17, 200, 0, 0, 0, 0, 0, 0]),  # 1608 bytes long
        IPv6(src=HOST6, dst=FAR6, nh=60) / b"\x11\0\0",                         # not even 8
        ip / OPTIONS.copy() / IPv6ExtHdrHopByHop() / UDP(),
        many / UDP(),
    ):
        lab.receive("lan", IPv6(raw(packet)))
        lab.drops("ip_in_bad_extension")
