#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks tests/conformance.md: `check_conformance.py [ROOT]`; `--self-test`.

Every line of its tables has an RFC with section, a demand, and either names in `...` or the words
"not carried: " with a reason. Each name must be a test that runs: `packet/CASE` and `smoke/NAME`
stand in their meson.build, `FOLDER/FILE.py` is there, `Suite.Name` is a GoogleTest.
"""

import os
import re
import sys
import tempfile

GTEST = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)")
SECTION = re.compile(r"RFC (4303|4301|3948|6040) (\d+|[A-Z]\d+)(\.\d+)*")
NAME = re.compile(r"`([^`]+)`")
NOT_CARRIED = "not carried: "
PAGE = "tests/conformance.md"


def read_text(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as source:
        return source.read()


def names_of_tests(root):
    names = set()
    for folder, _, files in os.walk(os.path.join(root, "tests")):
        for name in files:
            path = os.path.relpath(os.path.join(folder, name), os.path.join(root, "tests"))
            if name.endswith(".cc"):
                names.update(".".join(pair) for pair in GTEST.findall(read_text(folder, name)))
            elif name.endswith(".py"):
                names.add(path)
    for suite in ("packet", "smoke"):
        listed = read_text(root, "tests", suite, "meson.build")
        names.update(f"{suite}/{name}" for name in re.findall(r"'([\w-]+)'", listed)
                     if os.path.exists(os.path.join(root, "tests", suite, name)))
    return names


def faults_of(root):
    tests = names_of_tests(root)
    rows = 0
    for number, line in enumerate(read_text(root, PAGE).splitlines(), 1):
        if not line.startswith("|") or line.startswith(("|---", "| Section |")):
            continue
        rows += 1
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        place = f"{PAGE}:{number}"
        if len(cells) != 3:
            yield f"{place}: {len(cells)} cells, must be section, demand and proof"
            continue
        section, demand, proof = cells
        if not SECTION.fullmatch(section):
            yield f"{place}: '{section}' is no section of RFC 4303, 4301, 3948 or 6040"
        if not demand:
            yield f"{place}: no demand"
        names = NAME.findall(proof)
        for name in names:
            if name not in tests and not proof.startswith(NOT_CARRIED):
                yield f"{place}: `{name}` is no test that runs"
        if proof.startswith(NOT_CARRIED):
            if len(proof) < len(NOT_CARRIED) + 10:
                yield f"{place}: not carried, without a reason"
        elif not names:
            yield f"{place}: neither a test nor '{NOT_CARRIED.strip()}'"
    if rows == 0:
        yield f"{PAGE}: no lines"


def self_test():
    cases = {
        "| RFC 4303 2.1 | x | `packet/a` |": None,
        "| RFC 4303 A2.2 | x | `Suite.Fact`, `differential/run.py` |": None,
        "| RFC 6040 4.2 | x | not carried: there is a reason |": None,
        "| RFC 4303 2.1 | x | `packet/b` |": "`packet/b` is no test",
        "| RFC 4303 2.1 | x | `packet/c` |": "`packet/c` is no test",  # a folder meson does not run
        "| RFC 4303 2.1 | x | `Suite.Lie` |": "`Suite.Lie` is no test",
        "| RFC 4303 2.1 | x | `differential/no.py` |": "`differential/no.py` is no test",
        "| RFC 4303 2.1 | x | surely |": "neither a test",
        "| RFC 4303 2.1 | x | not carried: no |": "without a reason",
        "| RFC 4303 | x | `packet/a` |": "is no section",
        "| RFC 791 3.1 | x | `packet/a` |": "is no section",
        "| RFC 4303 2.1 | x |": "2 cells",
        "nothing": "no lines",
    }
    missed = 0
    for line, words in cases.items():
        with tempfile.TemporaryDirectory() as root:
            for path, text in {
                    PAGE: line + "\n", "tests/packet/meson.build": "'a',\n'b',\n",
                    "tests/packet/a/case.py": "", "tests/packet/c/case.py": "",
                    "tests/smoke/meson.build": "", "tests/differential/run.py": "",
                    "tests/unit/a_test.cc": "TEST(Suite, Fact) {}\n"}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            faults = list(faults_of(root))
        if bool(faults) != bool(words) or words and words not in faults[0]:
            print(f"self-test: {line}: {faults}, must be '{words}'")
            missed += 1
    print(f"self-test: {len(cases)} cases, {missed} missed")
    return 1 if missed else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    root = arguments[0] if arguments else "."
    faults = list(faults_of(root))
    for fault in faults:
        print(fault)
    print(f"{PAGE}: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
