# SPDX-License-Identifier: BSD-3-Clause
"""A transport mode SA takes whole packets, no fragments (RFC 4303 3.3.4)."""
from lab import *


def packets(lab):
    # As this gateway's own packets, but by the port: replays have no Linux.
    whole = IP(raw(IP(src=WAN, dst=PEER, id=7) / UDP(sport=4000, dport=5000) / bytes(64)))
    for fields in ({"flags": "MF"}, {"frag": 10}):
        fragment = whole.copy()
        del fragment.chksum
        for name, value in fields.items():
            setattr(fragment, name, value)
        lab.receive("lan", fragment)
        lab.drops("esp_out_fragment")
    lab.receive("lan", whole)
    inner = hop(whole)
    lab.sends("wan", lab.sa(OUT).seal(inner, 1))
    lab.carries(OUT, inner)
