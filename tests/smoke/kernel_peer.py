# SPDX-License-Identifier: BSD-3-Clause
"""Pings between a host behind a culvert gateway and a guest, both ways, with Linux' own ESP in the
guest as the gateway's peer: many pairs of SAs, all loaded on both ends from one text.

kernel_peer.py LAB CULVERT EXCHANGE: the lab's name, the program, the guest's exchange folder. What
is where stands in the script of this name. A ping that does not come back, a packet or byte that
either end counts too many or too few, a drop on either side: each is a failure. A second round
holds faults that must be seen.
"""

import json
import os
import random
import re
import subprocess
import sys
from dataclasses import dataclass

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "packet", "common"))

from transforms import AEADS, CIPHERS, INTEGRITIES, Transform, cipher_key, words_of  # noqa: E402

GATEWAY = {4: "192.0.2.1", 6: "2001:db8::1"}
GUEST = {4: "192.0.2.2", 6: "2001:db8::2"}
HOST = {4: "10.1.0.2", 6: "fd00:1::2"}
NEAR_NET = {4: "10.1.0.0/24", 6: "fd00:1::/64"}
WHOLE = {4: 32, 6: 128}
TO_GUEST, TO_GATEWAY = 0x1000, 0x2000  # SPIs, with a case's number behind
SIZES = (1, 64, 1400)  # bytes in a ping
ICMP_BYTES = 8
HEADER_BYTES = {4: 20, 6: 40}
BEFORE_WRAP = (1 << 32) - 3
ECHO_REQUEST6, ECHO_REPLY6 = 128, 129
random_bytes = random.Random(4303).randbytes


@dataclass
class Case:
    transform: Transform
    esn: bool = False
    window: int = 64
    start: int = 0             # the last sequence number before the first packet, both ways
    mode: str = "tunnel"
    outer: int = 4
    inner: int = 4
    encap: bool = False
    number: int = 0            # no other case of its round has it

    def __post_init__(self):
        self.to_guest, self.to_gateway = rekeyed(self.transform), rekeyed(self.transform)

    @property
    def name(self):
        words = [self.transform.name]
        words += ["esn"] * self.esn
        words += [f"from {self.start:#x}"] * bool(self.start)
        words += [f"window {self.window}"] * (self.window != 64)
        words.append(f"transport, IPv{self.outer}" if self.mode == "transport" else
                     f"IPv{self.inner} in IPv{self.outer}")
        words += ["in UDP"] * self.encap
        return ", ".join(words)

    @property
    def peer(self):
        """The guest's end of the SAs."""
        if self.mode == "tunnel":
            return GUEST[self.outer]
        return f"192.0.2.{100 + self.number}" if self.outer == 4 else f"2001:db8::1:{self.number:x}"

    @property
    def ends(self):
        """What pings what: an address of the gateway's side, one of the guest's."""
        if self.mode == "transport":
            return GATEWAY[self.outer], self.peer
        far = f"10.2.{self.number}.1" if self.inner == 4 else f"fd00:2:0:{self.number:x}::1"
        return HOST[self.inner], far

    def batch(self):
        """For `ip -batch`, as the gateway sees it."""
        here, there = GATEWAY[self.outer], self.peer
        own = f"proto esp reqid {self.number} mode {self.mode}"
        text = ""
        for src, dst, base, transform in ((here, there, TO_GUEST, self.to_guest),
                                          (there, here, TO_GATEWAY, self.to_gateway)):
            text += (f"xfrm state add src {src} dst {dst} spi {base + self.number:#x} {own}"
                     f"{self.flags()} replay-window {self.window}{self.numbers()} "
                     f"{words_of(transform)}")
            if self.encap:
                text += f" encap espinudp 4500 4500 {'0.0.0.0' if self.outer == 4 else '::'}"
            text += "\n"
        for near, far, selector in self.selectors():
            text += (f"xfrm policy add dir out src {near} dst {far} {selector}tmpl "
                     f"src {here} dst {there} {own}\n")
            for direction in ("in", "fwd"):
                text += (f"xfrm policy add dir {direction} src {far} dst {near} {selector}tmpl "
                         f"src {there} dst {here} {own}\n")
        return text

    def flags(self):
        """Without af-unspec Linux takes an SA's selector to be of the outer family."""
        flags = ["esn"] * self.esn + ["af-unspec"] * (self.inner != self.outer)
        return f" flag {' '.join(flags)}" if flags else ""

    def numbers(self):
        if not self.start:
            return ""
        return f" replay-seq {self.start:#x} replay-oseq {self.start:#x}"

    def selectors(self):
        far = f"{self.ends[1]}/{WHOLE[self.inner]}"
        if self.mode == "tunnel":
            yield NEAR_NET[self.inner], far, ""
        elif self.outer == 4:
            yield f"{GATEWAY[4]}/32", far, ""
        else:  # neighbour discovery is ICMPv6 too
            for kind in (ECHO_REQUEST6, ECHO_REPLY6):
                yield f"{GATEWAY[6]}/128", far, f"proto 58 type {kind} "

    def carried_bytes(self):
        """(culvert, Linux): what they count in one direction, requests and replies. Both count
        inner packets of tunnels; in transport mode Linux leaves out the IP header."""
        upper = sum(2 * (size + ICMP_BYTES) for size in SIZES)
        whole = upper + 2 * len(SIZES) * HEADER_BYTES[self.inner]
        return whole, whole if self.mode == "tunnel" else upper


