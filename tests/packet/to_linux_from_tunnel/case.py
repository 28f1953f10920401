# SPDX-License-Identifier: BSD-3-Clause
"""Packets for us that came out of an SA: to Linux with an Ethernet header of their own."""
from lab import *


def packets(lab):
    for seq, inner in enumerate((
        IP(src=FAR, dst=LAN, id=3) / ICMP() / b"ping",
        IP(src=FAR, dst=LAN, id=3, ttl=1) / TCP(dport=22),      # for us, so TTL 1 will do
        IP(src=FAR, dst=LAN, id=3, flags="MF") / UDP(dport=53, len=999) / bytes(32),
    ), 1):
        lab.receive("wan", lab.sa(IN).seal(inner, seq))
        lab.punts_opened(IN, inner, port="lan")
