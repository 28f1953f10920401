# SPDX-License-Identifier: BSD-3-Clause
"""ICMP from a router on the way that quotes our ESP tells the path's MTU (RFC 4301 8.2.1); what it
tells is believed for ten minutes, and not beyond its bounds."""
from lab import *

ROUTER = "192.0.2.99"
TOLD = 1400
FITS = 1346  # 1400 - 20 IPv4 - 8 ESP - 8 IV - 16 ICV = 1348, less 2


def tells(lab, mtu, spi=OUT, after_ms=1):
    quoted = raw(IP(src=WAN, dst=PEER, proto=50, id=1, len=1500))
    quoted += spi.to_bytes(4, "big") + bytes(4)
    words = bytes([3, 4, 0, 0, 0, 0]) + mtu.to_bytes(2, "big")
    message = words[:2] + checksum(words + quoted).to_bytes(2, "big") + words[4:] + quoted
    lab.receive("wan", IP(raw(IP(src=ROUTER, dst=WAN, proto=1) / message)), after_ms)


def packets(lab):
    big = sized(FITS + 1, flags="DF")
    lab.receive("lan", big)
    lab.seals(OUT, hop(big), 1)
    tells(lab, TOLD)
    lab.drops("icmp_in_path_mtu")
    lab.receive("lan", big)
    lab.drops("esp_out_too_big", sa=OUT)
    lab.originates()
    lab.sends("lan", icmp_error(LAN, HOST, FRAGMENTATION_NEEDED, hop(big), mtu=FITS))
    tells(lab, 575)
    lab.drops("icmp_in_mtu_too_low")
    tells(lab, 1450)
    lab.drops("icmp_in_mtu_not_lower")
    tells(lab, TOLD, spi=0x9999)
    lab.drops("icmp_in_no_sa")
    lab.receive("lan", big, after_ms=601_000)
    lab.seals(OUT, hop(big), 2)
