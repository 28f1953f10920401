# SPDX-License-Identifier: BSD-3-Clause
"""Every transform and key size that XFRM names: sealed, opened and refused when forged. What scapy
knows is judged by scapy, the rest by python3-cryptography (common/transforms.py)."""
import random

from lab import *
from transforms import all_transforms, words_of

SIZES = (28, 29, 43, 44, 200, 1300)  # bytes of the inner packet
SELECTORS = "src 10.1.0.0/24 dst {0}", "src {0} dst 10.1.0.0/24"


def packets(lab):
    lab.config += '\n[esp]\nallow = ["des-cbc", "no-integrity"]\nreplay_window = 0\n'
    transforms = list(all_transforms(random.Random(4303).randbytes))
    others = list(all_transforms(random.Random(4304).randbytes))
    lab.xfrm = "".join(batch_lines(i, *pair) for i, pair in enumerate(zip(transforms, others)))
    for i, transform in enumerate(transforms):
        out, back, far = 0x1000 + i, 0x2000 + i, f"10.2.{i}.5"
        for seq, size in enumerate(SIZES, 1):
            packet = sized(size, dst=far)
            lab.receive("lan", packet)
            lab.seals(out, hop(packet), seq)
            packet = sized(size, incoming, src=far)
            lab.receive("wan", lab.sa(back).seal(packet, seq))
            lab.opens(back, packet)
        lab.stands_at(out, len(SIZES))
        if transform.has_integrity:
            lab.stands_at(back, len(SIZES), bitmap=(1 << len(SIZES)) - 1)
            forge(lab, back, incoming(src=far))


def batch_lines(i, out, back):
    """Reqid 1 and up. Without integrity there is no replay window (RFC 4303 3.4.3)."""
    window = 64 if back.has_integrity else 0
    reqid, far = i + 1, f"10.2.{i}.0/24"
    state = "xfrm state add src {} dst {} proto esp spi {:#x} reqid {} mode tunnel {} {}\n"
    policy = ("xfrm policy add dir {} {} priority 10 tmpl src {} dst {} proto esp reqid {} "
              "mode tunnel\n")
    return (state.format(WAN, PEER, 0x1000 + i, reqid, "", words_of(out))
            + state.format(PEER, WAN, 0x2000 + i, reqid, f"replay-window {window}",
                           words_of(back))
            + policy.format("out", SELECTORS[0].format(far), WAN, PEER, reqid)
            + policy.format("in", SELECTORS[1].format(far), PEER, WAN, reqid))


def forge(lab, spi, inner):
    """One bit, in each part that the ICV covers and in the ICV; the window stays (3.4.4)."""
    sa = lab.sa(spi)
    honest = sa.seal(inner, len(SIZES) + 1)
    esp = len(honest) - len(esp_of(honest))
    ciphertext = esp + ESP_BYTES + sa.transform.iv_bytes
    icv = len(honest) - sa.transform.icv_bytes
    spots = {esp + 7, ciphertext, icv - 1, icv, len(honest) - 1}
    if sa.transform.iv_bytes:
        spots |= {esp + ESP_BYTES, ciphertext - 1}
    for spot in sorted(spots):
        forged = bytearray(honest)
        forged[spot] ^= 0x10
        lab.receive("wan", bytes(forged))
        lab.drops("esp_in_icv", sa=spi)
