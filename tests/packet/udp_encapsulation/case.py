# SPDX-License-Identifier: BSD-3-Clause
"""ESP in UDP (RFC 3948): ports as the SA says, checksum 0, and a peer behind a NAT."""
from lab import *


def packets(lab):
    seq = 0
    for size in (28, 29, 100, 1438):
        seq += 1
        lab.receive("lan", sized(size))
        lab.seals(OUT, hop(sized(size)), seq)
        lab.receive("wan", lab.sa(IN).seal(sized(size, incoming), seq))
        lab.opens(IN, sized(size, incoming))
    # The NAT may give the peer another port any time; the SA is found all the same.
    moved = lab.sa(IN)
    moved.encap = (1024, 4500)
    lab.receive("wan", moved.seal(incoming(), seq + 1))
    lab.opens(IN, incoming())
    # A UDP checksum is not wanted, but allowed, and not looked at (RFC 3948 2.1).
    packet = IP(lab.sa(IN).seal(incoming(), seq + 2))
    packet[UDP].chksum = 0x1234
    lab.receive("wan", packet)
    lab.opens(IN, incoming())
