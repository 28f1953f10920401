#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks that configs/reference.toml has every key, with its default where it has one.

`check_reference.py CULVERT ROOT`. The keys are those that `culvert check` names when it is given
one that nobody knows. A key whose line can go without `culvert check` saying something else has its
default; so has one whose commented line can come in.
"""

import os
import re
import subprocess
import sys
import tempfile

SECTION = re.compile(r"^(\[\[?[a-z.]+\]\]?)")
KEY = re.compile(r"^(# )?([a-z_]+) = ")
ALLOWED = re.compile(r"(?:unknown key .*: allowed are|no such field; there are) (.*)")
# These are needed, or only examples, or what is taken without them is chosen at start.
NO_DEFAULTS = {
    "[dataplane]": {"cores", "mbufs"},
    "[control]": {"group", "state_dir"},
}
WITH_DEFAULTS = ("[dataplane]", "[xfrm]", "[esp]", "[policy]", "[log]", "[control]")


class Checker:
    def __init__(self, culvert, folder):
        self.culvert = culvert
        self.file = os.path.join(folder, "reference.toml")

    def says(self, lines):
        """What `culvert check` says of a file with these lines, and whether it takes it."""
        with open(self.file, "w", encoding="utf-8") as config:
            config.write("\n".join(lines) + "\n")
        command = [self.culvert, "check", "--instance", "reference-test", "-c", self.file]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        return run.stdout + run.stderr, run.returncode == 0

    def missing_keys(self, lines):
        sections = {}
        section = ""
        for number, line in enumerate(lines):
            if found := SECTION.match(line):
                section = found.group(1)
                sections.setdefault(section, (number, set()))
            if found := KEY.match(line):
                sections[section][1].add(found.group(2))
        for section, (number, keys) in sections.items():
            said, _ = self.says(lines[:number + 1] + ["zzzzzzzzzzzz = 1"] + lines[number + 1:])
            found = ALLOWED.search(said)
            if not found:
                yield f"{section}: culvert does not say which keys there are: {said}"
                continue
            for key in re.findall(r"[a-z_.]+", found.group(1)):
                is_of_template = key.startswith("template.")
                if is_of_template != (section == "[policy.entry.template]") or key == "entry":
                    continue
                if key.removeprefix("template.") not in keys:
                    yield f"{section}: {key} is missing"

    def other_defaults(self, lines):
        before, is_taken = self.says(lines)
        if not is_taken:
            yield before
            return
        section = ""
        for number, line in enumerate(lines):
            if found := SECTION.match(line):
                section = found.group(1)
            found = KEY.match(line)
            if not found or section not in WITH_DEFAULTS:
                continue
            if found.group(2) in NO_DEFAULTS.get(section, ()):
                continue
            changed = [line.removeprefix("# ")] if found.group(1) else []
            after, _ = self.says(lines[:number] + changed + lines[number + 1:])
            if after != before:
                yield f"{number + 1}: {found.group(2)} has another default"


def seeded(lines, old, new):
    text = "\n".join(lines)
    if old not in text:
        raise SystemExit(f"check_reference: there is no {old} to seed a fault with")
    return text.replace(old, new).split("\n")


def main(arguments):
    culvert, root = arguments
    with open(os.path.join(root, "configs", "reference.toml"), encoding="utf-8") as reference:
        lines = reference.read().splitlines()
    with tempfile.TemporaryDirectory() as folder:
        checker = Checker(culvert, folder)
        # It must find what it looks for, first.
        missing, other = checker.missing_keys, checker.other_defaults
        for look, old, new, fault in [
            (missing, "\nidle_timeout =", "\n# none", "idle_timeout is missing"),
            (missing, "\noptional = false", "", "optional is missing"),
            (missing, "\nicmp_code = ", "\n# none ", "icmp_code is missing"),
            (other, "\ndf = \"copy\"", "\ndf = \"set\"", "df has another"),
            (other, "\n# large_window_slots = 5", "\n# large_window_slots = 6", "has another"),
        ]:
            found = list(look(seeded(lines, old, new)))
            if len(found) != 1 or fault not in found[0]:
                print(f"the fault {new!r} is not found: {found}")
                return 1
        found = [*checker.missing_keys(lines), *checker.other_defaults(lines)]
    for fault in found:
        print(fault)
    print(f"configs/reference.toml: {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