def rekeyed(transform):
    return Transform(transform.aead, transform.enc, transform.auth, transform.icv_bits,
                     cipher_key(transform.enc, len(transform.key), random_bytes),
                     random_bytes(len(transform.auth_key)))


def aead(name, key_bytes, icv_bits=128):
    return Transform(aead=name, key=random_bytes(key_bytes + AEADS[name][0]), icv_bits=icv_bits)


def pair(enc, key_bytes, auth, icv_bits):
    return Transform(enc=enc, key=cipher_key(enc, key_bytes + CIPHERS[enc][2], random_bytes),
                     auth=auth, auth_key=random_bytes(INTEGRITIES[auth][0]), icv_bits=icv_bits)


GCM, GMAC = "rfc4106(gcm(aes))", "rfc4543(gcm(aes))"
CCM, CHACHA = "rfc4309(ccm(aes))", "rfc7539esp(chacha20,poly1305)"
CBC, CTR, NULL = "cbc(aes)", "rfc3686(ctr(aes))", "ecb(cipher_null)"


def cases():
    for transform in (aead(GCM, 16), aead(GCM, 32, 96), aead(GCM, 24, 64), aead(GMAC, 16),
                      aead(CCM, 16), aead(CCM, 32, 64), aead(CHACHA, 32),
                      pair(CBC, 16, "hmac(sha256)", 128), pair(CTR, 32, "hmac(sha1)", 96),
                      pair(NULL, 0, "hmac(sha256)", 128)):
        yield Case(transform)
        yield Case(transform, esn=True)
    for transform in (pair(CBC, 16, "hmac(sha1)", 96), pair(CBC, 24, "hmac(sha256)", 96),
                      pair(CBC, 16, "hmac(md5)", 96), pair("cbc(des3_ede)", 24, "hmac(sha1)", 96),
                      pair("cbc(des)", 8, "hmac(md5)", 96), pair(CTR, 16, "xcbc(aes)", 96)):
        yield Case(transform)
    for transform in (pair(CBC, 32, "hmac(sha384)", 192), pair(CBC, 32, "hmac(sha512)", 256),
                      pair(CBC, 16, "xcbc(aes)", 96), pair(CBC, 16, "cmac(aes)", 96)):
        yield Case(transform, esn=True)
    for transform in (aead(GCM, 16), pair(CBC, 16, "hmac(sha256)", 128)):
        for encap in (False, True):
            yield Case(transform, mode="transport", encap=encap)
            yield Case(transform, mode="transport", outer=6, inner=6, encap=encap)
            yield Case(transform, inner=4, outer=6, encap=encap)
            yield Case(transform, inner=6, outer=4, encap=encap)
            yield Case(transform, inner=6, outer=6, encap=encap)
        yield Case(transform, encap=True)
        yield Case(transform, window=32)
        yield Case(transform, window=4096)
        yield Case(transform, esn=True, window=4096)
        yield Case(transform, esn=True, start=BEFORE_WRAP)


