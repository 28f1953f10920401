# SPDX-License-Identifier: BSD-3-Clause
"""IP options inside travel as they are, and selectors look behind them; or they are outside."""
from lab import *
from scapy.layers.inet import IPOption, IPOption_RR

OPTIONS = ([IPOption(b"\1\1\1\0")], [IPOption_RR(length=39, pointer=4, routers=["0.0.0.0"] * 9)])
DNS_OUT = 0x2001


def packets(lab):
    for seq, options in enumerate(OPTIONS, 1):
        inner = outgoing(options=options)
        lab.receive("lan", inner)
        lab.seals(OUT, hop(inner), seq)
        inner = incoming(options=options)
        lab.receive("wan", lab.sa(IN).seal(inner, seq))
        lab.opens(IN, inner)
        inner = IP(raw(IP(src=HOST, dst=FAR, id=7, options=options) / UDP(dport=53)))
        lab.receive("lan", inner)
        lab.seals(DNS_OUT, hop(inner), seq)
    # Options outside: the ESP header follows them.
    sealed = IP(lab.sa(IN).seal(incoming(), 3))
    outer = IP(src=PEER, dst=WAN, proto=50, options=OPTIONS[0])
    lab.receive("wan", outer / raw(sealed.payload))
    lab.opens(IN, incoming())
    # What an error quotes has them too.
    expired = outgoing(options=OPTIONS[1], ttl=1)
    lab.receive("lan", expired)
    lab.drops("forward_ttl")
    lab.originates()
    lab.sends("lan", icmp_error(LAN, HOST, TIME_EXCEEDED, expired))
