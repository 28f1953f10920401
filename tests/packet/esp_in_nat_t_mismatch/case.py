# SPDX-License-Identifier: BSD-3-Clause
"""ESP in UDP for an SA without encapsulation, and plain ESP for one with it (RFC 3948 2.1)."""
from lab import *

PLAIN_IN, ENCAPSULATED_IN = 0x2002, 0x2004


def packets(lab):
    plain, encapsulated = lab.sa(PLAIN_IN), lab.sa(ENCAPSULATED_IN)
    plain.encap, encapsulated.encap = (4500, 4500), None
    lab.receive("wan", plain.seal(incoming(), seq=1))
    lab.drops("esp_in_nat_t_mismatch", sa=PLAIN_IN)
    lab.receive("wan", encapsulated.seal(incoming(), seq=1))
    lab.drops("esp_in_nat_t_mismatch", sa=ENCAPSULATED_IN)
    lab.stands_at(PLAIN_IN, 0)
    lab.stands_at(ENCAPSULATED_IN, 0)
