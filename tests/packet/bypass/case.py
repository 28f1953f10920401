# SPDX-License-Identifier: BSD-3-Clause
"""Policies that let packets through in clear, beside others that protect; low priorities win."""
from lab import *

CLEAR = "198.51.100.9"


def packets(lab):
    # Both ways in clear, by policies for UDP port 53 only.
    def dns(src, dst, sport, dport):
        return IP(raw(IP(src=src, dst=dst, id=7) / UDP(sport=sport, dport=dport) / b"query"))

    lab.receive("lan", dns(HOST, CLEAR, 4000, 53))
    lab.forwards("wan", dns(HOST, CLEAR, 4000, 53))
    lab.receive("wan", dns(CLEAR, HOST, 53, 4000))
    lab.forwards("lan", dns(CLEAR, HOST, 53, 4000))
    # The protecting policy covers these too, but comes later.
    lab.receive("lan", dns(HOST, FAR, 4000, 53))
    lab.forwards("wan", dns(HOST, FAR, 4000, 53))
    lab.receive("wan", dns(FAR, HOST, 53, 4000))
    lab.forwards("lan", dns(FAR, HOST, 53, 4000))
    lab.receive("lan", dns(HOST, FAR, 4000, 54))
    lab.seals(OUT, hop(dns(HOST, FAR, 4000, 54)), 1)
    # A fragment that is not the first has no ports; only the protecting policy fits.
    later = outgoing(frag=5)
    lab.receive("lan", later)
    lab.seals(OUT, hop(later), 2)
    lab.receive("wan", incoming(frag=5))
    lab.drops("spd_in_clear_protected")
    # For us, by policy.
    ping = IP(src=HOST, dst=LAN, id=3) / ICMP() / b"ping"
    lab.receive("lan", ping)
    lab.punts(arriving("lan", ping))
    # Nothing fits.
    lab.receive("lan", dns(HOST, CLEAR, 4000, 54))
    lab.drops("spd_out_discard")
