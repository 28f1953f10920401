#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Packets in, packets out, through the real dataplane.

run.py --culvert PROGRAM [CASE ...]   runs these folders, or all
run.py --culvert PROGRAM --self-test  sees that a wrong count, frame or punt is found

A case is a folder with case.py. Its function packets(lab) says which frames arrive and where each
of them ends; see common/lab.py. gw.toml and site.xfrm in the folder replace those in common/.
A folder that has the name of a drop reason provokes that drop.
Every case runs twice with one burst size and again with others, which must not show in anything
that comes out: counters, frames, order or times.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
sys.path[:0] = [os.path.join(HERE, "common"), os.path.join(ROOT, "tools")]

import check_drops  # noqa: E402
import pcap  # noqa: E402
from lab import Lab  # noqa: E402
from verdict import faults_of  # noqa: E402

PORTS = ("wan", "lan")
REASONS = {name for name, _ in check_drops.reasons_of(ROOT)}
TIMEOUT_S = 60


@dataclass
class Run:
    counters: dict
    sent: dict
    punted: list
    files: dict  # all that came out, byte for byte


def write_inputs(lab, folder):
    for name, text in (("gw.toml", lab.config), ("site.xfrm", lab.xfrm)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    for port in PORTS:
        frames = [(time_ns, frame) for time_ns, at, frame in lab.received if at == port]
        with open(os.path.join(folder, f"{port}.in"), "wb") as file:
            file.write(pcap.encode(frames))


def replay(culvert, folder, number, burst):
    """Runs `culvert replay` over what write_inputs wrote. Raises RuntimeError with its words."""
    def path(name):
        return os.path.join(folder, name)

    outputs = {name: path(f"{name}.{number}") for name in (*PORTS, "punt")}
    command = [culvert, "replay", "-c", path("gw.toml"), "--xfrm", path("site.xfrm"), "--json",
               "--burst", str(burst), "--seed", "1", "--punt", outputs["punt"]]
    for port in PORTS:
        command += ["--in", f"{port}={path(port)}.in", "--out", f"{port}={outputs[port]}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"exit code {ended.returncode}: {ended.stderr.strip()}")
    files = {"counters": ended.stdout}
    for name, output in outputs.items():
        with open(output, "rb") as file:
            files[name] = file.read()
    frames = {name: [frame for _, frame in pcap.decode(files[name])] for name in outputs}
    return Run(json.loads(ended.stdout), {port: frames[port] for port in PORTS}, frames["punt"],
               files)


def runs_of(culvert, lab):
    """One burst size twice, so that the same call can be compared with itself, and those others
    that divide the frames in another way."""
    bursts = [32, 32, *(burst for burst in (1, 7) if burst < len(lab.received))]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        write_inputs(lab, folder)
        runs = pool.map(lambda i: replay(culvert, folder, i, bursts[i]), range(len(bursts)))
        return bursts, list(runs)


def omission_of(name, lab):
    """A case named after a drop that expects none of it."""
    if name in REASONS and not lab.dropped.get(name):
        yield f"expects no drop {name}, whose test it is"


def run_case(culvert, name, lab):
    try:
        bursts, runs = runs_of(culvert, lab)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return [str(error)]
    faults = [*omission_of(name, lab), *faults_of(lab, runs[0])]
    for burst, run in zip(bursts[1:], runs[1:]):
        for name, content in run.files.items():
            if content != runs[0].files[name]:
                faults.append(f"burst {burst}: {name} differs from that of burst {bursts[0]}")
    return faults


def load_case(name):
    folder = os.path.join(HERE, name)
    spec = importlib.util.spec_from_file_location(name, os.path.join(folder, "case.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lab = Lab(folder)
    module.packets(lab)
    return lab


def self_test(culvert):
    """A case that passes, then with one seeded miss after the other."""
    def expect_one_more_drop(lab):
        lab.drops("esp_in_replay")

    def expect_another_reason(lab):
        lab.dropped["esp_in_too_old"] = lab.dropped.pop("esp_in_replay")

    def expect_another_byte(lab):
        lab.sent["lan"][0] = lab.sent["lan"][0][:-1] + b"\0"

    def expect_a_punt(lab):
        lab.punts(lab.received[0][2])

    def expect_no_drop_of_the_sa(lab):
        lab.dropped_by_sa.clear()

    misses = {
        expect_one_more_drop: "drops: esp_in_replay 2, must be 3",
        expect_another_reason: "drops: esp_in_too_old 0, must be 2",
        expect_another_byte: "lan sent: frame 0",
        expect_a_punt: "is missing",
        expect_no_drop_of_the_sa: "SA 0x1002: esp_in_replay 2, must be 0",
    }
    lab = load_case("esp_in_replay")
    _, runs = runs_of(culvert, lab)
    failures = [f"without a miss: {fault}" for fault in faults_of(lab, runs[0])]
    for miss, words in misses.items():
        lab = load_case("esp_in_replay")
        miss(lab)
        found = list(faults_of(lab, runs[0]))
        if not any(words in fault for fault in found):
            failures.append(f"{miss.__name__}: '{words}' not among {found}")
    if not list(omission_of("esp_in_icv", load_case("esp_in_replay"))):
        failures.append("a case without the drop it is named after was not found")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--culvert", required=True, help="the program, built or installed")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    options = parser.parse_args()
    if options.self_test:
        failures = self_test(options.culvert)
        print("\n".join(failures) or "self-test: every seeded miss was found")
        return 1 if failures else 0
    names = options.cases or sorted(
        name for name in os.listdir(HERE) if os.path.exists(os.path.join(HERE, name, "case.py")))
    failed = 0
    for name in names:
        name = name.rstrip("/")
        lab = load_case(name)
        faults = run_case(options.culvert, name, lab)
        failed += bool(faults)
        print(f"{'FAIL' if faults else 'ok  '} {name}")
        for fault in faults:
            print(f"    {fault}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
