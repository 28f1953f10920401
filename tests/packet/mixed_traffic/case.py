# SPDX-License-Identifier: BSD-3-Clause
"""Everything at once, on both ports: what comes out does not depend on how it fell into bursts."""
from lab import *


def packets(lab):
    lab.set_mtu("lan", 1300)
    numbers = {OUT: 0, IN: 0}

    def next_of(spi):
        numbers[spi] += 1
        return numbers[spi]

    for i in range(12):
        payload = bytes([i])
        lab.receive("lan", outgoing(payload))
        lab.seals(OUT, hop(outgoing(payload)), next_of(OUT))
        lab.receive("wan", lab.sa(IN).seal(incoming(payload), next_of(IN)))
        lab.opens(IN, incoming(payload))
        # An error that goes through the tunnel between packets that do so too.
        big = sized(1400 + i, incoming, flags="DF")
        lab.receive("wan", lab.sa(IN).seal(big, next_of(IN)))
        lab.carries(IN, big)
        lab.drops("forward_too_big")
        lab.originates()
        lab.seals(OUT, icmp_error(LAN, FAR, FRAGMENTATION_NEEDED, hop(big), mtu=1300), next_of(OUT))
        lab.receive("lan", outgoing(payload + b"behind the error"))
        lab.seals(OUT, hop(outgoing(payload + b"behind the error")), next_of(OUT))
        expired = incoming(payload, ttl=1)
        lab.receive("wan", lab.sa(IN).seal(expired, next_of(IN)))
        lab.carries(IN, expired)
        lab.drops("forward_ttl")
        lab.originates()
        lab.seals(OUT, icmp_error(LAN, FAR, TIME_EXCEEDED, expired), next_of(OUT))
        # To Linux by three ways: link protocol, IKE, out of the tunnel.
        ike = IP(src=PEER, dst=WAN, id=i) / UDP(sport=500, dport=500) / payload
        lab.receive("wan", ike)
        lab.punts(arriving("wan", ike))
        lab.receive_frame("lan", Ether(src=NEIGHBOR_MAC["lan"], dst="ff:ff:ff:ff:ff:ff")
                          / ARP(psrc=HOST, pdst=LAN))
        lab.punts(lab.received[-1][2])
        ping = IP(src=FAR, dst=LAN, id=i) / ICMP() / payload
        lab.receive("wan", lab.sa(IN).seal(ping, next_of(IN)))
        lab.punts_opened(IN, ping, port="lan")
