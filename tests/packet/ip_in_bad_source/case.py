# SPDX-License-Identifier: BSD-3-Clause
"""No IPv6 packet comes from many (RFC 4291 2.7)."""
from lab import *


def packets(lab):
    for source in ("ff02::1", "ff0e::5"):
        lab.receive("lan", outgoing6(src=source))
        lab.drops("ip_in_bad_source")
