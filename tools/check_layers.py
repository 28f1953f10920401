#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Checks who includes whom. `check_layers.py [ROOT]`; `check_layers.py --self-test`.

A file belongs to the row of LAYERS whose folder is the longest prefix of its path. Its own includes
must be allowed by that row, and so must every library that they bring along through other headers
of ours. Nothing includes bench/ or tests/ but those two.
"""

import os
import re
import sys
import tempfile

# Libraries by the headers that they are known by, first match wins.
LIBRARIES = [
    ("std", r"[a-z_]+"),
    ("intrinsics", r"[a-z0-9]+intrin\.h"),
    ("dpdk", r"(rte|cmdline)_?\w*\.h"),
    ("ipsec-mb", r"intel-ipsec-mb\.h"),
    ("sodium", r"sodium(/.*)?(\.h)?"),
    ("libnl", r"netlink/.*\.h"),
    ("fmt", r"fmt/.*\.h"),
    ("spdlog", r"spdlog/.*\.h"),
    ("json", r"nlohmann/.*\.hpp"),
    ("toml", r"toml\+\+/.*\.h"),
    ("cli11", r"CLI/.*\.hpp"),
    ("pcap", r"pcap(/.*)?\.h"),
    ("xdp", r"(bpf|xdp)/\w+\.h"),
    ("googletest", r"(gtest|gmock)/.*\.h"),
    ("benchmark", r"benchmark/.*\.h"),
    ("openssl", r"openssl/.*\.h"),
    ("linux", r"(linux|sys|net|netinet|arpa|asm)/.*\.h|"
              r"(dlfcn|errno|fcntl|grp|poll|pwd|pthread|sched|signal|spawn|stdarg|stdlib|string|"
              r"time|unistd|ifaddrs|netdb|getopt|endian|byteswap|limits|stdio)\.h"),
]

ANY = None

# folder, what it may include of ours (a folder or a file), what libraries it may use.
LAYERS = [
    ("dataplane/net", ["dataplane/net"], ["std", "intrinsics"]),
    ("dataplane/shm", ["dataplane/shm", "dataplane/net"], ["std", "linux"]),
    ("crypto", ["crypto"], ["std", "intrinsics", "linux", "ipsec-mb", "sodium"]),
    ("dataplane", ["dataplane", "crypto"],
     ["std", "intrinsics", "linux", "dpdk", "ipsec-mb", "sodium", "pcap", "xdp"]),
    ("control/cli", ["control/cli", "control/api", "control/result.h"],
     ["std", "linux", "fmt", "json", "cli11"]),
    # crypto/transform.h names transforms and their sizes, and nothing else.
    ("control", ["control", "dataplane/shm", "dataplane/net", "crypto/key.h",
                 "crypto/transform.h"],
     ["std", "linux", "sodium", "libnl", "fmt", "spdlog", "json", "toml", "cli11"]),
    ("bench", ANY, ANY),
    ("tests", ANY, ANY),
]

SOURCE_SUFFIXES = (".h", ".cc")
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def layer_of(path):
    rows = [row for row in LAYERS if path.startswith(row[0] + "/")]
    return max(rows, key=lambda row: len(row[0]), default=None)


def is_in(path, place):
    return path == place or path.startswith(place + "/")


def library_of(header):
    for name, pattern in LIBRARIES:
        if re.fullmatch(pattern, header):
            return name
    return None


def read_includes(root):
    """path -> (our headers, library headers) for every source file below the known folders."""
    found = {}
    for top in sorted({row[0].split("/")[0] for row in LAYERS}):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if not name.endswith(SOURCE_SUFFIXES):
                    continue
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as source:
                    pairs = INCLUDE.findall(source.read())
                found[os.path.relpath(path, root)] = (
                    [ours for ours, _ in pairs if ours],
                    [library for _, library in pairs if library],
                )
    return found


def libraries_reached(path, includes, seen):
    """library -> the chain of our headers that leads to it."""
    if path in seen or path not in includes:
        return {}
    seen.add(path)
    ours, libraries = includes[path]
    reached = {library_of(header): [path] for header in libraries}
    for header in ours:
        for library, chain in libraries_reached(header, includes, seen).items():
            reached.setdefault(library, [path] + chain)
    return reached


def check_file(path, includes):
    folder, allowed_ours, allowed_libraries = layer_of(path)
    ours, libraries = includes[path]
    for header in ours:
        if header not in includes:
            yield f'{path}: "{header}" is no file of ours, seen from the root of the tree'
        elif (is_in(header, "tests") or is_in(header, "bench")) and allowed_ours is not ANY:
            yield f'{path}: "{header}": nothing includes bench/ or tests/'
        elif allowed_ours is not ANY and not any(is_in(header, place) for place in allowed_ours):
            yield f'{path}: "{header}": {folder}/ may include {", ".join(allowed_ours)}'
    for header in libraries:
        if library_of(header) is None:
            yield f"{path}: <{header}>: of no known library; tools/check_layers.py lists them"
    if allowed_libraries is ANY:
        return
    for library, chain in libraries_reached(path, includes, set()).items():
        if library is not None and library not in allowed_libraries:
            way = "" if len(chain) == 1 else " through " + " -> ".join(chain[1:])
            yield f"{path}: uses {library}{way}; {folder}/ may use {', '.join(allowed_libraries)}"


def check(root):
    includes = read_includes(root)
    return [fault for path in sorted(includes) for fault in check_file(path, includes)]


def self_test():
    """Each case is a tree that must be refused for exactly the reason named, or accepted."""
    fine = {"dataplane/net/be.h": "#include <bit>\n", "crypto/key.h": "#include <sodium.h>\n",
            "control/sa.h": '#include "crypto/key.h"\n#include "dataplane/net/be.h"\n',
            "dataplane/worker.cc": '#include <rte_mbuf.h>\n#include "crypto/key.h"\n',
            "tests/unit/worker_test.cc": '#include "dataplane/net/be.h"\n#include <rte_eal.h>\n'}
    cases = [
        ({}, None),
        ({"dataplane/net/ip.h": "#include <rte_ip.h>\n"}, "uses dpdk"),
        ({"dataplane/net/ip.h": "#include <sys/socket.h>\n"}, "uses linux"),
        ({"dataplane/net/ip.h": '#include "dataplane/shm/ring.h"\n', "dataplane/shm/ring.h": ""},
         "dataplane/net/ may include"),
        ({"dataplane/shm/ring.h": '#include "crypto/key.h"\n'}, "dataplane/shm/ may include"),
        ({"crypto/gcm.h": '#include "dataplane/net/be.h"\n'}, "crypto/ may include"),
        ({"control/main.cc": "#include <rte_eal.h>\n"}, "uses dpdk"),
        ({"control/main.cc": '#include "crypto/gcm.h"\n', "crypto/gcm.h": ""},
         "control/ may include"),
        ({"control/main.cc": '#include "dataplane/worker.h"\n', "dataplane/worker.h": ""},
         "control/ may include"),
        ({"crypto/key.h": "#include <intel-ipsec-mb.h>\n"}, "uses ipsec-mb through crypto/key.h"),
        ({"control/cli/show.cc": '#include "control/sa.h"\n'}, "control/cli/ may include"),
        ({"dataplane/tx.cc": '#include "control/sa.h"\n'}, "dataplane/ may include"),
        ({"dataplane/tx.cc": '#include "tests/fake.h"\n', "tests/fake.h": ""}, "nothing includes"),
        ({"dataplane/tx.cc": "#include <boost/any.hpp>\n"}, "of no known library"),
        ({"dataplane/tx.cc": '#include "worker.h"\n'}, "is no file of ours"),
    ]
    for changes, reason in cases:
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**fine, **changes}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as source:
                    source.write(text)
            faults = check(root)
        if reason is None and faults or reason is not None and not any(reason in f for f in faults):
            print(f"self-test: {changes} should give {reason}, gave {faults}")
            return 1
    print(f"self-test: {len(cases)} trees judged as expected")
    return 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    root = arguments[0] if arguments else os.path.join(os.path.dirname(__file__), "..")
    faults = check(root)
    print("\n".join(faults) if faults else "every include is allowed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
