#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Goes through every state of a model with SPIN.

check.py MODEL.pml FAULTS [DEFINE ...]

The model must hold, and must not hold with any of its seeded faults, FAULT=1 to FAULTS; a model
that finds nothing wrong with them would prove nothing.
"""

import os
import re
import subprocess
import sys
import tempfile

DEPTH = 2_000_000
MEMORY_MB = 4096


def run(command, folder):
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def errors_of(model, defines):
    """How many errors SPIN finds, 0 or 1, and how many states it saw."""
    with tempfile.TemporaryDirectory() as folder:
        run(["spin", *(f"-D{define}" for define in defines), "-a", model], folder)
        run(["cc", "-O2", "-w", f"-DMEMLIM={MEMORY_MB}", "-DCOLLAPSE", "-DSAFETY", "-o", "pan",
             "pan.c"], folder)
        text = run(["./pan", f"-m{DEPTH}"], folder)
    errors = re.search(r"errors: (\d+)", text)
    states = re.search(r"(\S+) states, stored", text)
    if errors is None or states is None or "max search depth too small" in text:
        sys.exit(f"{model} {defines}: the search did not end\n{text}")
    return int(errors[1]), int(float(states[1]))


def main():
    if len(sys.argv) < 3 or not sys.argv[2].isdigit():
        sys.exit(__doc__)
    model, faults = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    defines = sys.argv[3:]
    failures = 0
    for fault in range(faults + 1):
        errors, states = errors_of(model, [f"FAULT={fault}", *defines])
        is_right = (errors == 0) == (fault == 0)
        failures += not is_right
        what = f"fault {fault}" if fault else "as it is"
        print(f"{'ok    ' if is_right else 'not ok'} {os.path.basename(model)} {what}: "
              f"{errors} errors in {states} states")
    sys.exit(failures != 0)


main()
