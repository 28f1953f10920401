# SPDX-License-Identifier: BSD-3-Clause
"""Frames of the same time come in the order of the ports, whichever file is named first."""
from lab import *


def packets(lab):
    lab.default_bypass()
    for i in range(4):
        lab.receive("lan", outgoing(bytes([i])), after_ms=1)
        lab.receive("wan", IP(src=PEER, dst=WAN, id=i) / UDP(dport=500), after_ms=0)
        lab.seals(OUT, hop(outgoing(bytes([i]))), i + 1)
        ike = arriving("wan", IP(src=PEER, dst=WAN, id=i) / UDP(dport=500))
        lan_arp = Ether(src=NEIGHBOR_MAC["lan"], dst="ff:ff:ff:ff:ff:ff") / ARP(psrc=HOST, pdst=LAN)
        lab.receive_frame("lan", lan_arp, after_ms=0)
        lab.punts(ike)          # wan is the first port
        lab.punts(lan_arp)
