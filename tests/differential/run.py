#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random SAs and packets, through `culvert replay` and a model that shares nothing with it.

run.py --culvert PROGRAM [--seed N] [--count PACKETS] [--pairs SAS] [--keep FOLDER]
run.py --culvert PROGRAM --self-test    sees that a wrong verdict, byte or count is found

The same seed gives the same packets. --keep leaves the batch file and the captures for other
implementations to judge. Bursts of one packet are compared verdict by verdict; in bursts of 32
replayed and damaged packets may be told apart in another order, so that only what leaves and the
sum of those verdicts are.
"""

import argparse
import os
import random
import sys
import tempfile
from collections import Counter, defaultdict

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
PACKET = os.path.join(os.path.dirname(HERE), "packet")
sys.path[:0] = [HERE, PACKET, os.path.join(PACKET, "common")]

import importlib.util  # noqa: E402
import logging  # noqa: E402

from lab import DATAPLANE_MAC, OUR_MAC, Ether, Lab, arriving, ether_type, leaving  # noqa: E402
from model import Model, Outcome  # noqa: E402
from sa import parse_sas  # noqa: E402
from scapy.layers.inet import IP  # noqa: E402
from scapy.layers.inet6 import IPv6  # noqa: E402
from scapy.packet import raw  # noqa: E402
from scapy.utils import checksum  # noqa: E402
from traffic import MTU, Traffic  # noqa: E402
from transforms import Forged  # noqa: E402
from world import random_pairs  # noqa: E402

logging.getLogger("scapy").setLevel(logging.ERROR)  # it warns of headers that stand alone

ROUTES = (("10.3.0.0/16", "192.0.2.2"), ("198.51.101.0/24", "192.0.2.2"))
SHOWN_FAULTS = 20
ANY_ORDER = {"esp_in_icv", "esp_in_replay", "esp_in_too_old"}


def load_runner():
    """tests/packet/run.py, which has this file's name."""
    spec = importlib.util.spec_from_file_location("packet_run", os.path.join(PACKET, "run.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["packet_run"] = module
    spec.loader.exec_module(module)
    return module


class Differential:
    def __init__(self, seed, count, pair_count):
        rng = random.Random(seed)
        self.pairs = random_pairs(rng, pair_count)
        self.lab = Lab(os.path.join(PACKET, "common"))
        self.lab.xfrm = "".join(pair.batch() for pair in self.pairs)
        self.lab.config = self.lab.config.replace("max_sas = 256", f"max_sas = {4 * pair_count}")
        self.lab.config += '\n[esp]\nallow = ["des-cbc", "no-integrity"]\nreplay_window = 0\n'
        for prefix, via in ROUTES:
            self.lab.config += f'\n[[route]]\nprefix = "{prefix}"\nvia = "{via}"\nport = "wan"\n'
        self.sas = parse_sas(self.lab.xfrm)
        self.traffic = Traffic(rng, self.pairs, self.sas)
        self.model = Model(self.lab.xfrm, MTU)
        self.outcomes = []
        for _ in range(count):
            port, packet = self.traffic.next()
            self.lab.receive_frame(port, arriving(port, packet), 1)
            self.outcomes.append(self.model.receive(port, packet))
        self.judges = defaultdict(Counter)

    def run(self, culvert, folder):
        runner = load_runner()
        runner.write_inputs(self.lab, folder)
        return [runner.replay(culvert, folder, burst, burst) for burst in (1, 32)]

    # What differs, one line each.

    def faults(self, runs):
        exact, burst = runs
        yield from self.frame_faults(exact)
        yield from self.count_faults("bursts of 1", exact, lambda reason: reason)
        yield from self.count_faults(
            "bursts of 32", burst, lambda reason: "any" if reason in ANY_ORDER else reason)
        for port in exact.sent:
            if exact.sent[port] != burst.sent[port]:
                yield f"{port}: bursts of 1 and of 32 sent different frames"
        if exact.punted != burst.punted:
            yield "punted: bursts of 1 and of 32 differ"

    def count_faults(self, place, run, merged):
        wanted, seen = Counter(), Counter()
        for (spi, reason), count in self.model.drops_by_sa.items():
            wanted[spi, merged(reason)] += count
        for sa in run.counters["sas"]:
            for reason, count in sa["drops"].items():
                seen[int(sa["spi"], 16), merged(reason)] += count
        for reason, count in self.model.drops.items():
            wanted["all", merged(reason)] += count
        for reason, count in run.counters["drops"].items():
            seen["all", merged(reason)] += count
        for key in sorted({*wanted, *seen}, key=str):
            if wanted[key] != seen[key]:
                spi = key[0] if key[0] == "all" else f"{key[0]:#x} ({self.describe(key[0])})"
                yield f"{place}: SA {spi}: {key[1]} {seen[key]}, must be {wanted[key]}"

    def describe(self, spi):
        sa = self.sas[spi]
        return f"{sa.transform.name}{', esn' if sa.esn else ''}"

    def frame_faults(self, run):
        ivs = Counter()
        wanted = {"wan": [], "lan": [], "punt": []}
        for i, outcome in enumerate(self.outcomes):
            if outcome.port:
                wanted[outcome.port].append((i, outcome))
        for port, seen in (*run.sent.items(), ("punt", run.punted)):
            if len(seen) != len(wanted[port]):
                yield f"{port}: {len(seen)} frames, must be {len(wanted[port])}"
            for (i, outcome), frame in zip(wanted[port], seen):
                fault = (self.sealed_fault(outcome, frame, ivs) if outcome.verdict == "sealed"
                         else self.opened_fault(outcome, frame))
                if fault:
                    yield (f"packet {i}, SA {outcome.spi:#x} ({self.describe(outcome.spi)}): "
                           f"{fault}\n    in   {self.lab.received[i][2].hex()}"
                           f"\n    out  {frame.hex()}")
        yield from (f"SA {spi:#x}: IV {iv.hex()} {count} times"
                    for (spi, iv), count in ivs.items() if count > 1)
        self.distinct_ivs = len(ivs)

    def opened_fault(self, outcome, frame):
        self.judges[self.sas[outcome.spi].transform.name]["opened"] += 1
        if outcome.port == "punt":
            ether = Ether(src=DATAPLANE_MAC, dst=OUR_MAC["wan"], type=ether_type(outcome.packet))
            want = raw(ether / raw(outcome.packet))
        else:
            want = leaving(outcome.port, outcome.packet)
        return None if frame == want else f"must be {want.hex()}"

    def sealed_fault(self, outcome, frame, ivs):
        sa = self.sas[outcome.spi]
        transform = sa.transform
        at = len(outcome.front)
        ether = leaving("wan", b"\x60" + bytes(39) if sa.is_ipv6 else b"\x45" + bytes(19))[:14]
        front, esp = frame[14:14 + at], frame[14 + at - 8:]
        if frame[:14] != ether:
            return "another Ethernet header"
        if sa.encap and sa.is_ipv6:
            if udp_sum(frame[14:], at) != 0:
                return "wrong UDP checksum"
            front = front[:at - 10] + b"\0\0" + front[at - 8:]
        if front != outcome.front:
            return f"headers must be {outcome.front.hex()}"
        iv = esp[8:8 + transform.iv_bytes]
        if iv:
            ivs[outcome.spi, iv] += 1
        if transform.is_iv_the_sequence and iv != outcome.seq.to_bytes(8, "big"):
            return f"IV must be {outcome.seq:#x}"
        try:
            clear = transform.open(esp, outcome.seq >> 32, sa.esn)
        except Forged:
            return "wrong ICV"
        if clear != outcome.clear:
            return f"clear part must be {outcome.clear.hex()}"
        judges = self.judges[transform.name]
        judges["sealed"] += 1
        scapy_sa = None if sa.is_transport else sa.scapy_sa(outcome.seq)
        if scapy_sa is not None:
            opened = raw(scapy_sa.decrypt((IPv6 if sa.is_ipv6 else IP)(frame[14:])))
            if not opened.startswith(outcome.packet):
                return "scapy opens another packet"
            judges["scapy too"] += 1
        return None

    def report(self):
        verdicts = Counter(outcome.verdict for outcome in self.outcomes)
        print(f"{'transform':48} {'sealed':>7} {'scapy too':>9} {'opened':>7}")
        for name, judges in sorted(self.judges.items()):
            print(f"{name:48} {judges['sealed']:7} {judges['scapy too']:9} {judges['opened']:7}")
        print(f"{len(self.judges)} transforms, {len(self.sas)} SAs; judged by "
              f"python3-cryptography, those counted by scapy too; {self.distinct_ivs} distinct IVs")
        for verdict, count in verdicts.most_common():
            print(f"{count:8} {verdict}")


def udp_sum(packet, at):
    """0 if the UDP checksum of an IPv6 packet is right; the header ends 8 bytes before `at`."""
    segment = packet[at - 16:]
    pseudo = packet[8:40] + len(segment).to_bytes(4, "big") + bytes([0, 0, 0, 17])
    return checksum(pseudo + segment) if segment[6:8] != b"\0\0" else -1


def self_test(differential, runs):
    """Each of these must be found, in a run that has no faults otherwise."""
    def first(verdict):
        return next(i for i, outcome in enumerate(differential.outcomes)
                    if outcome.verdict == verdict)

    def wrong_verdict():
        i = first("opened")
        kept, differential.outcomes[i] = differential.outcomes[i], Outcome("esp_in_icv")
        return lambda: differential.outcomes.__setitem__(i, kept)

    def wrong_byte():
        outcome = differential.outcomes[first("sealed")]
        kept, outcome.clear = outcome.clear, outcome.clear[:-1] + b"\0"
        return lambda: setattr(outcome, "clear", kept)

    def wrong_opened_byte():
        outcome = differential.outcomes[first("opened")]
        kept, outcome.packet = outcome.packet, outcome.packet[:-1] + b"?"
        return lambda: setattr(outcome, "packet", kept)

    def wrong_count():
        differential.model.drops["esp_in_replay"] += 1
        differential.model.drops["esp_in_too_old"] -= 1
        return lambda: differential.model.drops.update(esp_in_replay=-1, esp_in_too_old=1)

    missed = [f"without a miss: {fault}" for fault in differential.faults(runs)]
    for miss in (wrong_verdict, wrong_byte, wrong_opened_byte, wrong_count):
        undo = miss()
        if not list(differential.faults(runs)):
            missed.append(f"{miss.__name__}: not found")
        undo()
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--culvert", required=True, help="the program, built or installed")
    parser.add_argument("--seed", type=int, default=4303)
    parser.add_argument("--count", type=int, default=5000, help="packets")
    parser.add_argument("--pairs", type=int, default=120,
                        help="pairs of SAs; 99 have every transform")
    parser.add_argument("--keep", metavar="FOLDER")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    differential = Differential(options.seed, options.count, options.pairs)
    with tempfile.TemporaryDirectory() as temporary:
        if options.keep:
            os.makedirs(options.keep, exist_ok=True)
        try:
            runs = differential.run(options.culvert, options.keep or temporary)
        except RuntimeError as error:
            print(f"seed {options.seed}: {error}")
            return 1
    if options.self_test:
        missed = self_test(differential, runs)
        print("\n".join(missed) or "self-test: every seeded miss was found")
        return 1 if missed else 0
    faults = list(differential.faults(runs))
    differential.report()
    print(f"seed {options.seed}, {options.count} packets: {len(faults)} differences")
    print("\n".join(faults[:SHOWN_FAULTS]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
