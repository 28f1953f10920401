# SPDX-License-Identifier: BSD-3-Clause
"""Frames that end inside the IP header."""
from lab import *


def packets(lab):
    ether = raw(Ether(src=NEIGHBOR_MAC["wan"], dst=OUR_MAC["wan"], type=0x0800))
    packet = raw(IP(src=PEER, dst=WAN) / UDP())
    for length in (0, 1, 19):
        lab.receive_frame("wan", ether + packet[:length])
        lab.drops("ip_in_truncated")
    lab.receive_frame("wan", ether + b"\x4f" + packet[1:])  # 60 bytes of header, says its length
    lab.drops("ip_in_truncated")
    ipv6 = raw(Ether(src=NEIGHBOR_MAC["wan"], dst=OUR_MAC["wan"], type=0x86DD))
    lab.receive_frame("wan", ipv6 + b"\x60" + bytes(38))
    lab.drops("ip_in_truncated")
