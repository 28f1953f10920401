# SPDX-License-Identifier: BSD-3-Clause
"""UDP port 4500 datagrams that are neither ESP nor IKE nor a keepalive (RFC 3948 2)."""
from lab import *


def packets(lab):
    def arrives(payload, **udp):
        lab.receive("wan", IP(src=PEER, dst=WAN, id=1) / UDP(sport=4500, dport=4500, **udp)
                    / payload)
        lab.drops("nat_t_runt")

    arrives(b"")
    arrives(b"\x00")
    arrives(b"\xfe")
    arrives(b"\xff\xff")
    arrives(b"\xff\xff\xff")
    arrives(bytes(12), len=21)   # one more than there is
    arrives(bytes(12), len=19)   # one less
    arrives(bytes(12), len=7)
    lab.receive("wan", IP(raw(IP(src=PEER, dst=WAN, id=1, proto=17) / b"\x11\x94\x11\x94\x00")))
    lab.drops("nat_t_runt")
