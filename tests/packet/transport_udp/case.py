# SPDX-License-Identifier: BSD-3-Clause
"""Transport mode in UDP: a NAT has changed the addresses that checksums inside cover (RFC 3948
3.1.2)."""
from lab import *

BEFORE_NAT = "10.9.9.9"


def packets(lab):
    seq = 0
    for upper in (UDP(sport=4000, dport=1701) / b"to us", TCP(sport=4000, dport=22) / b"to us",
                  UDP(sport=4000, dport=1701, chksum=0) / b"to us", ICMP() / b"ping"):
        seq += 1
        # Summed with the address that the peer thinks it has.
        sent = IP(raw(IP(src=BEFORE_NAT, dst=WAN, id=9) / upper))
        sa = lab.sa(IN)
        sealed = IP(sa.seal(sent, seq))
        assert sealed[UDP].dport == 4500
        sealed.src = PEER
        del sealed.chksum
        lab.receive("wan", raw(sealed))
        expected = IP(raw(sent))
        expected.src = PEER
        del expected.chksum
        if UDP in expected and expected[UDP].chksum != 0:
            del expected[UDP].chksum
        if TCP in expected:
            del expected[TCP].chksum
        lab.punts_opened(IN, IP(raw(expected)))
        packet = IP(raw(IP(src=WAN, dst=PEER, id=7) / upper))
        lab.receive("lan", packet)
        lab.sends("wan", lab.sa(OUT).seal(hop(packet), seq))
        lab.carries(OUT, hop(packet))
