# SPDX-License-Identifier: BSD-3-Clause
"""With default = "bypass" only what policies speak of is special."""
from lab import *

CLEAR = "198.51.100.9"


def packets(lab):
    lab.default_bypass()
    lab.receive("lan", outgoing(dst=CLEAR))
    lab.forwards("wan", outgoing(dst=CLEAR))
    lab.receive("wan", incoming(src=CLEAR))
    lab.forwards("lan", incoming(src=CLEAR))
    lab.receive("lan", sized(1500, dst=CLEAR))
    lab.forwards("wan", sized(1500, dst=CLEAR))
    lab.receive("lan", outgoing())
    lab.seals(OUT, hop(outgoing()), 1)
    lab.receive("wan", lab.sa(IN).seal(incoming(), 1))
    lab.opens(IN, incoming())
    lab.receive("wan", incoming())
    lab.drops("spd_in_clear_protected")
    ping = IP(src=PEER, dst=WAN, id=3) / ICMP() / b"ping"
    lab.receive("wan", ping)
    lab.punts(arriving("wan", ping))
    hello = IP(src=PEER, dst="224.0.0.5", id=3, ttl=1, proto=89) / b"hello"
    lab.receive_frame("wan", Ether(src=NEIGHBOR_MAC["wan"], dst="01:00:5e:00:00:05") / hello)
    lab.punts(lab.received[-1][2])
    # What an SA carries needs a policy all the same.
    lab.receive("wan", lab.sa(IN).seal(incoming(src=CLEAR), 2))
    lab.carries(IN, incoming(src=CLEAR))
    lab.drops("esp_in_policy", sa=IN)