def turned(batch):
    """The same, as the other end sees it."""
    other = {"dir out": "dir in", "dir in": "dir out"}
    return re.sub("dir (out|in)", lambda match: other[match.group()],
                  "".join(line for line in batch.splitlines(True) if " dir fwd " not in line))


class Bench:
    def __init__(self, lab, culvert, exchange):
        self.lab, self.culvert, self.exchange = lab, culvert, exchange

    def run(self, *command, script=None):
        """What it printed; raises RuntimeError with that if it fails."""
        ended = subprocess.run(command, input=script, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, timeout=100, check=False)
        if ended.returncode != 0:
            raise RuntimeError(f"{' '.join(command)[:200]}: {ended.returncode}: {ended.stdout}")
        return ended.stdout

    def in_guest(self, script):
        return self.run(os.path.join(ROOT, "tools", "lab", "guest_run"), self.exchange, script)

    def show(self, what):
        return json.loads(self.run(self.culvert, "show", what, "--instance", self.lab, "--json"))

    def load(self, cases, fault):
        """One text for both ends; `fault` changes what the guest gets of each case."""
        flush = "xfrm state flush\nxfrm policy flush\n"
        ours, theirs = flush, flush
        for case in cases:
            ours += case.batch()
            theirs += fault(case, turned(case.batch()))
            far, family = case.ends[1], case.inner
            device = "lo" if case.mode == "tunnel" else "vec0"
            theirs += (f"address replace {far}/{WHOLE[family]} dev {device}"
                       f"{' nodad' if family == 6 else ''}\n")
        ours_file = os.path.join(self.exchange, "here.xfrm")
        for name, text in ((ours_file, ours), (os.path.join(self.exchange, "there.xfrm"), theirs)):
            with open(name, "w", encoding="utf-8") as file:
                file.write(text)
        self.run(self.culvert, "exec", "--instance", self.lab, "--", "ip", "-batch", ours_file)
        # As its input: a guest may remember what it read of a file that this machine then changed.
        self.in_guest("cat /mnt/there.xfrm >/run/batch && ip -batch /run/batch")

    def pings(self, cases):
        """Each answer that was missed, as (case's number, size, direction)."""
        lost = []
        for space, mode in (("host", "tunnel"), ("gw", "transport")):
            lines = "".join(pings_of(case, *case.ends) for case in cases if case.mode == mode)
            output = self.run("ip", "netns", "exec", f"{self.lab}-{space}",
                              os.path.join(ROOT, "tools", "lab", "pings"), script=lines)
            lost += [(*line.split(), "from the guest") for line in output.splitlines()]
        lines = "".join(pings_of(case, *reversed(case.ends)) for case in cases)
        output = self.in_guest(f"pings <<TEXT\n{lines}TEXT")
        return lost + [(*line.split(), "to the guest") for line in output.splitlines()]

    def faults(self, cases, fault=lambda case, there: there):
        """All that goes wrong, by case's number; 0 is for what no case can be told for."""
        for number, case in enumerate(cases, 1):
            case.number = number
        faults = {number: [] for number in range(len(cases) + 1)}
        self.load(cases, fault)
        drops = self.show("drops"), self.linux_drops()
        for number, size, direction in self.pings(cases):
            faults[int(number)].append(f"no answer {direction} to {size} bytes")
        states = self.in_guest("ip -s xfrm state")
        seen = {int(sa["spi"], 16): sa for sa in self.show("sa")["sas"]}
        packets = 2 * len(SIZES)
        for case in cases:
            ours, theirs = case.carried_bytes()
            for spi in (TO_GUEST + case.number, TO_GATEWAY + case.number):
                sa = seen[spi]
                if (sa["packets"], sa["bytes"]) != (packets, ours) or any(sa["drops"].values()):
                    faults[case.number].append(
                        f"culvert, SA {spi:#x}: {sa['packets']} packets, {sa['bytes']} bytes, must "
                        f"be {packets}, {ours}; drops {sa['drops']}")
                counted = linux_counters(states, spi)
                if counted != (theirs, packets, 0, 0, 0):
                    faults[case.number].append(
                        f"Linux, SA {spi:#x}: bytes, packets; dropped by window, replays, ICVs: "
                        f"{counted}, must be {(theirs, packets, 0, 0, 0)}")
        after = self.show("drops"), self.linux_drops()
        for who, before, now in zip(("culvert", "Linux"), drops, after):
            if before != now:
                faults[0].append(f"{who}: drops {before} before, {now} after")
        return faults

    def linux_drops(self):
        lines = self.in_guest("cat /proc/net/xfrm_stat").splitlines()
        counters = {name: int(value) for name, value in (line.split() for line in lines)}
        return {name: value for name, value in counters.items() if value}


