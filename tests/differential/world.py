# SPDX-License-Identifier: BSD-3-Clause
"""Random pairs of SAs with their policies, as one file for `ip -batch`: every transform first, then
at random."""

from dataclasses import dataclass, field

from lab import HOST, HOST6, PEER, PEER6, WAN, WAN6
from transforms import all_transforms, words_of

WINDOWS = (32, 64, 128, 1024, 4096)
TWO_TO_32 = 1 << 32
OUT_SPI, IN_SPI = 0x100000, 0x200000


@dataclass
class Pair:
    """An outbound and an inbound SA of the same kind, with the transform of each."""
    index: int
    out: object
    back: object
    outer: int         # family
    inner: int
    is_transport: bool
    encap: bool
    esn: bool
    window: int
    top: int           # where the inbound SA stands before the first packet
    next_out: int      # the same for the outbound one
    tfcpad: int
    flags: list = field(default_factory=list)
    extra_flags: list = field(default_factory=list)

    @property
    def peer(self):
        if not self.is_transport:
            return PEER if self.outer == 4 else PEER6
        i = self.index
        return f"198.51.{100 + i // 250}.{1 + i % 250}" if self.outer == 4 else \
            f"2001:db8:2:ffff::{i + 1:x}"

    @property
    def us(self):
        return WAN if self.outer == 4 else WAN6

    @property
    def far(self):
        """The host at the other end."""
        if self.is_transport:
            return self.peer
        i = self.index
        return f"10.{2 + i // 250}.{i % 250}.5" if self.inner == 4 else f"2001:db8:2:{i:x}::5"

    @property
    def host(self):
        """The one at our end."""
        if self.is_transport:
            return self.us
        return HOST if self.inner == 4 else HOST6

    @property
    def far_net(self):
        if self.is_transport:
            return f"{self.peer}/{32 if self.outer == 4 else 128}"
        return self.far[:-1] + ("0/24" if self.inner == 4 else "/64")

    @property
    def near_net(self):
        if self.is_transport:
            return f"{self.us}/{32 if self.outer == 4 else 128}"
        return "10.1.0.0/24" if self.inner == 4 else "2001:db8:1::/64"

    def batch(self):
        mode = "transport" if self.is_transport else "tunnel"
        end = f" encap espinudp {{}} {{}} {'0.0.0.0' if self.outer == 4 else '::'}"
        reqid = self.index + 1
        flags = self.flags + (["esn"] if self.esn else [])
        if self.inner != self.outer:
            flags = flags + ["af-unspec"]  # or Linux takes the SA's selector to be of the outer one
        common = f"reqid {reqid} mode {mode}"
        if flags:
            common += " flag " + " ".join(flags)
        if self.extra_flags:
            common += " extra-flag " + " ".join(self.extra_flags)
        lines = []
        for src, dst, spi, transform, numbers, ports in (
                (self.us, self.peer, OUT_SPI, self.out,
                 self.numbers("oseq", self.next_out, 64 if self.esn else 0)
                 + (f" tfcpad {self.tfcpad}" if self.tfcpad else ""), (4500, 61004)),
                (self.peer, self.us, IN_SPI, self.back,
                 self.numbers("seq", self.top, self.window), (61004, 4500))):
            lines.append(f"xfrm state add src {src} dst {dst} proto esp spi {spi + self.index:#x} "
                         f"{common}{numbers} {words_of(transform)}"
                         + (end.format(*ports) if self.encap else ""))
        for direction, src, dst, ends in (
                ("out", self.near_net, self.far_net, (self.us, self.peer)),
                ("in", self.far_net, self.near_net, (self.peer, self.us))):
            template = "" if self.is_transport else "src {} dst {} ".format(*ends)
            lines.append(f"xfrm policy add dir {direction} src {src} dst {dst} priority 10 tmpl "
                         f"{template}proto esp reqid {reqid} mode {mode}")
        return "\n".join(lines) + "\n"

    def numbers(self, word, value, window):
        words = f" replay-window {window}"
        if value:
            words += f" replay-{word} {value % TWO_TO_32:#x}"
        if value >= TWO_TO_32:
            words += f" replay-{word}-hi {value // TWO_TO_32:#x}"
        return words


def random_pairs(rng, count):
    outs = list(all_transforms(rng.randbytes))
    while len(outs) < count:
        outs += list(all_transforms(rng.randbytes))
    backs = []
    while len(backs) < len(outs):
        backs += list(all_transforms(rng.randbytes))
    return [random_pair(rng, i, outs[i], backs[i]) for i in range(count)]


def random_pair(rng, index, out, back):
    is_transport = rng.random() < 0.3
    outer = rng.choice((4, 6))
    esn = out.has_integrity and back.has_integrity and rng.random() < 0.5
    window = rng.choice(WINDOWS if esn else (0, *WINDOWS)) if back.has_integrity else 0
    if esn:
        starts = (0, 5, TWO_TO_32 - 4, 5 * TWO_TO_32 - 3, rng.randrange(1 << 40))
    else:
        starts = (0, 5, TWO_TO_32 - 30, rng.randrange(TWO_TO_32 // 2))
    pair = Pair(index, out, back, outer, outer if is_transport else rng.choice((4, 6)),
                is_transport, rng.random() < 0.3, esn, window,
                rng.choice(starts) if window else 0, rng.choice(starts), 0)
    if not is_transport:
        pair.tfcpad = rng.choice((0, 0, 0, 200, 900))
        pair.flags = [flag for flag in ("noecn", "decap-dscp", "nopmtudisc") if rng.random() < 0.2]
        pair.extra_flags = [flag for flag in ("dont-encap-dscp",) if rng.random() < 0.2]
    return pair
