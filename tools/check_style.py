#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks what a formatter does not: licence line, notes to self, long lines and files.

`check_style.py [ROOT]`; `check_style.py --self-test` proves that it finds faults. Files over 400
lines are a warning: split by concept, not by size.
"""

import os
import re
import sys
import tempfile

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


# A file's path and lines, and the number of faults in it.
SEEDED = [
    ("a.cc", [f"// {LICENCE}", "int a;"], 0),
    ("a.cc", ["int a;"], 1),
    ("tool", ["#!/bin/bash", f"# {LICENCE}"], 0),
    ("tool", ["#!/bin/bash", "true", f"# {LICENCE}"], 1),
    ("meson.build", ["project()"], 0),
    ("a.h", [f"// {LICENCE}", "#pragma once"], 0),
    ("a.h", [f"// {LICENCE}", "int a;"], 1),
    ("a.py", [f"# {LICENCE}", "x" * MOST_COLUMNS], 0),
    ("a.py", [f"# {LICENCE}", "x" * (MOST_COLUMNS + 1)], 1),
    ("a.cc", [f"// {LICENCE}", "x" * (MOST_COLUMNS + 1)], 0),
    ("a.cc", [f"// {LICENCE}", "int a; "], 1),
    ("a.cc", [f"// {LICENCE}", "int a;  // TO" "DO: more"], 1),
    ("a.cc", [f"// {LICENCE}", "int a;  // FIX" "ME \t"], 2),
]


def self_test():
    with tempfile.TemporaryDirectory() as root:
        for folder in ("tools", "elsewhere"):
            os.mkdir(os.path.join(root, folder))
            for name, mode in (("a.cc", 0o644), ("script", 0o755), ("text", 0o644)):
                path = os.path.join(root, folder, name)
                with open(path, "w", encoding="utf-8") as source:
                    source.write("#!/bin/sh\n")
                os.chmod(path, mode)
        seen = sorted(sources(root))
    wrong = [] if seen == ["tools/a.cc", "tools/script"] else [f"it reads {seen}"]
    for path, lines, count in SEEDED:
        found = list(check_file(path, lines))
        if len(found) != count:
            wrong.append(f"{path} {lines} has {count} faults: {found}")
    for text in wrong:
        print(text)
    print(f"{len(SEEDED)} files with seeded faults, {len(wrong)} not as they should be")
    return 1 if wrong else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
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
