# SPDX-License-Identifier: BSD-3-Clause
"""A frame may have the port's MTU, an Ethernet header and one tag, no byte more."""
from lab import *

LARGEST = 1500 + 18


def packets(lab):
    whole = arriving("wan", IP(raw(IP(src=PEER, dst=WAN, id=1) / UDP(dport=500) / bytes(1472))))
    for extra in (1, 500, 7000, 60000):
        lab.receive_frame("wan", whole + bytes(LARGEST - len(whole) + extra))
        lab.drops("rx_oversized")
    lab.receive_frame("wan", whole + bytes(LARGEST - len(whole)))
    lab.punts(whole)  # link padding goes
