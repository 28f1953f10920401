#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks that every drop reason is provoked by a test. `check_drops.py [ROOT]`; `--self-test`.

A reason of dataplane/shm/drop.h, X(name, "help"), needs a case tests/packet/<name>/case.py that
tests/packet/meson.build runs (tests/packet/run.py sees that it provokes that drop), or, where
packets cannot provoke it, a line in tests/packet/resource_drops.txt:

    <name> Suite.TestName       a GoogleTest test below tests/
    <name> smoke/test_file      a smoke test below tests/
"""

import os
import re
import sys
import tempfile

REASON = re.compile(r'\bX\(\s*(\w+)\s*,\s*((?:"(?:[^"\\]|\\.)*"[\s\\]*)+)\)')
GTEST = re.compile(r"\bTEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)")
STAGES = (
    "rx", "classify", "ip_in", "esp_in", "esp_out", "nat_t", "spd_in", "spd_out", "forward",
    "fragment", "icmp_in", "punt", "tx", "replay",
)
WORDS_NOT_WANTED = ("error", "invalid", "failed")


def read_text(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as source:
        return source.read()


def reasons_of(root):
    """[(name, help)] in the order of the list."""
    text = read_text(root, "dataplane/shm/drop.h")
    return [(name, "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', quoted)))
            for name, quoted in REASON.findall(text)]


def gtests_of(root):
    names = set()
    for folder, _, files in os.walk(os.path.join(root, "tests")):
        for name in files:
            if name.endswith(".cc"):
                names.update(".".join(pair) for pair in GTEST.findall(read_text(folder, name)))
    return names


def resource_tests(root):
    """(line number, reason, test) for each line that is not a comment."""
    path = os.path.join(root, "tests/packet/resource_drops.txt")
    if not os.path.exists(path):
        return
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if words:
            yield number, words[0], " ".join(words[1:])


def check_name(name, help_text):
    if not name.startswith(tuple(stage + "_" for stage in STAGES)):
        yield f"{name}: not <stage>_<reason>; stages are {', '.join(STAGES)}"
    if name != name.lower() or any(word in name.split("_") for word in WORDS_NOT_WANTED):
        yield f"{name}: lower case, a noun phrase, without {', '.join(WORDS_NOT_WANTED)}"
    if not help_text.strip():
        yield f"{name}: its help text is empty"


def cases_run(root):
    """The packet cases that the build runs."""
    path = os.path.join(root, "tests/packet/meson.build")
    listed = re.search(r"packet_cases = \[(.*?)\]", read_text(path), re.S)
    return set(re.findall(r"'(\w+)'", listed.group(1))) if listed else set()


def check_case(root, name, run):
    if not os.path.isfile(os.path.join(root, "tests/packet", name, "case.py")):
        yield (f"{name}: no case tests/packet/{name}/case.py and no line for it in "
               "tests/packet/resource_drops.txt")
    elif name not in run:
        yield f"{name}: tests/packet/meson.build does not run its case"


def check(root):
    faults = []
    reasons = reasons_of(root)
    names = [name for name, _ in reasons]
    if not names:
        faults.append("dataplane/shm/drop.h: no X(name, \"help\") found")
    gtests = gtests_of(root)
    run = cases_run(root)
    covered = set()
    for number, reason, test in resource_tests(root):
        place = f"tests/packet/resource_drops.txt:{number}"
        is_smoke = test.startswith("smoke/") and os.path.exists(os.path.join(root, "tests", test))
        if reason not in names:
            faults.append(f"{place}: no drop reason is called {reason}")
        elif test not in gtests and not is_smoke:
            faults.append(f"{place}: no test is called '{test}'")
        else:
            covered.add(reason)
    for name, help_text in reasons:
        faults.extend(check_name(name, help_text))
        if name not in covered:
            faults.extend(check_case(root, name, run))
        if names.count(name) > 1:
            faults.append(f"{name}: listed {names.count(name)} times")
    return faults, len(names)


def self_test():
    """A small tree that passes, and one seeded miss after the other that must be found."""
    fine = {
        "dataplane/shm/drop.h": '#define SA_DROPS(X) \\\n  X(esp_in_replay, "seen") \\\n'
                                '  X(rx_no_mbuf, "the pool "\\\n "is empty") X(tx_full, "full")\n',
        "tests/packet/esp_in_replay/case.py": "",
        "tests/packet/meson.build": "packet_cases = [\n  'esp_in_replay',\n]\n",
        "tests/packet/resource_drops.txt": "# why\nrx_no_mbuf Rx.CountsAnEmptyPool\n"
                                           "tx_full smoke/tx_full\n",
        "tests/unit/rx_test.cc": "TEST(Rx, CountsAnEmptyPool) {}\n",
        "tests/smoke/tx_full": "#!/bin/bash\n",
    }
    header = fine["dataplane/shm/drop.h"]
    cases = [
        ({}, None),
        ({"tests/packet/esp_in_replay/case.py": None}, "esp_in_replay: no case"),
        ({"tests/packet/meson.build": "packet_cases = [\n]\n"}, "does not run its case"),
        ({"tests/packet/resource_drops.txt": "tx_full smoke/tx_full\n"}, "rx_no_mbuf: no case"),
        ({"tests/unit/rx_test.cc": "TEST(Rx, Other) {}\n"}, "no test is called 'Rx.CountsAnEmpty"),
        ({"tests/smoke/tx_full": None}, "no test is called 'smoke/tx_full'"),
        ({"dataplane/shm/drop.h": header + 'X(esp_in_new, "new")'}, "esp_in_new: no case"),
        ({"dataplane/shm/drop.h": header.replace('"seen"', '""')}, "its help text is empty"),
        ({"dataplane/shm/drop.h": header.replace("tx_full", "full")}, "full: not <stage>_<reason>"),
        ({"dataplane/shm/drop.h": header.replace("tx_full", "tx_error")}, "tx_error: lower case"),
        ({"dataplane/shm/drop.h": header + 'X(tx_full, "again")'}, "tx_full: listed 2 times"),
        ({"dataplane/shm/drop.h": ""}, "no X(name"),
    ]
    for changes, reason in cases:
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**fine, **changes}.items():
                if text is None:
                    continue
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as output:
                    output.write(text)
            faults, _ = check(root)
        if reason is None and faults or reason is not None and not any(reason in f for f in faults):
            print(f"self-test: {changes} should give {reason}, gave {faults}")
            return 1
    print(f"self-test: {len(cases)} trees judged as expected")
    return 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    root = arguments[0] if arguments else os.path.join(os.path.dirname(__file__), "..")
    faults, count = check(root)
    print("\n".join(faults) if faults else f"{count} drop reasons, each with a test")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
