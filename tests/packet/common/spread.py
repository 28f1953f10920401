# SPDX-License-Identifier: BSD-3-Clause
"""Which SA a flow goes by where a policy spreads its flows, and which next hop where a route has
several: highest random weight, worked out here once more (dataplane/sa_spread.h, hop_groups.h)."""

import ipaddress
import math

MASK = (1 << 64) - 1
SEED = 0x9E3779B97F4A7C15
SALT = (0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89,
        0x452821E638D01377)
BUCKETS = 4096


def multiply_and_fold(left, right):
    product = (left & MASK) * (right & MASK)
    return (product ^ product >> 64) & MASK


def keyed_hash(first, second, third, secret):
    both = multiply_and_fold(first ^ secret, second ^ secret ^ SALT[0])
    return multiply_and_fold(third ^ secret ^ SALT[1], both ^ SALT[2])


def flow_hash(src, dst, protocol, sport, dport):
    rest = protocol << 32 | sport << 16 | dport
    if ipaddress.ip_address(src).version == 6:
        return flow_hash6(int(ipaddress.ip_address(src)), int(ipaddress.ip_address(dst)), rest)
    addresses = int(ipaddress.IPv4Address(src)) << 32 | int(ipaddress.IPv4Address(dst))
    return keyed_hash(addresses, rest, 0, SEED)


def flow_hash6(src, dst, rest):
    first = multiply_and_fold(src >> 64 ^ SEED, rest ^ SEED ^ SALT[0])
    second = multiply_and_fold(src & MASK ^ SEED ^ SALT[1], dst >> 64 ^ SEED ^ SALT[2])
    turned = second << 32 & MASK | second >> 32
    return multiply_and_fold(dst & MASK ^ SEED ^ SALT[3], first ^ turned ^ SALT[4])


def place_of(flow, sa_count):
    """Of the SAs in slots 0, 1, ..."""
    weights = [multiply_and_fold(flow_hash(*flow) ^ SALT[0], (slot + 1) * SALT[2]) | 1
               for slot in range(sa_count)]
    return weights.index(max(weights))


def hop_of(flow, hops):
    """Of the next hops (address, number of its port, weight)."""
    bucket = flow_hash(*flow) % BUCKETS

    def distance(hop):
        via, port, weight = hop
        octets = ipaddress.ip_address(via).packed.ljust(16, b"\0")
        words = (int.from_bytes(octets[:8], "little"), int.from_bytes(octets[8:], "little"))
        lot = multiply_and_fold(keyed_hash(*words, port, SALT[4]) ^ SALT[3], (bucket + 1) * SALT[1])
        return -math.log(((lot >> 11) + 0.5) / (1 << 53)) / weight

    return min(hops, key=distance)
