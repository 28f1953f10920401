# SPDX-License-Identifier: BSD-3-Clause
"""ESP for us in fragments, plain and in UDP, is put together before it is opened (RFC 4303 3.4.1);
what is not ESP goes to Linux in its fragments, in order; what contradicts itself goes nowhere."""
from lab import *
from scapy.layers.inet import fragment

IKE_WORDS = bytes(4) + b"ike" * 100


def packets(lab):
    lab.default_bypass()  # later fragments show no port, by which IKE would be let in
    whole = IP(lab.sa(IN).seal(sized(400, incoming), 1, id=77))
    pieces = fragment(whole, 200)
    for piece in (pieces[1], pieces[2], pieces[0]):
        lab.receive("wan", IP(raw(piece)))
    lab.merges(len(pieces))
    lab.opens(IN, sized(400, incoming))
    # Two datagrams, their fragments mixed.
    first = fragment(IP(lab.sa(IN).seal(sized(300, incoming), 2, id=78)), 160)
    second = fragment(IP(lab.sa(IN).seal(sized(310, incoming), 3, id=79)), 160)
    for one, other in zip(first, second):
        lab.receive("wan", IP(raw(one)))
        lab.receive("wan", IP(raw(other)))
    lab.merges(len(first))
    lab.merges(len(second))
    lab.opens(IN, sized(300, incoming))
    lab.opens(IN, sized(310, incoming))
    # IKE in fragments.
    ike = IP(raw(IP(src=PEER, dst=WAN, id=80) / UDP(sport=4500, dport=4500) / IKE_WORDS))
    for piece in fragment(ike, 200):
        lab.receive("wan", IP(raw(piece)))
        lab.punts(Ether(src=NEIGHBOR_MAC["wan"], dst=OUR_MAC["wan"], type=0x0800) / raw(piece))
    # An overlap.
    sealed = raw(IP(lab.sa(IN).seal(sized(200, incoming), 4)).payload)
    lab.receive("wan", IP(src=PEER, dst=WAN, proto=50, id=81, flags="MF") / sealed[:64])
    lab.receive("wan", IP(src=PEER, dst=WAN, proto=50, id=81, frag=4) / sealed[32:])
    lab.drops("fragment_overlap", 2)
    # One that never becomes whole.
    lab.receive("wan", IP(src=PEER, dst=WAN, proto=50, id=82, flags="MF") / sealed[:64])
    lab.drops("fragment_timeout")
    lab.receive("wan", lab.sa(IN).seal(incoming(), 5), after_ms=2500)
    lab.opens(IN, incoming())
    lab.receive("wan", IP(src=PEER, dst=WAN, proto=50, id=83, flags="MF") / sealed[:64])
    lab.drops("replay_end")
