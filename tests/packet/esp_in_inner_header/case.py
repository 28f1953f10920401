# SPDX-License-Identifier: BSD-3-Clause
"""What comes out of an SA must be a whole IPv4 packet: keys do not make the peer's bytes right."""
from lab import *


def changed(**fields):
    packet = incoming(b"12")
    for name, value in fields.items():
        setattr(packet, name, value)
    return raw(packet)


def packets(lab):
    inner = raw(incoming(b"12"))
    wrong = (
        changed(version=6),
        changed(ihl=4),
        changed(ihl=15),
        changed(len=31),
        changed(len=19),
        changed(chksum=0x1234),
        inner[:18],
        b"",
    )
    for seq, payload in enumerate(wrong, 1):
        padding = bytes(range(1, 1 + -(len(payload) + 2) % 4))
        lab.receive("wan", lab.sa(IN).seal_payload(payload + trailer(padding), seq))
        lab.drops("esp_in_inner_header", sa=IN)
