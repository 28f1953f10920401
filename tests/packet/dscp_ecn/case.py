# SPDX-License-Identifier: BSD-3-Clause
"""Both bytes' halves across the tunnel: RFC 4301 5.1.2, RFC 6040 4.1 and 4.2 (figure 4)."""
from lab import *

NOT_ECT, ECT1, ECT0, CE = 0, 1, 2, 3
EF, AF41, CS6 = 46, 34, 48

# Inner field: what comes out of the tunnel for outer Not-ECT, ECT(1), ECT(0), CE; None is dropped.
DECAPSULATED = {
    NOT_ECT: (NOT_ECT, NOT_ECT, NOT_ECT, None),
    ECT1: (ECT1, ECT1, ECT1, CE),
    ECT0: (ECT0, ECT1, ECT0, CE),
    CE: (CE, CE, CE, CE),
}
# SAs with flag noecn, both ways; with flag decap-dscp; with nopmtudisc and dont-encap-dscp.
NO_ECN_OUT, NO_ECN_IN, DECAP_DSCP_IN, PLAIN_OUT = 0x2001, 0x2002, 0x2004, 0x2005


def packets(lab):
    seq = 0
    for ecn in range(4):
        for dscp in (0, EF, AF41, CS6, 63):
            inner = outgoing(tos=dscp << 2 | ecn)
            lab.receive("lan", inner)
            seq += 1
            lab.seals(OUT, hop(inner), seq)     # outer as inner
    seq = 0
    for inner_ecn, row in DECAPSULATED.items():
        for outer_ecn, result in enumerate(row):
            seq += 1
            inner = incoming(tos=EF << 2 | inner_ecn)
            lab.receive("wan", lab.sa(IN).seal(inner, seq, tos=CS6 << 2 | outer_ecn))
            if result is None:
                lab.drops("esp_in_ecn", sa=IN)
            else:
                lab.opens(IN, incoming(tos=EF << 2 | result))   # the inner DSCP stays
    flags(lab)


def flags(lab):
    for seq, ecn in enumerate(range(4), 1):
        inner = outgoing(tos=EF << 2 | ecn, dst="10.2.9.5")
        lab.receive("lan", inner)
        lab.seals(NO_ECN_OUT, hop(inner), seq, tos=EF << 2)
        inner = incoming(tos=EF << 2 | ecn)
        lab.receive("wan", lab.sa(NO_ECN_IN).seal(inner, seq, tos=CE))
        lab.opens(NO_ECN_IN, inner)
        lab.receive("wan", lab.sa(DECAP_DSCP_IN).seal(inner, seq, tos=AF41 << 2))
        lab.opens(DECAP_DSCP_IN, incoming(tos=AF41 << 2 | DECAPSULATED[ecn][NOT_ECT]))
        inner = outgoing(tos=EF << 2 | ecn, dst="10.2.8.5", flags="DF")
        lab.receive("lan", inner)
        lab.seals(PLAIN_OUT, hop(inner), seq, tos=ecn, flags=0, id=seq)
