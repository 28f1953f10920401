#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks what `meson install` puts where. `check_install.py BUILD_DIR`.

The units for systemd and the example configurations are installed into a folder of its own; every
program that a unit starts must be one that is installed, and the examples with keys must be closed
to others. Then faults are seeded, and must be found.
"""

import json
import os
import re
import shlex
import stat
import subprocess
import sys
import tempfile

UNITS = [
    "culvert-control@.service",
    "culvert-regions@.service",
    "culvert@.target",
    "culvertd@.service",
]
EXAMPLES = [
    "nat-traversal.toml",
    "nat-traversal.xfrm",
    "nic.toml",
    "reference.toml",
    "site-to-site.toml",
    "site-to-site.xfrm",
]
PROGRAM = re.compile(r"^Exec\w+=(\S+)", re.MULTILINE)


def install(build, root):
    """Puts the files tagged `config` below `root`; all programs that a whole installation has."""
    meson = shlex.split(os.environ.get("MESON", "meson"))
    subprocess.run(
        meson + ["install", "-C", build, "--no-rebuild", "--tags", "config", "--destdir", root],
        check=True, stdout=subprocess.DEVNULL)
    listing = subprocess.run(meson + ["introspect", "--installed", build], check=True,
                             capture_output=True, text=True).stdout
    return set(json.loads(listing).values())


def files_below(root):
    return {name: os.path.join(folder, name)
            for folder, _, names in os.walk(root) for name in names}


def faults(root, programs):
    """What is wrong with what was installed below `root`."""
    installed = files_below(root)
    started = 0
    for name in UNITS + EXAMPLES:
        if name not in installed:
            yield f"{name} is not installed"
    for name in UNITS:
        with open(installed.get(name, os.devnull), encoding="utf-8") as unit:
            for program in PROGRAM.findall(unit.read()):
                started += 1
                if program not in programs:
                    yield f"{name} starts {program}, which is not installed"
    if started == 0:
        yield "no unit starts anything"
    for name in EXAMPLES:
        mode = stat.S_IMODE(os.stat(installed[name]).st_mode) if name in installed else 0
        if name.endswith(".xfrm") and mode & 0o077:
            yield f"{name} holds keys and has mode {mode:04o}"


def seed_faults(root):
    """Three of them."""
    installed = files_below(root)
    os.remove(installed["reference.toml"])
    os.chmod(installed["site-to-site.xfrm"], 0o640)
    with open(installed["culvertd@.service"], "a", encoding="utf-8") as unit:
        unit.write("ExecStop=/nowhere/culvertd\n")
    return 3


def main():
    with tempfile.TemporaryDirectory() as root:
        programs = install(sys.argv[1], root)
        found = list(faults(root, programs))
        seeded = seed_faults(root)
        missed = len(found) + seeded - len(list(faults(root, programs)))
    for fault in found:
        print(fault)
    print(f"{len(UNITS + EXAMPLES)} files, {len(found)} faults, "
          f"{missed} of {seeded} seeded ones not found")
    return 1 if found or missed else 0


if __name__ == "__main__":
    sys.exit(main())
