# SPDX-License-Identifier: BSD-3-Clause
"""ESP in ESP for us is opened twice; ESP for somebody else inside ESP goes on as it is."""
from lab import *

INNER_IN = 0x2002
OTHER_GATEWAY = "10.1.0.5"


def packets(lab):
    for seq in (1, 2):
        inner = incoming(bytes([seq]))
        sealed = lab.sa(INNER_IN).seal(inner, seq)
        lab.receive("wan", lab.sa(IN).seal(sealed, seq))
        lab.carries(IN, sealed)
        lab.opens(INNER_IN, inner)
    # Not ours: somebody behind us opens it.
    foreign = lab.sa(INNER_IN)
    foreign.spi, foreign.src, foreign.dst, foreign.encap = 0x9999, FAR, OTHER_GATEWAY, None
    passing = foreign.seal(incoming(), 1)
    lab.receive("wan", lab.sa(IN).seal(passing, 3))
    lab.opens(IN, passing)
    # In the other direction a policy may name ESP (RFC 4301 4.4.1): it is protected once more.
    leaving_esp = lab.sa(INNER_IN)
    leaving_esp.spi, leaving_esp.src, leaving_esp.dst, leaving_esp.encap = 0x9998, HOST, FAR, None
    passing = leaving_esp.seal(outgoing(), 1)
    lab.receive("lan", passing)
    lab.seals(OUT, hop(passing), 1)
    # In the inner SA, replays are found as in any other.
    sealed = lab.sa(INNER_IN).seal(incoming(), 2)
    lab.receive("wan", lab.sa(IN).seal(sealed, 4))
    lab.carries(IN, sealed)
    lab.drops("esp_in_replay", sa=INNER_IN)
    # A keepalive inside is as dead as one outside; IKE inside is for Linux if a policy lets it in.
    keepalive = IP(src=PEER, dst=WAN, id=1) / UDP(sport=4500, dport=4500) / b"\xff"
    lab.receive("wan", lab.sa(IN).seal(keepalive, 5))
    lab.carries(IN, keepalive)
    lab.drops("nat_t_keepalive")
