# SPDX-License-Identifier: BSD-3-Clause
"""An inbound policy says discard, or the packet is for us and no policy lets it in."""
from lab import *


def packets(lab):
    lab.receive("lan", outgoing(dst="198.51.100.9"))     # blocked by policy, though one lets it out
    lab.receive("wan", IP(src=PEER, dst=WAN, id=3) / ICMP())
    lab.receive("lan", IP(src=HOST, dst=LAN, id=3) / ICMP())
    lab.receive("wan", IP(src=PEER, dst="224.0.0.5", id=3, proto=89) / b"hello")
    lab.receive("wan", IP(src=PEER, dst=WAN, id=3) / UDP(sport=500, dport=501))
    lab.drops("spd_in_discard", 5)
