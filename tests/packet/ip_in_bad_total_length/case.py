# SPDX-License-Identifier: BSD-3-Clause
"""The total length must cover the header, and the frame the total length."""
from lab import *


def packets(lab):
    for length in (0, 19, 41, 65535):
        lab.receive("wan", IP(src=PEER, dst=WAN, len=length) / UDP() / bytes(12))
        lab.drops("ip_in_bad_total_length")
    lab.receive("wan", b"\x46" + raw(IP(src=PEER, dst=WAN, len=23) / bytes(12))[1:])
    lab.drops("ip_in_bad_total_length")
