# SPDX-License-Identifier: BSD-3-Clause
"""Jumbo frames up to the ports' MTU, in one piece."""
from lab import *


def packets(lab):
    lab.config = lab.config.replace("mtu = 1500", "mtu = 9000")
    for seq, size in enumerate((1501, 4000, 8946), 1):
        packet = sized(size, flags="DF")
        lab.receive("lan", packet)
        lab.seals(OUT, hop(packet), seq)
        packet = sized(size, incoming)
        lab.receive("wan", lab.sa(IN).seal(packet, seq))
        lab.opens(IN, packet)
    big = sized(9000, flags="DF")
    lab.receive("lan", big)
    lab.drops("esp_out_too_big", sa=OUT)
    lab.originates()
    lab.sends("lan", icmp_error(LAN, HOST, FRAGMENTATION_NEEDED, hop(big), mtu=8946))
    lab.receive_frame("wan", arriving("wan", incoming()) + bytes(9018))
    lab.drops("rx_oversized")
