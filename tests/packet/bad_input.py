#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What `culvert replay` says to captures and arguments that are wrong.

bad_input.py --culvert PROGRAM

Each fault is named in one line on standard error, with nothing on standard output. Exit codes:
1 for something that does not work, 2 for a command line that cannot.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "common"))

import pcap  # noqa: E402
from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import raw  # noqa: E402

FRAME = bytes(60)
FAILED, USAGE = 1, 2


def write(folder, name, content):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)


def read_common(name):
    with open(os.path.join(HERE, "common", name), "rb") as file:
        return file.read()


def scan(number):
    """A frame to one of 200 neighbors that do not answer."""
    packet = IP(src="192.0.2.2", dst=f"10.1.9.{1 + number % 200}") / UDP()
    return raw(Ether(dst="02:00:00:00:01:01", src="02:00:00:00:01:02") / packet)


def make_files(folder):
    config, batch = read_common("gw.toml"), read_common("site.xfrm")
    capture = pcap.encode([(1, FRAME), (2, FRAME)])
    write(folder, "gw.toml", config)
    write(folder, "site.xfrm", batch)
    write(folder, "good.pcap", capture)
    write(folder, "truncated.pcap", capture[:-7])
    write(folder, "headless.pcap", capture[:20])
    write(folder, "raw_ip.pcap", pcap.encode([(1, FRAME)], pcap.RAW_IP))
    write(folder, "text.pcap", b"this is no capture at all, but long enough to be one")
    write(folder, "empty.pcap", b"")
    write(folder, "no_frames.pcap", pcap.encode([]))
    write(folder, "bad.toml", config + b"\n[esp]\nreplay_window = 7\n")
    write(folder, "bad.xfrm", batch + b"xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp "
          b"spi 0x20 reqid 1 mode tunnel aead rfc4106(gcm(aes)) 0x"
          + bytes(range(0x70, 0x84)).hex().encode() + b" 128\n")
    # More packets for unknown neighbors than there are buffers.
    small = config.replace(b"mbufs = 4096", b"mbufs = 1024").replace(b"10.1.0.1/24", b"10.1.0.1/16")
    write(folder, "small.toml", small + b'\n[policy]\ndefault = "bypass"\n')
    write(folder, "scan.pcap", pcap.encode([(i, scan(i)) for i in range(1100)]))
    # Frames for Linux, more than fit into a file's buffer.
    arp = bytes.fromhex("ffffffffffff020000000102" "0806") + bytes(46)
    write(folder, "arp.pcap", pcap.encode([(i, arp) for i in range(1000)]))
    write(folder, "other.xfrm", b"link set lo down\n")


