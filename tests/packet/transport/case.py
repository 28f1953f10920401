# SPDX-License-Identifier: BSD-3-Clause
"""Transport mode (RFC 4303 3.1.1): ESP between a packet's own header, options too, and the rest."""
from lab import *
from scapy.layers.inet import IPOption, IPOption_RR

OPTIONS = (
    [],
    [IPOption(b"\1\1\1\0")],
    [IPOption_RR(length=39, pointer=4, routers=["0.0.0.0"] * 9)],
)
FITS = 1466  # 1500 = 20 IP, 8 ESP, 8 IV, 1446 payload, 2 trailer, 16 ICV


def upper_layers():
    yield UDP(sport=4000, dport=5000) / b"to the peer"
    yield TCP(sport=4000, dport=22) / b"to the peer"
    yield ICMP() / b"ping"


def packets(lab):
    seq = 0
    for options in OPTIONS:
        for upper in upper_layers():
            seq += 1
            # As this gateway's own packet, but by the port: replays have no Linux.
            packet = IP(raw(IP(src=WAN, dst=PEER, id=7, tos=0x28, options=options) / upper))
            inner = hop(packet)
            lab.receive("lan", packet)
            lab.sends("wan", lab.sa(OUT).seal(inner, seq))
            lab.carries(OUT, inner)
            answer = IP(raw(IP(src=PEER, dst=WAN, id=9, tos=0x03, options=options) / upper))
            lab.receive("wan", lab.sa(IN).seal(answer, seq))
            lab.punts_opened(IN, answer)
    for size in (FITS, FITS + 1):
        packet = IP(raw(IP(src=WAN, dst=PEER, id=7, flags="DF") / UDP() / bytes(size - 28)))
        lab.receive("lan", packet)
    packet = IP(raw(IP(src=WAN, dst=PEER, id=7, flags="DF") / UDP() / bytes(FITS - 28)))
    lab.sends("wan", lab.sa(OUT).seal(hop(packet), seq + 1))
    lab.carries(OUT, hop(packet))
    lab.drops("esp_out_too_big", sa=OUT)
    lab.originates()
    lab.drops("forward_no_route")  # the error, which is for this gateway itself
