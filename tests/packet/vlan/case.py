# SPDX-License-Identifier: BSD-3-Clause
"""A port that is a VLAN of another one (IEEE 802.1Q): its frames carry the tag, both ways."""
from lab import *
from scapy.layers.l2 import Dot1Q

VLAN_OUT, VLAN_IN = 0x3001, 0x3002
VLAN_FAR = "10.3.0.5"
ARP_TYPE = 0x0806


def tagged(packet, vlan=100, priority=0, inwards=True):
    ours, theirs = OUR_MAC["wan"], NEIGHBOR_MAC["wan"]
    ether = Ether(src=theirs, dst=ours) if inwards else Ether(src=ours, dst=theirs)
    return raw(ether / Dot1Q(vlan=vlan, prio=priority, type=0x0800) / raw(packet))


def packets(lab):
    for seq, size in enumerate((28, 700, 1446), 1):
        # To the peer in the VLAN, and from it.
        inner = sized(size, dst=VLAN_FAR)
        lab.receive("lan", inner)
        sealed = lab.sa(VLAN_OUT).seal(hop(inner), seq, id=seq)
        lab.sent["wan"].append(tagged(sealed, inwards=False))
        lab.carries(VLAN_OUT, hop(inner))
        inner = sized(size, incoming, src=VLAN_FAR)
        lab.receive_frame("wan", tagged(lab.sa(VLAN_IN).seal(inner, seq)))
        lab.opens(VLAN_IN, inner)
        # To the one without, which may send priorities (9.6).
        lab.receive("lan", sized(size))
        lab.seals(OUT, hop(sized(size)), seq)
        inner = sized(size, incoming)
        lab.receive_frame("wan", tagged(lab.sa(IN).seal(inner, seq), vlan=0, priority=seq))
        lab.opens(IN, inner)
    # ESP for an address of ours is opened by whatever port it comes.
    lab.receive("wan", lab.sa(VLAN_IN).seal(incoming(src=VLAN_FAR), 4))
    lab.opens(VLAN_IN, incoming(src=VLAN_FAR))
    # Other VLANs, and tags behind tags, are for Linux, as they came.
    other = tagged(outgoing(), vlan=101)
    lab.receive_frame("wan", other)
    lab.punts(other)
    ether = Ether(src=NEIGHBOR_MAC["wan"], dst=OUR_MAC["wan"])
    twice = raw(ether / Dot1Q(vlan=0) / Dot1Q(vlan=100, type=0x0800) / raw(outgoing()))
    lab.receive_frame("wan", twice)
    lab.punts(twice)
    # What Linux is to hear of the VLAN's port comes without the tag.
    asking = ether / Dot1Q(vlan=100, type=ARP_TYPE) / bytes(28)
    lab.receive_frame("wan", asking)
    lab.punts(raw(Ether(src=NEIGHBOR_MAC["wan"], dst=OUR_MAC["wan"], type=ARP_TYPE) / bytes(28)))
    # A tag that is not all there.
    lab.receive_frame("wan", raw(ether)[:12] + bytes((0x81, 0, 0)))
    lab.drops("classify_runt")
