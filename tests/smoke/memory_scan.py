#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Counts how often a key stands in a process's memory or in a file.

memory_scan.py KEY_HEX pid:PID|file:PATH ...    prints "COUNT PLACE" for each
"""

import re
import sys

CHUNK_BYTES = 16 << 20
# Larger mappings are AddressSanitizer's shadow of all memory: one byte says which of eight may be
# used, so that no key can stand in it.
LARGEST_MAPPING_BYTES = 1 << 40


def count_in(stream, start, size, key):
    """Occurrences in [start, start + size); pages that cannot be read are passed over."""
    count, tail = 0, b""
    position = start
    while position < start + size:
        try:
            stream.seek(position)
            data = stream.read(min(CHUNK_BYTES, start + size - position))
        except (OSError, ValueError, OverflowError):
            data = b""
        if not data:
            tail = b""
            position += CHUNK_BYTES
            continue
        count += (tail + data).count(key)
        tail = data[-(len(key) - 1):]
        position += len(data)
    return count


def count_in_process(pid, key):
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        lines = maps.read().splitlines()
    count = 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in lines:
            start, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            size = int(end, 16) - int(start, 16)
            if not rights.startswith("r") or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            if size < LARGEST_MAPPING_BYTES:
                count += count_in(memory, int(start, 16), size, key)
    return count


def count_in_file(path, key):
    with open(path, "rb", buffering=0) as file:
        return count_in(file, 0, file.seek(0, 2), key)


def main():
    key = bytes.fromhex(sys.argv[1])
    for place in sys.argv[2:]:
        kind, _, name = place.partition(":")
        count = count_in_process(name, key) if kind == "pid" else count_in_file(name, key)
        print(count, place)


if __name__ == "__main__":
    main()
