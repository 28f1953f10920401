# SPDX-License-Identifier: BSD-3-Clause
"""Captures of Ethernet frames with times in nanoseconds: lists of (time_ns, bytes)."""

import struct

NANOSECOND_MAGIC = 0xA1B23C4D
ETHERNET = 1
RAW_IP = 101
SECOND_NS = 1_000_000_000


def encode(frames, link_type=ETHERNET):
    parts = [struct.pack("<IHHiIII", NANOSECOND_MAGIC, 2, 4, 0, 0, 65535, link_type)]
    for time_ns, frame in frames:
        seconds, nanoseconds = divmod(time_ns, SECOND_NS)
        parts.append(struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)) + frame)
    return b"".join(parts)


def decode(data):
    magic = struct.unpack_from("<I", data)[0]
    assert magic == NANOSECOND_MAGIC, f"magic {magic:#x}"
    frames = []
    at = 24
    while at < len(data):
        seconds, nanoseconds, length, _ = struct.unpack_from("<IIII", data, at)
        at += 16
        frames.append((seconds * SECOND_NS + nanoseconds, data[at:at + length]))
        at += length
    return frames
