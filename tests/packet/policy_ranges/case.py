# SPDX-License-Identifier: BSD-3-Clause
"""True ranges (RFC 4301 4.4.1.1), by the configuration: they decide what is protected, and what may
come in, opened or in clear."""
from lab import *

TEMPLATE_OUT = '{ src = "192.0.2.1", dst = "192.0.2.2", reqid = 1 }'
TEMPLATE_IN = '{ src = "192.0.2.2", dst = "192.0.2.1", reqid = 1 }'


def entry(**fields):
    lines = [f"{key} = {value}" if isinstance(value, int) or value.startswith("{")
             else f'{key} = "{value}"' for key, value in fields.items()]
    return "\n[[policy.entry]]\n" + "\n".join(lines) + "\n"


OURS, THEIRS = "10.1.0.3-10.1.0.6", "10.2.0.5-10.2.0.9"
POLICIES = "".join((
    entry(direction="out", action="protect", priority=20, src=OURS, dst=THEIRS, protocol="udp",
          dst_ports="1000-2000", template=TEMPLATE_OUT),
    entry(direction="out", action="discard", priority=10, src=OURS, dst=THEIRS, protocol="udp",
          dst_ports="1500-1600"),
    entry(direction="out", action="bypass", priority=20, src=OURS, dst=THEIRS, protocol="udp",
          dst_ports="0-100"),
    entry(direction="in", action="protect", priority=20, src=THEIRS, dst=OURS, protocol="udp",
          src_ports="1000-2000", template=TEMPLATE_IN),
    entry(direction="in", action="bypass", priority=20, src=THEIRS, dst=OURS, protocol="udp",
          src_ports="2001-3000"),
    entry(direction="out", action="bypass", src=THEIRS, dst="10.1.0.0/24", protocol="udp",
          src_ports="2001-3000"),
    entry(direction="in", action="protect", src=THEIRS, dst=OURS, protocol="icmp", icmp_type=3,
          icmp_code="0-4", template=TEMPLATE_IN),
    entry(direction="out", action="protect", src="2001:db8:1::4-2001:db8:1::6",
          dst="2001:db8:2::/48", protocol="udp", src_ports="4000-4001", template=TEMPLATE_OUT),
))


def udp(src, dst, sport, dport):
    return IP(raw(IP(src=src, dst=dst, id=7) / UDP(sport=sport, dport=dport) / b"data"))


def unreachable(code):
    return IP(raw(IP(src=FAR, dst=HOST, id=9) / ICMP(type=3, code=code) / bytes(32)))


def packets(lab):
    lab.config += POLICIES
    # Out: the ends of the ranges, and what is just beyond. The discarding policy comes first.
    for seq, port in enumerate((1000, 1499, 1601, 2000), 1):
        lab.receive("lan", udp(HOST, FAR, 7, port))
        lab.seals(OUT, hop(udp(HOST, FAR, 7, port)), seq)
    for src, dst, port in ((HOST, FAR, 999), (HOST, FAR, 2001), (HOST, FAR, 1500),
                           (HOST, FAR, 1600), ("10.1.0.7", FAR, 1000), (HOST, "10.2.0.4", 1000),
                           (HOST, "10.2.0.10", 1000)):
        lab.receive("lan", udp(src, dst, 7, port))
        lab.drops("spd_out_discard")
    # A fragment that does not show its ports matches nothing that names some, not even port 0.
    lab.receive("lan", udp(HOST, FAR, 7, 0))
    lab.forwards("wan", udp(HOST, FAR, 7, 0))
    lab.receive("lan", IP(raw(IP(src=HOST, dst=FAR, id=7, proto=17, frag=185) / bytes(64))))
    lab.drops("spd_out_discard")
    # In, opened: only what the protecting policy is for.
    seq = 0
    for src, port, is_admitted in ((FAR, 1000, True), (FAR, 2000, True), (FAR, 999, False),
                                   (FAR, 2001, False), ("10.2.0.9", 1500, True),
                                   ("10.2.0.10", 1500, False)):
        seq += 1
        inner = udp(src, HOST, port, 7)
        lab.receive("wan", lab.sa(IN).seal(inner, seq))
        if is_admitted:
            lab.opens(IN, inner)
        else:
            lab.drops("esp_in_policy", sa=IN)
            lab.carries(IN, inner)
    for code, is_admitted in ((0, True), (4, True), (5, False)):
        seq += 1
        lab.receive("wan", lab.sa(IN).seal(unreachable(code), seq))
        if is_admitted:
            lab.opens(IN, unreachable(code))
        else:
            lab.drops("esp_in_policy", sa=IN)
            lab.carries(IN, unreachable(code))
    # In, in clear: what is to be protected is not let in, what lies beyond the range is.
    for port in (1000, 2000):
        lab.receive("wan", udp(FAR, HOST, port, 7))
        lab.drops("spd_in_clear_protected")
    for port in (2001, 3000):
        lab.receive("wan", udp(FAR, HOST, port, 7))
        lab.forwards("lan", udp(FAR, HOST, port, 7))
    for port in (999, 3001):
        lab.receive("wan", udp(FAR, HOST, port, 7))
        lab.drops("spd_out_discard")
    lab.receive("wan", unreachable(4))
    lab.drops("spd_in_clear_protected")
    lab.receive("wan", unreachable(5))
    lab.drops("spd_out_discard")
    # IPv6, in the same SA.
    lab.receive("lan", outgoing6())
    lab.seals(OUT, hop(outgoing6()), 5)
    lab.receive("lan", outgoing6(src="2001:db8:1::7"))
    lab.drops("spd_out_discard")
