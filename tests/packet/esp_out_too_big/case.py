# SPDX-License-Identifier: BSD-3-Clause
"""With DF, what does not fit once sealed is answered by the size that would (RFC 4301 8.2.1)."""
from lab import *

# 1500 = 20 outer IP, 8 ESP, 8 IV, 1444 payload and padding, 2 trailer, 16 ICV, 2 short of 4 bytes
FITS = 1446


def packets(lab):
    for size in (FITS + 1, 1500):
        big = sized(size, flags="DF")
        lab.receive("lan", big)
        lab.drops("esp_out_too_big", sa=OUT)
        lab.sends("lan", icmp_error(LAN, HOST, FRAGMENTATION_NEEDED, hop(big), mtu=FITS))
        lab.originates()
    fitting = sized(FITS, flags="DF")
    lab.receive("lan", fitting)
    lab.seals(OUT, hop(fitting), seq=1)
