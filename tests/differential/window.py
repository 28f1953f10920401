# SPDX-License-Identifier: BSD-3-Clause
"""The receive window of RFC 4303 3.4.3 and appendix A, one packet after the other."""

TWO_TO_32 = 1 << 32


class Window:
    def __init__(self, size, top, has_esn):
        self.size = size
        self.top = top
        self.has_esn = has_esn
        # What was accepted before this SA was handed over is not known: all of it counts as seen.
        self.seen = set(range(max(1, top - size + 1), top + 1))

    def infer(self, low):
        """Appendix A2.2, with the names it uses. There is no subspace before the first."""
        if not self.has_esn:
            return low
        th, tl = divmod(self.top, TWO_TO_32)
        if tl >= self.size - 1:
            high = th if low >= tl - self.size + 1 else th + 1
        else:
            high = th - 1 if low >= (tl - self.size + 1) % TWO_TO_32 and th > 0 else th
        return high * TWO_TO_32 + low

    def verdict(self, seq):
        if self.size == 0:  # anti-replay is off
            return None
        if self.top >= self.size and seq <= self.top - self.size:
            return "esp_in_too_old"
        return "esp_in_replay" if seq in self.seen else None

    def enter(self, seq):
        if self.size == 0:
            return
        self.seen.add(seq)
        if seq > self.top:
            self.top = seq
            self.seen = {number for number in self.seen if number > seq - self.size}
