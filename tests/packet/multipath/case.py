# SPDX-License-Identifier: BSD-3-Clause
"""Flows spread over the next hops of a route: each stays on its own, as do all fragments between
two hosts and all packets of an SA."""
from collections import Counter

from lab import *
from scapy.layers.inet import fragment
from spread import hop_of

PORTS = ("wan", "lan")
MAC = {"192.0.2.2": "02:00:00:00:01:02", "192.0.2.3": "02:00:00:00:01:03",
       "10.1.0.6": "02:00:00:00:02:06", "fe80::2": "02:00:00:00:01:02",
       "2001:db8::3": "02:00:00:00:01:03"}
THREE = (("192.0.2.2", 0, 1), ("192.0.2.3", 0, 2), ("10.1.0.6", 1, 1))
TWO = (("192.0.2.2", 0, 1), ("192.0.2.3", 0, 1))
TWO6 = (("fe80::2", 0, 1), ("2001:db8::3", 0, 1))
ONE_SILENT = (("192.0.2.2", 0, 1), ("192.0.2.9", 0, 1))
UDP_PROTOCOL, ESP_PROTOCOL = 17, 50
FLOWS = 40


def packets(lab):
    used = Counter()

    def goes(packet, flow, hops):
        via, port, _ = hop_of(flow, hops)
        used[via] += 1
        name = PORTS[port]
        lab.sent[name].append(raw(Ether(src=OUR_MAC[name], dst=MAC[via], type=ether_type(packet)) /
                                  hop(packet)))

    # Every flow's packets among those of the others.
    for turn in range(3):
        for sport in range(4000, 4000 + FLOWS):
            packet = IP(raw(IP(src=HOST, dst=FAR, id=turn) /
                            UDP(sport=sport, dport=5000) / b"data"))
            lab.receive("lan", packet)
            goes(packet, (HOST, FAR, UDP_PROTOCOL, sport, 5000), THREE)
    # All are in use, and the heaviest most.
    assert len(used) == 3 and max(used, key=used.get) == "192.0.2.3", used

    for sport in range(4000, 4000 + FLOWS):
        packet = IPv6(raw(IPv6(src=HOST6, dst=FAR6) / UDP(sport=sport, dport=5000) / b"data"))
        lab.receive("lan", packet)
        goes(packet, (HOST6, FAR6, UDP_PROTOCOL, sport, 5000), TWO6)
    assert used["fe80::2"] > FLOWS / 4 and used["2001:db8::3"] > FLOWS / 4, used

    # All fragments of a datagram by one hop, the first with its ports too.
    for sport in range(4000, 4008):
        whole = IP(src=HOST, dst=FAR, id=sport) / UDP(sport=sport, dport=5000) / bytes(2000)
        for part in fragment(IP(raw(whole)), 1400):
            lab.receive("lan", IP(raw(part)))
            goes(part, (HOST, FAR, UDP_PROTOCOL, 0, 0), THREE)

    seals(lab, 0x1001, "10.7.0.1", (WAN, "198.51.100.7", ESP_PROTOCOL, 0, 0x1001))
    seals(lab, 0x1003, "10.8.0.1", (WAN, "198.51.100.8", UDP_PROTOCOL, 4500, 4500))
    silent(lab)


def seals(lab, spi, dst, outer_flow):
    """Whatever it carries, an SA has one next hop."""
    via, _, _ = hop_of(outer_flow, TWO)
    for seq in range(1, 9):
        packet = outgoing(dst=dst, src=f"10.1.0.{seq + 10}")
        lab.receive("lan", packet)
        lab.seals(spi, hop(packet), seq)
        frame = lab.sent["wan"].pop()
        lab.sent["wan"].append(bytes.fromhex(MAC[via].replace(":", "")) + frame[6:])


def silent(lab):
    """A next hop that does not answer keeps its flows: they wait for it, and are dropped."""
    lost = 0
    for sport in range(4000, 4012):
        packet = IP(raw(IP(src=HOST, dst="10.3.0.1") / UDP(sport=sport, dport=5000) / b"data"))
        lab.receive("lan", packet)
        if hop_of((HOST, "10.3.0.1", UDP_PROTOCOL, sport, 5000), ONE_SILENT)[0] == "192.0.2.9":
            lost += 1
        else:
            lab.sends("wan", hop(packet))
    assert 0 < lost < 12
    lab.drops("forward_no_neighbor", lost)
    last = outgoing(src=PEER, dst="10.2.9.9")
    lab.receive("wan", last, after_ms=1100)
    via, port, _ = hop_of((PEER, "10.2.9.9", UDP_PROTOCOL, 4000, 5000), THREE)
    name = PORTS[port]
    lab.sent[name].append(raw(Ether(src=OUR_MAC[name], dst=MAC[via], type=0x0800) / hop(last)))
