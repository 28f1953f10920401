# SPDX-License-Identifier: BSD-3-Clause
"""What the dataplane does not speak goes to Linux as it came: IKE, ARP, other link protocols."""
from lab import *

MARKER = bytes(4)  # non-ESP marker (RFC 3948 2.2)


def packets(lab):
    def goes_to_linux(port, packet):
        frame = arriving(port, packet)
        lab.receive_frame(port, frame)
        lab.punts(frame)

    ike = bytes(range(40))
    goes_to_linux("wan", IP(src=PEER, dst=WAN, id=1) / UDP(sport=500, dport=500) / ike)
    lab.receive_frame("wan", Ether(src=NEIGHBOR_MAC["wan"], dst="ff:ff:ff:ff:ff:ff")
                      / ARP(psrc=PEER, pdst=WAN, hwsrc=NEIGHBOR_MAC["wan"]))
    lab.punts(lab.received[-1][2])
    goes_to_linux("wan", IP(src=PEER, dst=WAN, id=1) / UDP(sport=4500, dport=4500) / MARKER / ike)
    goes_to_linux("wan", IP(src=PEER, dst=WAN, id=1) / UDP(sport=61004, dport=4500) / MARKER)
    # IKE may come in pieces, which Linux puts together; the first one has the ports.
    first = IP(src=PEER, dst=WAN, id=2, flags="MF") / UDP(sport=4500, dport=4500, len=200)
    goes_to_linux("wan", first / MARKER / bytes(68))
    goes_to_linux("wan", IP(src=PEER, dst=WAN, id=3, ttl=1) / UDP(dport=500) / ike)
    # IKE to the other port's address goes to that port's mirror.
    packet = IP(src=PEER, dst=LAN, id=4) / UDP(dport=500) / ike
    lab.receive("wan", packet)
    lab.punts(Ether(src=DATAPLANE_MAC, dst=OUR_MAC["lan"], type=0x0800) / raw(packet))
    for link_type, mac in ((0x88CC, "01:80:c2:00:00:0e"), (0x0027, "01:80:c2:00:00:00"),
                           (0x8100, OUR_MAC["lan"])):
        # Behind the EtherType of a tag this is VLAN 1.
        frame = Ether(src=NEIGHBOR_MAC["lan"], dst=mac, type=link_type) / (b"\0\1" + bytes(44))
        lab.receive_frame("lan", frame)
        lab.punts(lab.received[-1][2])
