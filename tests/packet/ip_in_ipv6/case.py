# SPDX-License-Identifier: BSD-3-Clause
"""IPv6 is not carried; only what never leaves the link goes to Linux."""
from lab import *
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS, IPv6


def packets(lab):
    def arrives(packet):
        frame = raw(Ether(src=NEIGHBOR_MAC["wan"], dst=OUR_MAC["wan"]) / packet)
        lab.receive_frame("wan", frame)
        return frame

    for packet in (
        IPv6(src="2001:db8::2", dst="2001:db8::1") / UDP(),
        IPv6(src="2001:db8::2", dst="ff05::1") / UDP(),                     # site-local
        IPv6(src="2001:db8::2", dst="2001:db8::1") / ICMPv6EchoRequest(),
        IPv6(src="2001:db8::2", dst="2001:db8::1", hlim=254) / ICMPv6ND_NS(),
    ):
        arrives(packet)
        lab.drops("ip_in_ipv6")
    for packet in (
        IPv6(src="fe80::2", dst="fe80::1") / UDP(),
        IPv6(src="fe80::2", dst="ff02::1") / UDP(),
        IPv6(src="2001:db8::2", dst="2001:db8::1") / ICMPv6ND_NS(),         # hop limit 255
    ):
        lab.punts(arrives(packet))
