# SPDX-License-Identifier: BSD-3-Clause
"""Both edges of a replay window, and jumps far beyond it (RFC 4303 3.4.3)."""

from lab import incoming

LAST = 0xFFFFFFFF  # without ESN


def tell(lab, window, spi):
    """Sends packets through the inbound SA with these numbers; it must be fresh."""
    accepted = set()

    def arrives(seq, reason=None):
        inner = incoming(seq.to_bytes(4, "big"))
        lab.receive("wan", lab.sa(spi).seal(inner, seq))
        if reason is not None:
            lab.drops(reason, sa=spi)
        else:
            lab.opens(spi, inner)
            accepted.add(seq)

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
    arrives(LAST)
    arrives(LAST, "esp_in_replay")
    arrives(LAST - window + 1)
    top = max(accepted)
    lab.stands_at(spi, top, bitmap=sum(1 << top - seq for seq in accepted if top - seq < window))
