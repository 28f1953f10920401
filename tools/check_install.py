#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks what `meson install` puts where. `check_install.py BUILD_DIR`.

The units for systemd and the example configurations are installed into a folder of its own; every
program that a unit starts must be one that is installed, and the examples with keys must be closed
to others.
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
    "site-to-site.toml",
    "site-to-site.xfrm",
]
PROGRAM = re.compile(r"^Exec\w+=(\S+)", re.MULTILINE)


def faults(build, root):
    """What is wrong with an installation of the files tagged `config` below `root`."""
    meson = shlex.split(os.environ.get("MESON", "meson"))
    subprocess.run(
        meson + ["install", "-C", build, "--no-rebuild", "--tags", "config", "--destdir", root],
        check=True, stdout=subprocess.DEVNULL)
    installed = {}
    for folder, _, names in os.walk(root):
        for name in names:
            installed[name] = os.path.join(folder, name)
    listing = subprocess.run(meson + ["introspect", "--installed", build], check=True,
                             capture_output=True, text=True).stdout
    programs = set(json.loads(listing).values())
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


def main():
    with tempfile.TemporaryDirectory() as root:
        found = list(faults(sys.argv[1], root))
    for fault in found:
        print(fault)
    print(f"{len(UNITS + EXAMPLES)} files, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