def pings_of(case, src, dst):
    return "".join(f"{case.number} {size} {src} {dst}\n" for size in SIZES)


def linux_counters(states, spi):
    for state in re.split("^src ", states, flags=re.MULTILINE):
        if re.search(rf"\bspi {spi:#010x}\b", state):
            current = re.search(r"lifetime current:\s+(\d+)\(bytes\), (\d+)\(packets\)", state)
            stats = re.search(r"stats:\s+replay-window (\d+) replay (\d+) failed (\d+)", state)
            return tuple(int(figure) for figure in (*current.groups(), *stats.groups()))
    return None


# Faults, which leave nothing else as it should be.

def another_key(there):
    """The last digit of the key of the SA to the guest."""
    lines = there.splitlines(True)
    lines[0] = re.sub(r"(0x[0-9a-f]{31,})([0-9a-f])\b",
                      lambda match: match.group(1) + f"{int(match.group(2), 16) ^ 1:x}", lines[0],
                      count=1)
    return "".join(lines)


def no_esn(there):
    return there.replace(" flag esn", "")


def no_policy(there):
    """The guest sends in clear, and takes it."""
    return "".join(line for line in there.splitlines(True) if "xfrm state" in line)


FAULTS = (
    (Case(aead(GCM, 16)), another_key, "no answer from the guest to 64 bytes"),
    (Case(pair(CBC, 16, "hmac(sha256)", 128), esn=True), no_esn, "Linux, SA 0x1002: bytes, "
     "packets; dropped by window, replays, ICVs: (0, 0, 0, 0, 3)"),
    (Case(pair(CBC, 16, "hmac(sha256)", 128)), no_policy, "culvert, SA 0x2003: 0 packets"),
)


def main():
    bench = Bench(*sys.argv[1:])
    all_cases = list(cases())
    faults = bench.faults(all_cases)
    failed = sum(bool(found) for found in faults.values())
    for case in all_cases:
        print(f"{'not ok' if faults[case.number] else 'ok    '}  {case.name}")
        print("".join(f"        {fault}\n" for fault in faults[case.number]), end="")
    print(f"{'not ok' if faults[0] else 'ok    '}  neither end drops anything")
    print("".join(f"        {fault}\n" for fault in faults[0]), end="")
    changes = {id(case): change for case, change, _ in FAULTS}
    faults = bench.faults([case for case, _, _ in FAULTS],
                          lambda case, there: changes[id(case)](there))
    for case, change, words in FAULTS:
        found = faults[case.number]
        is_seen = bool(faults[0]) and any(words in fault for fault in found)
        failed += not is_seen
        print(f"{'ok    ' if is_seen else 'not ok'}  a guest with {change.__name__} is found out"
              f"{'' if is_seen else f': {words} is not among {found}'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
