# SPDX-License-Identifier: BSD-3-Clause
"""ESP between others, plain, in UDP and in fragments, is forwarded like anything else."""
from lab import *

CLEAR = "198.51.100.9"


def packets(lab):
    lab.default_bypass()
    foreign = lab.sa(IN)        # even with an SPI of ours: the destination is another
    foreign.src, foreign.dst = HOST, CLEAR
    for encap in (None, (4500, 4500)):
        foreign.encap = encap
        passing = foreign.seal(outgoing(), 1)
        lab.receive("lan", passing)
        lab.forwards("wan", passing)
    plain = raw(IP(passing).payload)
    for fields in ({"flags": "MF"}, {"frag": 9}):
        passing = IP(raw(IP(src=HOST, dst=CLEAR, proto=50, id=9, **fields) / plain[:64]))
        lab.receive("lan", passing)
        lab.forwards("wan", passing)
    for payload in (b"\xff", bytes(8), b""):    # keepalive, IKE, nothing: not for us either
        passing = IP(raw(IP(src=HOST, dst=CLEAR, id=1) / UDP(sport=4500, dport=4500) / payload))
        lab.receive("lan", passing)
        lab.forwards("wan", passing)
