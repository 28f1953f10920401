# SPDX-License-Identifier: BSD-3-Clause
"""ESP for us in pieces, plain and in UDP: nobody may make us reassemble (RFC 4303 3.4.1)."""
from lab import *


def packets(lab):
    sealed = lab.sa(IN).seal(incoming(), 1)
    esp = raw(IP(sealed).payload)
    for fields in ({"flags": "MF"}, {"flags": "MF", "frag": 5}, {"frag": 5}):
        lab.receive("wan", IP(src=PEER, dst=WAN, proto=50, id=1, **fields) / esp)
        lab.drops("esp_in_fragment")
    lab.receive("wan", IP(src=PEER, dst=WAN, id=1, flags="MF") / UDP(sport=4500, dport=4500) / esp)
    lab.drops("esp_in_fragment")
