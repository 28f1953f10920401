#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks what a formatter does not: licence line, notes to self, long lines and files.

`check_style.py [ROOT]`. Files over 400 lines are a warning: split by concept, not by size.
"""

import os
import re
import sys

FOLDERS = ("bench", "configs", "control", "crypto", "dataplane", "tests", "tools")
SOURCES = (".cc", ".h", ".py", ".sh", ".build")
LICENCE = "SPDX-License-Identifier: BSD-3-Clause"
# Spelled apart, so that this file passes its own check.
NOTE_TO_SELF = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
MOST_LINES = 400
MOST_COLUMNS = 100


def sources(root):
    for top in FOLDERS:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                path = os.path.join(folder, name)
                if name.endswith(SOURCES) or is_script(path):
                    yield os.path.relpath(path, root)


def is_script(path):
    if "." in os.path.basename(path) or not os.access(path, os.X_OK):
        return False
    with open(path, "rb") as source:
        return source.read(2) == b"#!"


def check_file(path, lines):
    if not any(LICENCE in line for line in lines[:2]) and not path.endswith(".build"):
        yield f"{path}:1: the first line should be '{LICENCE}'"
    if path.endswith(".h") and "#pragma once" not in lines:
        yield f"{path}:1: a header needs #pragma once"
    for number, line in enumerate(lines, 1):
        if NOTE_TO_SELF.search(line):
            yield f"{path}:{number}: a note to self; known limits are marked 'Limit:'"
        # clang-format sees to C++; a line of meson may list much.
        if len(line) > MOST_COLUMNS and not path.endswith((".cc", ".h", ".build")):
            yield f"{path}:{number}: {len(line)} columns, at most {MOST_COLUMNS}"
        if line != line.rstrip():
            yield f"{path}:{number}: white space at the end"


def main(arguments):
    root = arguments[0] if arguments else os.path.join(os.path.dirname(__file__), "..")
    faults = 0
    files = 0
    for path in sources(root):
        files += 1
        with open(os.path.join(root, path), encoding="utf-8") as source:
            lines = source.read().splitlines()
        for fault in check_file(path, lines):
            faults += 1
            print(fault)
        if len(lines) > MOST_LINES:
            print(f"{path}: warning: {len(lines)} lines, more than {MOST_LINES}")
    print(f"{files} files, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
