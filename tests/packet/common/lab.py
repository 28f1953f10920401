# SPDX-License-Identifier: BSD-3-Clause
"""What a case says: the frames that arrive, and where exactly each of them must end."""

import copy
import os
import re
from collections import Counter, defaultdict

from sa import ESP_BYTES, Sa, esp_of, parse_sas, trailer  # noqa: F401 (for cases)
from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: F401
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether  # noqa: F401
from scapy.packet import Packet, Raw, raw  # noqa: F401
from scapy.utils import checksum

COMMON = os.path.dirname(os.path.abspath(__file__))
START_NS = 1_700_000_000 * 1_000_000_000
MILLISECOND_NS = 1_000_000

WAN, PEER = "192.0.2.1", "192.0.2.2"
LAN, HOST = "10.1.0.1", "10.1.0.5"
FAR = "10.2.0.5"  # behind the peer
OUT, IN = 0x1001, 0x1002  # the SAs of common/site.xfrm

# The same in IPv6.
WAN6, PEER6 = "2001:db8::1", "2001:db8::2"
LAN6, HOST6 = "2001:db8:1::1", "2001:db8:1::5"
FAR6 = "2001:db8:2::5"

# By port: our MAC, and that of the only neighbor.
OUR_MAC = {"wan": "02:00:00:00:01:01", "lan": "02:00:00:00:02:01"}
NEIGHBOR_MAC = {"wan": "02:00:00:00:01:02", "lan": "02:00:00:00:02:05"}
DATAPLANE_MAC = "02:00:00:00:00:01"  # what Linux sees as the sender of an opened packet


def outgoing(payload=b"to the far site", **ip):
    """From the host behind us to the one behind the peer."""
    return datagram({"src": HOST, "dst": FAR, **ip}, payload)


def incoming(payload=b"to our site", **ip):
    return datagram({"src": FAR, "dst": HOST, **ip}, payload)


def datagram(ip, payload):
    return IP(raw(IP(**{"id": 7, **ip}) / UDP(sport=4000, dport=5000) / payload))


def sized(packet_bytes, make=outgoing, **ip):
    """A packet of that many bytes, IP header included."""
    return make(bytes(i & 0xFF for i in range(packet_bytes - 28)), **ip)


def datagram6(ip, payload):
    return IPv6(raw(IPv6(**ip) / UDP(sport=4000, dport=5000) / payload))


def outgoing6(payload=b"to the far site", **ip):
    return datagram6({"src": HOST6, "dst": FAR6, **ip}, payload)


def incoming6(payload=b"to our site", **ip):
    return datagram6({"src": FAR6, "dst": HOST6, **ip}, payload)


def is_ipv6(packet):
    return raw(packet)[0] >> 4 == 6


def ip_of(packet):
    """Either family, from its bytes."""
    return (IPv6 if is_ipv6(packet) else IP)(raw(packet))


def ether_type(packet):
    return 0x86DD if is_ipv6(packet) else 0x0800


def hop(packet):
    """As it leaves a router."""
    packet = ip_of(packet)
    if packet.version == 6:
        packet.hlim -= 1
    else:
        packet.ttl -= 1
        del packet.chksum
    return raw(packet)


def arriving(port, packet):
    ether = Ether(src=NEIGHBOR_MAC[port], dst=OUR_MAC[port], type=ether_type(packet))
    return raw(ether / raw(packet))


def leaving(port, packet):
    ether = Ether(src=OUR_MAC[port], dst=NEIGHBOR_MAC[port], type=ether_type(packet))
    return raw(ether / raw(packet))


def icmp_error(src, dst, kind, about, mtu=0):
    """RFC 792, RFC 1191 4, RFC 1812 4.3.2: `kind` is (type, code); 576 bytes at most."""
    quoted = raw(about)[:576 - 28]
    words = bytes([*kind, 0, 0, 0, 0, mtu >> 8, mtu & 0xFF])
    message = bytearray(words + quoted)
    message[2:4] = checksum(bytes(message)).to_bytes(2, "big")
    return raw(IP(src=src, dst=dst, tos=0xC0, id=0, flags="DF", ttl=64, proto=1) / bytes(message))


