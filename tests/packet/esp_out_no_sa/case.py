# SPDX-License-Identifier: BSD-3-Clause
"""A policy asks for an SA that is not there: it waits for nothing and leaves nothing in clear."""
from lab import *


def packets(lab):
    lab.receive("lan", outgoing())
    lab.receive("lan", sized(1500, flags="DF"))
    lab.drops("esp_out_no_sa", 2)
    lab.receive("lan", IP(raw(IP(src=HOST, dst="10.2.4.5", id=7) / UDP(sport=7, dport=7))))
    lab.drops("esp_out_no_sa")
    inner = IP(raw(IP(src=HOST, dst="10.2.4.5", id=8) / TCP(sport=7, dport=7)))
    lab.receive("lan", inner)
    lab.seals(0x1003, hop(inner), 1)
