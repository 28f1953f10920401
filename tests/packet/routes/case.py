# SPDX-License-Identifier: BSD-3-Clause
"""Next hops from the configuration: the longest prefix wins, a neighbor's MAC goes on the frame."""
from lab import *


def packets(lab):
    def goes(dst, port, mac):
        packet = outgoing(dst=dst)
        lab.receive("lan", packet)
        lab.sent[port].append(raw(Ether(src=OUR_MAC[port], dst=mac, type=0x0800) / hop(packet)))

    goes("203.0.113.1", "wan", "02:00:00:00:01:02")         # default route, via the peer
    goes("10.7.0.1", "wan", "02:00:00:00:01:03")            # /8
    goes("10.7.7.1", "lan", "02:00:00:00:02:05")            # /24 of it, back to where it came from
    goes("10.7.7.129", "wan", "02:00:00:00:01:02")          # /25 of that
    goes("192.0.2.3", "wan", "02:00:00:00:01:03")           # on the link
    goes("10.1.0.6", "lan", "02:00:00:00:02:06")
    goes("172.16.0.9", "wan", "02:00:00:00:01:09")          # on the link by a route without `via`
