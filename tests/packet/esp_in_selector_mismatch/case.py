# SPDX-License-Identifier: BSD-3-Clause
"""The SA says what it may carry (RFC 4301 5.2): addresses, protocol, ports, ICMP type."""
from lab import *

UDP_IN, PING_IN = 0x2002, 0x2004


def udp(sport=4000, dport=5000, **ip):
    return IP(raw(IP(**{"src": FAR, "dst": HOST, "id": 7, **ip}) / UDP(sport=sport, dport=dport)))


def ping(kind):
    return IP(raw(IP(src=FAR, dst=HOST, id=7) / ICMP(type=kind)))


def packets(lab):
    numbers = iter(range(1, 100))

    def arrives(spi, inner, is_taken):
        lab.receive("wan", lab.sa(spi).seal(inner, next(numbers)))
        if is_taken:
            lab.opens(spi, inner)
        else:
            lab.drops("esp_in_selector_mismatch", sa=spi)

    arrives(UDP_IN, udp(), True)
    arrives(UDP_IN, udp(src="10.2.1.5"), False)
    arrives(UDP_IN, udp(dst="10.1.0.77"), False)
    arrives(UDP_IN, udp(sport=4001), False)
    arrives(UDP_IN, udp(dport=5001), False)
    arrives(UDP_IN, IP(raw(IP(src=FAR, dst=HOST, id=7) / TCP(sport=4000, dport=5000))), False)
    arrives(UDP_IN, udp(frag=3), False)  # has no ports to compare
    arrives(PING_IN, ping(8), True)
    arrives(PING_IN, ping(0), False)
    arrives(PING_IN, udp(), False)
