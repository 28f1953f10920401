# SPDX-License-Identifier: BSD-3-Clause
"""The version of the IP header must be what the EtherType says."""
from lab import *


def packets(lab):
    packet = raw(IP(src=PEER, dst=WAN) / UDP() / bytes(40))
    for port in ("wan", "lan"):
        for version in (0, 5, 6, 15):
            ether = Ether(src=NEIGHBOR_MAC[port], dst=OUR_MAC[port], type=0x0800)
            lab.receive_frame(port, ether / (bytes([version << 4 | 5]) + packet[1:]))
            lab.drops("ip_in_bad_version")
    lab.receive_frame("wan", Ether(src=NEIGHBOR_MAC["wan"], dst=OUR_MAC["wan"], type=0x86DD)
                      / packet)
    lab.drops("ip_in_bad_version")