# Arguments behind `culvert replay`, exit code, words that must be in the one line.
GOOD_CONFIG = ["-c", "gw.toml"]
CASES = [
    (GOOD_CONFIG + ["--in", "wan=missing.pcap"], FAILED, "missing.pcap"),
    (GOOD_CONFIG + ["--in", "wan=raw_ip.pcap"], FAILED, "raw_ip.pcap: frames are not Ethernet"),
    (GOOD_CONFIG + ["--in", "wan=text.pcap"], FAILED, "text.pcap: unknown file format"),
    (GOOD_CONFIG + ["--in", "wan=empty.pcap"], FAILED, "empty.pcap: truncated"),
    (GOOD_CONFIG + ["--in", "wan=headless.pcap"], FAILED, "headless.pcap: truncated"),
    (GOOD_CONFIG + ["--in", "wan=truncated.pcap"], FAILED, "truncated.pcap: truncated"),
    (GOOD_CONFIG + ["--in", "wan=."], FAILED, "."),
    (GOOD_CONFIG + ["--in", "dmz=good.pcap"], FAILED, "--in dmz: no such port"),
    (GOOD_CONFIG + ["--in", "wan=good.pcap", "--out", "dmz=x.pcap"], FAILED, "--out dmz"),
    (GOOD_CONFIG + ["--in", "wan=good.pcap", "--in", "wan=good.pcap"], FAILED, "given twice"),
    (GOOD_CONFIG + ["--in", "wan=good.pcap", "--out", "wan=no/such/x.pcap"], FAILED,
     "no/such/x.pcap"),
    (GOOD_CONFIG + ["--in", "wan=good.pcap", "--out", "wan=./good.pcap"], FAILED, "given twice"),
    (GOOD_CONFIG + ["--in", "wan=good.pcap", "--out", "wan=x.pcap", "--punt", "x.pcap"], FAILED,
     "given twice"),
    (GOOD_CONFIG + ["--in", "wan=good.pcap", "--punt", "no/such/p.pcap"], FAILED, "no/such/p.pcap"),
    (GOOD_CONFIG + ["--in", "wan=arp.pcap", "--punt", "/dev/full"], FAILED,
     "/dev/full: could not be written whole"),
    (GOOD_CONFIG + ["--in", "wan"], USAGE, "must be PORT=FILE"),
    (GOOD_CONFIG + ["--in", "wan="], USAGE, "must be PORT=FILE"),
    (GOOD_CONFIG, USAGE, "--in"),
    (["--in", "wan=good.pcap"], USAGE, "--config"),
    (GOOD_CONFIG + ["--in", "wan=good.pcap", "--burst", "0"], USAGE, "--burst"),
    (GOOD_CONFIG + ["--in", "wan=good.pcap", "--burst", "65"], USAGE, "--burst"),
    (["-c", "missing.toml", "--in", "wan=good.pcap"], FAILED, "missing.toml"),
    (["-c", "bad.toml", "--in", "wan=good.pcap"], FAILED, "replay_window 7"),
    (["-c", "small.toml", "--in", "wan=scan.pcap"], FAILED, "raise [dataplane] mbufs"),
    (GOOD_CONFIG + ["--xfrm", "missing.xfrm", "--in", "wan=good.pcap"], FAILED, "missing.xfrm"),
    (GOOD_CONFIG + ["--xfrm", "bad.xfrm", "--in", "wan=good.pcap"], FAILED,
     "bad.xfrm:8: Error: spi 0x20: reserved, must be at least 256"),
    (GOOD_CONFIG + ["--xfrm", "other.xfrm", "--in", "wan=good.pcap"], FAILED,
     "other.xfrm:1: \"link set\""),
]


def faults_of(culvert, folder, arguments, code, words):
    ended = subprocess.run([culvert, "replay", *arguments], cwd=folder, capture_output=True,
                           text=True, timeout=60, check=False)
    lines = ended.stderr.strip().splitlines()
    if ended.returncode != code:
        yield f"exit code {ended.returncode}, must be {code}"
    if not any(words in line for line in lines):
        yield f"no line with \"{words}\""
    if code == FAILED and len(lines) != 1:
        yield f"{len(lines)} lines, must be 1"
    if ended.stdout:
        yield f"standard output: {ended.stdout!r}"


def check_empty_capture(culvert, folder):
    command = [culvert, "replay", *GOOD_CONFIG, "--in", "wan=no_frames.pcap", "--json"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60,
                           check=False)
    if ended.returncode != 0 or '"received":0' not in ended.stdout:
        yield f"no frames: exit code {ended.returncode}, {ended.stdout}{ended.stderr}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--culvert", required=True)
    culvert = os.path.abspath(parser.parse_args().culvert)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder)
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda case: list(faults_of(culvert, folder, *case)), CASES))
        for (arguments, _, _), faults in zip(CASES, found):
            failed += bool(faults)
            print(f"{'FAIL' if faults else 'ok  '} culvert replay {' '.join(arguments)}")
            for fault in faults:
                print(f"    {fault}")
        for fault in check_empty_capture(culvert, folder):
            failed += 1
            print(f"FAIL {fault}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
