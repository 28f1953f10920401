# SPDX-License-Identifier: BSD-3-Clause
"""Addresses of no single host are not forwarded (RFC 1812 5.3.4, 5.3.5, 5.3.7)."""
from lab import *


def packets(lab):
    for src, dst in (
        (HOST, "10.1.0.255"),           # directed broadcast on our own link
        (PEER, "10.1.0.255"),
        (HOST, "127.0.0.1"),
        (HOST, "0.1.2.3"),
        (HOST, "240.0.0.1"),
        ("127.0.0.1", FAR),
        ("0.0.0.0", FAR),
        ("224.0.0.1", FAR),
        ("255.255.255.255", FAR),
    ):
        lab.receive("lan", outgoing(src=src, dst=dst))
        lab.drops("forward_broadcast")
    for seq, dst in enumerate(("224.0.0.5", "255.255.255.255"), 1):     # out of an SA
        lab.receive("wan", lab.sa(IN).seal(incoming(dst=dst), seq))
        lab.carries(IN, incoming(dst=dst))
        lab.drops("forward_broadcast")
    for mac in ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:05"):
        lab.receive_frame("lan", Ether(src=NEIGHBOR_MAC["lan"], dst=mac) / outgoing())
        lab.drops("forward_broadcast")
