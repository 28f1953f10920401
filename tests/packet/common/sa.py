# SPDX-License-Identifier: BSD-3-Clause
"""The other end of an SA: scapy seals and opens, as somebody else's implementation of ESP."""

import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.packet import raw

IV_BYTES = 8
ICV_BYTES = 16
SALT_BYTES = 4
IPIP = 4


@dataclass
class Sa:
    spi: int
    src: str
    dst: str
    key: bytes  # the salt at its end (RFC 4106 8.1)
    esn: bool = False
    encap: tuple = None  # UDP ports, source and destination
    is_transport: bool = False

    @property
    def is_ipv6(self):
        return ":" in self.src

    def headers(self, **outer):
        """Outer IP header without length, protocol and checksum; UDP header or None."""
        if self.is_ipv6:
            ip = IPv6(**{"src": self.src, "dst": self.dst, "hlim": 64, **outer})
        else:
            ip = IP(**{"src": self.src, "dst": self.dst, "ttl": 64, "id": 0, **outer})
        udp = None
        if self.encap:
            udp = UDP(sport=self.encap[0], dport=self.encap[1], chksum=0)
        return ip, udp

    def scapy_sa(self, seq, **outer):
        ip, udp = self.headers(**outer)
        if self.is_transport:
            ip = None
        return SecurityAssociation(
            ESP, spi=self.spi, seq_num=seq & 0xFFFFFFFF, crypt_algo="AES-GCM", crypt_key=self.key,
            tunnel_header=ip, nat_t_header=udp, esn_en=self.esn, esn=seq >> 32)

    def seal(self, inner, seq, iv=None, **outer):
        """The ESP packet that carries `inner`; the IV is the sequence number unless given."""
        iv = seq.to_bytes(IV_BYTES, "big") if iv is None else iv
        packet = self.scapy_sa(seq, **outer).encrypt(ip_of(inner), iv=iv)
        if self.encap:
            packet[UDP].len = len(packet[UDP])  # scapy 2.5 leaves the header's own length
            if self.is_ipv6:
                packet.plen = len(packet[UDP])
                packet = IPv6(raw(packet))
                del packet[UDP].chksum  # over IPv6 there must be one
        return raw(packet)

    def open(self, packet, seq_high=0):
        """What `packet` carries; raises IPSecIntegrityError."""
        return raw(self.scapy_sa(seq_high << 32).decrypt(ip_of(packet)))

    def seal_payload(self, payload, seq, iv=None, **outer):
        """As seal, for an encrypted part that no honest sender makes, trailer included."""
        salt = self.key[-SALT_BYTES:]
        iv = seq.to_bytes(IV_BYTES, "big") if iv is None else iv
        header = struct.pack("!II", self.spi, seq & 0xFFFFFFFF)
        aad = struct.pack("!IQ", self.spi, seq) if self.esn else header
        sealed = AESGCM(self.key[:-SALT_BYTES]).encrypt(salt + iv, payload, aad)
        return self.around(header + iv + sealed, **outer)

    def around(self, esp, **outer):
        """`esp` with the SA's outer headers in front, whatever `esp` is."""
        ip, udp = self.headers(**outer)
        if udp is None:
            setattr(ip, "nh" if self.is_ipv6 else "proto", 50)
            return raw(ip / esp)
        return raw(ip / udp / esp)


def ip_of(packet):
    packet = raw(packet)
    return (IPv6 if packet[0] >> 4 == 6 else IP)(packet)


def parse_sas(batch):
    """{spi: Sa} of the "xfrm state add" lines of a batch file."""
    sas = {}
    for line in batch.splitlines():
        words = line.split("#", 1)[0].split()
        if words[:3] != ["xfrm", "state", "add"]:
            continue
        if "sel" in words:
            words = words[:words.index("sel")]
        value = {word: words[i + 1:] for i, word in enumerate(words[:-1])}
        sa = Sa(int(value["spi"][0], 0), value["src"][0], value["dst"][0],
                bytes.fromhex(value["aead"][1][2:]))
        sa.is_transport = "mode" in value and value["mode"][0] == "transport"
        sa.esn = "flag" in value and "esn" in value["flag"]
        if "encap" in value:
            sa.encap = (int(value["encap"][1]), int(value["encap"][2]))
        sas[sa.spi] = sa
    return sas


def trailer(padding, next_header=IPIP, pad_length=None):
    length = len(padding) if pad_length is None else pad_length
    return padding + bytes([length, next_header])
