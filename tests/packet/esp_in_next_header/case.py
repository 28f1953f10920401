# SPDX-License-Identifier: BSD-3-Clause
"""A tunnel-mode SA carries IPv4 and IPv6 and nothing else."""
from lab import *

TCP_PROTOCOL, GRE, ICMPV6, RESERVED = 6, 47, 58, 255


def packets(lab):
    for seq, protocol in enumerate((TCP_PROTOCOL, GRE, ICMPV6, RESERVED), 1):
        payload = raw(incoming(b"12")) + trailer(b"", next_header=protocol)
        lab.receive("wan", lab.sa(IN).seal_payload(payload, seq))
        lab.drops("esp_in_next_header", sa=IN)
