# SPDX-License-Identifier: BSD-3-Clause
"""Transport mode over IPv6: ESP behind hop-by-hop options and routing header, before destination
options for the last stop (RFC 4303 3.1.1)."""
from lab import *
from scapy.layers.inet6 import (ICMPv6EchoRequest, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop, PadN)

PADDING = PadN(otype=1, optdata=b"\0" * 4)


def packets(lab):
    seq = 0
    for extension in (None, IPv6ExtHdrHopByHop(options=[PADDING])):
        for upper in (UDP(sport=4000, dport=5000) / b"to the peer",
                      TCP(sport=4000, dport=22) / b"to the peer", ICMPv6EchoRequest(data=b"ping")):
            seq += 1
            # As this gateway's own packet, but by the port: replays have no Linux.
            ip = IPv6(src=WAN6, dst=PEER6, tc=0x28, fl=0x12345)
            packet = IPv6(raw(ip / extension / upper if extension else ip / upper))
            lab.receive("lan", packet)
            lab.sends("wan", lab.sa(OUT).seal(hop(packet), seq))
            lab.carries(OUT, hop(packet))
            ip = IPv6(src=PEER6, dst=WAN6, tc=0x03)
            answer = IPv6(raw(ip / extension / upper if extension else ip / upper))
            lab.receive("wan", lab.sa(IN).seal(answer, seq))
            lab.punts_opened(IN, answer)
    options = IPv6ExtHdrDestOpt(options=[PADDING])
    packet = IPv6(raw(IPv6(src=WAN6, dst=PEER6) / options / UDP(sport=1, dport=2) / b"x"))
    lab.receive("lan", packet)
    inner = hop(packet)
    clear = inner[40:]
    sealed = lab.sa(OUT).seal_payload(
        clear + trailer(bytes(range(1, 1 + (-len(clear) - 2) % 4)), next_header=60), seq + 1,
        hlim=63)
    lab.sends("wan", sealed)
    lab.carries(OUT, inner)
    # Fragments are for tunnels (RFC 4301 7).
    for fields in ({"m": 1}, {"offset": 10}):
        fragment = IPv6ExtHdrFragment(id=1, nh=17, **fields) / bytes(64)
        lab.receive("lan", IPv6(raw(IPv6(src=WAN6, dst=PEER6) / fragment)))
        lab.drops("esp_out_fragment")
