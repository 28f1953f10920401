# SPDX-License-Identifier: BSD-3-Clause
"""The other end of an SA: scapy seals and opens, as somebody else's implementation of ESP. What it
has no transform for is sealed and opened by transforms.py."""

import shlex
from dataclasses import dataclass

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, IPSecIntegrityError, SecurityAssociation
from scapy.packet import raw
from transforms import Forged, Transform, parse_transform

IPIP = 4
IPV6 = 41
ESP_BYTES = 8


@dataclass
class Sa:
    spi: int
    src: str
    dst: str
    transform: Transform
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
        """None where scapy gets the transform wrong."""
        names = self.transform.scapy_names(self.esn)
        if names is None:
            return None
        ip, udp = self.headers(**outer)
        if self.is_transport:
            ip = None
        return SecurityAssociation(ESP, spi=self.spi, seq_num=seq & 0xFFFFFFFF, tunnel_header=ip,
                                   nat_t_header=udp, esn_en=self.esn, esn=seq >> 32, **names)

    def seal(self, inner, seq, iv=None, **outer):
        """The ESP packet that carries `inner`; the IV is the sequence number unless given."""
        if iv is None and self.transform.iv_bytes:
            iv = seq.to_bytes(self.transform.iv_bytes, "big")
        scapy_sa = self.scapy_sa(seq, **outer)
        if scapy_sa is None:
            return self.seal_payload(self.clear_part(inner), seq, iv, **outer)
        packet = scapy_sa.encrypt(ip_of(inner), iv=iv)
        if self.encap:
            packet[UDP].len = len(packet[UDP])  # scapy 2.5 leaves the header's own length
            if self.is_ipv6:
                packet.plen = len(packet[UDP])
                packet = IPv6(raw(packet))
                del packet[UDP].chksum  # over IPv6 there must be one
        return raw(packet)

    def clear_part(self, inner, filling=0, is_padded_to=None):
        """A tunnelled packet with trailer, as RFC 4303 2.4 has it."""
        block = is_padded_to or self.transform.block_bytes
        clear = raw(inner) + bytes(filling)
        padding = bytes(range(1, 1 + (-len(clear) - 2) % block))
        return clear + trailer(padding, IPV6 if clear[0] >> 4 == 6 else IPIP)

    def open(self, packet, seq_high=0):
        """What `packet` carries; raises IPSecIntegrityError."""
        scapy_sa = self.scapy_sa(seq_high << 32)
        if scapy_sa is not None:
            return raw(scapy_sa.decrypt(ip_of(packet)))
        try:
            return self.open_payload(esp_of(packet), seq_high)
        except Forged:
            raise IPSecIntegrityError("ICV") from None

    def open_payload(self, esp, seq_high=0):
        """The clear part of an ESP packet without outer headers, trailer included."""
        return self.transform.open(esp, seq_high, self.esn)

    def seal_payload(self, payload, seq, iv=None, **outer):
        """As seal, for an encrypted part that no honest sender makes, trailer included."""
        return self.around(self.transform.seal(self.spi, seq, self.esn, payload, iv), **outer)

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


def esp_of(packet):
    """ESP header and all behind it."""
    return raw(ip_of(packet)[ESP])


def parse_sas(batch):
    """{spi: Sa} of the "xfrm state add" lines of a batch file."""
    sas = {}
    for line in batch.splitlines():
        words = shlex.split(line, comments=True)
        if words[:3] != ["xfrm", "state", "add"]:
            continue
        if "sel" in words:
            words = words[:words.index("sel")]
        value = {word: words[i + 1:] for i, word in enumerate(words[:-1])}
        sa = Sa(int(value["spi"][0], 0), value["src"][0], value["dst"][0], parse_transform(value))
        sa.is_transport = "mode" in value and value["mode"][0] == "transport"
        sa.esn = "flag" in value and "esn" in value["flag"]
        if "encap" in value:
            sa.encap = (int(value["encap"][1]), int(value["encap"][2]))
        sas[sa.spi] = sa
    return sas


def trailer(padding, next_header=IPIP, pad_length=None):
    length = len(padding) if pad_length is None else pad_length
    return padding + bytes([length, next_header])
