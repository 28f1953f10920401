# SPDX-License-Identifier: BSD-3-Clause
"""Which SA a flow goes by where a policy spreads its flows: highest random weight, worked out here
once more (dataplane/sa_spread.h)."""

import ipaddress

MASK = (1 << 64) - 1
SEED = 0x9E3779B97F4A7C15
SALT = (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89)


def multiply_and_fold(left, right):
    product = (left & MASK) * (right & MASK)
    return (product ^ product >> 64) & MASK


def flow_hash(src, dst, protocol, sport, dport):
    addresses = int(ipaddress.IPv4Address(src)) << 32 | int(ipaddress.IPv4Address(dst))
    rest = protocol << 32 | sport << 16 | dport
    both = multiply_and_fold(addresses ^ SEED, rest ^ SEED ^ SALT[0])
    return multiply_and_fold(SEED ^ SALT[1], both ^ SALT[2])


def place_of(flow, sa_count):
    """Of the SAs in slots 0, 1, ..."""
    weights = [multiply_and_fold(flow_hash(*flow) ^ SALT[0], (slot + 1) * SALT[2]) | 1
               for slot in range(sa_count)]
    return weights.index(max(weights))