def icmpv6_error(src, dst, error, about):
    """RFC 4443 2.4 c: `error` is scapy's message without its quote; 1280 bytes at most."""
    message = raw(error) + raw(about)[:1280 - 48]
    ip = IPv6(src=src, dst=dst, tc=0xC0, hlim=64, nh=58, plen=len(message))
    zeroed = message[:2] + bytes(2) + message[4:]
    pseudo = raw(ip)[8:40] + len(message).to_bytes(4, "big") + bytes([0, 0, 0, 58])
    return raw(ip) + message[:2] + checksum(pseudo + zeroed).to_bytes(2, "big") + message[4:]


FRAGMENTATION_NEEDED = (3, 4)
TIME_EXCEEDED = (11, 0)


class Lab:
    def __init__(self, folder):
        self.config = read_text(folder, "gw.toml")
        self.xfrm = read_text(folder, "site.xfrm")
        self.parsed = {}  # the SAs of the text that is the key
        self.received = []  # (time_ns, port, frame)
        self.sent = defaultdict(list)
        self.punted = []
        self.dropped = Counter()
        self.dropped_by_sa = defaultdict(Counter)
        self.originated = 0
        self.split = 0
        self.merged = 0
        self.carried = {}  # by SPI: packets, bytes
        self.tops = {}
        self.bitmaps = {}

    def set_mtu(self, port, mtu):
        head, name, tail = self.config.partition(f'name = "{port}"')
        self.config = head + name + re.sub("mtu = [0-9]+", f"mtu = {mtu}", tail, count=1)

    def default_bypass(self):
        self.config += '\n[policy]\ndefault = "bypass"\n'

    def all_sas(self):
        if self.xfrm not in self.parsed:
            self.parsed = {self.xfrm: parse_sas(self.xfrm)}
        return self.parsed[self.xfrm]

    def sa(self, spi):
        return copy.copy(self.all_sas()[spi])  # a case may change its own

    def receive(self, port, packet, after_ms=1):
        """An IP packet from the port's neighbor."""
        self.receive_frame(port, arriving(port, packet), after_ms)

    def receive_frame(self, port, frame, after_ms=1):
        last = self.received[-1][0] if self.received else START_NS
        self.received.append((last + round(after_ms * MILLISECOND_NS), port, raw(frame)))

    def sends(self, port, packet):
        """This very IP packet, to the port's neighbor."""
        self.sent[port].append(leaving(port, packet))

    def forwards(self, port, packet):
        self.sends(port, hop(packet))

    def seals(self, spi, inner, seq, port="wan", **outer):
        """`inner` as it comes out of the router, in the next packet of the SA."""
        inner = ip_of(inner)
        keeps_whole = inner.version == 6 or bool(inner.flags.DF)
        traffic_class = inner.tc if inner.version == 6 else inner.tos
        if self.sa(spi).is_ipv6:
            fields = {"tc": traffic_class, **outer}
        else:
            fields = {"tos": traffic_class, "flags": "DF" if keeps_whole else 0,
                      "id": 0 if keeps_whole else seq & 0xFFFF, **outer}
        self.sends(port, self.sa(spi).seal(inner, seq, **fields))
        self.carries(spi, inner)

    def carries(self, spi, inner):
        packets, total = self.carried.get(spi, (0, 0))
        self.carried[spi] = (packets + 1, total + len(raw(inner)))

    def opens(self, spi, inner, port="lan"):
        """`inner` comes out of the SA and is forwarded."""
        self.carries(spi, inner)
        self.forwards(port, inner)

    def punts(self, frame):
        self.punted.append(raw(frame))

    def punts_opened(self, spi, inner, port="wan"):
        """`inner` comes out of the SA and is for Linux, by the mirror of `port`."""
        self.carries(spi, inner)
        ether = Ether(src=DATAPLANE_MAC, dst=OUR_MAC[port], type=ether_type(inner))
        self.punts(ether / raw(inner))

    def drops(self, reason, count=1, sa=None):
        self.dropped[reason] += count
        if sa is not None:
            self.dropped_by_sa[sa][reason] += count

    def originates(self, count=1):
        self.originated += count

    def splits(self, pieces):
        """One packet became so many."""
        self.split += pieces - 1

    def merges(self, fragments):
        """So many became one packet."""
        self.merged += fragments - 1

    def stands_at(self, spi, top, bitmap=None):
        """The SA's highest sequence number; the window's bits, newest the lowest."""
        self.tops[spi] = top
        if bitmap is not None:
            self.bitmaps[spi] = bitmap


def read_text(folder, name):
    """The case's own file, or else the common one."""
    own = os.path.join(folder, name)
    with open(own if os.path.exists(own) else os.path.join(COMMON, name), encoding="utf-8") as file:
        return file.read()
