# SPDX-License-Identifier: BSD-3-Clause
"""Both edges of windows of 32 to 32768, and jumps far beyond them (RFC 4303 3.4.3)."""
from lab import *

WINDOWS = (32, 64, 1024, 4096, 32768)


def packets(lab):
    for window in WINDOWS:
        story(lab, window, lab.sa(0x1000 + window))


def story(lab, window, sa):
    accepted = set()
    top = 0

    def arrives(seq, reason=None):
        nonlocal top
        inner = incoming(seq.to_bytes(4, "big"))
        lab.receive("wan", sa.seal(inner, seq))
        if reason is not None:
            return lab.drops(reason, sa=sa.spi)
        lab.opens(sa.spi, inner)
        accepted.add(seq)
        top = max(top, seq)

    arrives(1)
    arrives(window)                              # 1 is now the leftmost that can be told apart
    arrives(1, "esp_in_replay")
    arrives(2)
    arrives(window + 1)                          # and now it is too old
    arrives(1, "esp_in_too_old")
    arrives(2, "esp_in_replay")
    arrives(3)
    arrives(2 * window + 1)                      # the window's own width further
    arrives(window + 1, "esp_in_too_old")
    arrives(window + 2)
    arrives(window + 2, "esp_in_replay")
    arrives(1_000_000_007)                       # far away: nothing of the old is left
    arrives(1_000_000_007 - window, "esp_in_too_old")
    arrives(1_000_000_008 - window)
    arrives(1_000_000_006)
    arrives(1_000_000_006, "esp_in_replay")
    arrives(2 * window + 1, "esp_in_too_old")
    arrives(0xFFFFFFFF)                          # the last one without ESN
    arrives(0xFFFFFFFF, "esp_in_replay")
    arrives(0xFFFFFFFF - window + 1)
    lab.stands_at(sa.spi, top, bitmap=sum(1 << top - seq for seq in accepted if top - seq < window))
