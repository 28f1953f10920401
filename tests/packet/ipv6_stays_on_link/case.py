# SPDX-License-Identifier: BSD-3-Clause
"""Neighbour discovery and link-local IPv6 go to Linux as they come; other IPv6 goes by policies."""
from lab import *
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NS


def packets(lab):
    for packet in (
        IPv6(src="fe80::2", dst="fe80::1") / UDP(),
        IPv6(src="fe80::2", dst="ff02::1") / UDP(),
        IPv6(src=PEER6, dst=WAN6) / ICMPv6ND_NS(),         # hop limit 255
    ):
        lab.receive("wan", IPv6(raw(packet)))
        lab.punts(arriving("wan", IPv6(raw(packet))))
    for packet in (
        IPv6(src=PEER6, dst=WAN6) / ICMPv6EchoRequest(),
        IPv6(src=PEER6, dst=WAN6, hlim=254) / ICMPv6ND_NS(),
        IPv6(src=PEER6, dst=WAN6) / UDP(),
    ):
        lab.receive("wan", IPv6(raw(packet)))
        lab.drops("spd_in_discard")
    lab.receive("wan", IPv6(raw(IPv6(src=PEER6, dst=HOST6) / UDP())))
    lab.drops("spd_out_discard")
    lab.receive("wan", IPv6(raw(IPv6(src=PEER6, dst="ff05::1") / UDP())))  # site-local
    lab.drops("spd_in_discard")
