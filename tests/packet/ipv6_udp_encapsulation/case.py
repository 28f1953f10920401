# SPDX-License-Identifier: BSD-3-Clause
"""ESP in UDP over IPv6: there is a UDP checksum (RFC 8200 8.1); IKE and keepalives as over IPv4."""
from lab import *


def packets(lab):
    for seq, (inner, back) in enumerate(((outgoing6(), incoming6()), (outgoing(), incoming()),
                                         (outgoing6(b"1" * 77), incoming6(b"22"))), 1):
        lab.receive("lan", inner)
        lab.seals(OUT, hop(inner), seq)
        lab.receive("wan", lab.sa(IN).seal(back, seq))
        lab.opens(IN, back)
    from_peer = IPv6(src=PEER6, dst=WAN6) / UDP(sport=4500, dport=4500)
    lab.receive("wan", IPv6(raw(from_peer / b"\xff")))
    lab.drops("nat_t_keepalive")
    ike = IPv6(raw(from_peer / (bytes(4) + b"ike")))
    lab.receive("wan", ike)
    lab.punts(arriving("wan", ike))
    lab.receive("wan", IPv6(raw(from_peer / b"\1\2")))
    lab.drops("nat_t_runt")
