# SPDX-License-Identifier: BSD-3-Clause
"""The figure in "fragmentation needed" is exactly the largest packet that fits once sealed.

Found by sealing packets of every size with scapy; RFC 4301 8.2.1, RFC 1191 4."""
from lab import *

MTU = 1427  # of wan: no multiple of anything
UDP_OUT = 0x2001
UDP_FAR = "10.2.9.5"


def largest(sa):
    return max(size for size in range(MTU - 100, MTU) if len(sa.seal(sized(size), 1)) <= MTU)


def packets(lab):
    lab.set_mtu("wan", MTU)
    for spi, far in ((OUT, FAR), (UDP_OUT, UDP_FAR)):
        fits = largest(lab.sa(spi))
        for size in (fits + 1, fits + 2, fits + 3, fits + 4):
            big = sized(size, dst=far, flags="DF")
            lab.receive("lan", big)
            lab.drops("esp_out_too_big", sa=spi)
            lab.originates()
            lab.sends("lan", icmp_error(LAN, HOST, FRAGMENTATION_NEEDED, hop(big), mtu=fits))
        for seq, size in enumerate((fits, fits - 1, fits - 2, fits - 3), 1):
            lab.receive("lan", sized(size, dst=far, flags="DF"))
            lab.seals(spi, hop(sized(size, dst=far, flags="DF")), seq)
