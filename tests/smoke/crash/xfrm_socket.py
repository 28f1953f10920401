# SPDX-License-Identifier: BSD-3-Clause
"""XFRM netlink (linux/xfrm.h) as a key manager speaks it, for programs under `culvert exec`.

Only AES-GCM in tunnel mode over IPv4. Integers are of the host's byte order unless said otherwise.
"""

import errno
import os
import socket
import struct

NEWSA, DELSA, GETSA, NEWPOLICY, DELPOLICY, GETPOLICY = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15
UPDPOLICY, UPDSA, GETSADINFO = 0x19, 0x1A, 0x23
NLMSG_ERROR = 2
NLM_F_REQUEST, NLM_F_ACK = 1, 4
XFRMA_TMPL, XFRMA_ALG_AEAD, XFRMA_REPLAY_ESN_VAL = 5, 18, 23
NETLINK_XFRM = 6
GROUP_ACQUIRE, GROUP_EXPIRE = 1, 2
STATE_ESN = 128
PROTO_ESP = 50
MODE_TUNNEL = 1
NO_LIMIT = 2**64 - 1
WINDOW = 1024

SELECTOR = struct.Struct("=16s16s8sHBBB3xiI")
SA_INFO = struct.Struct("=56s16s4sB3x16s8Q4Q3IIIHBBB7x")
SA_ID = struct.Struct("=16s4sHBx")
POLICY_INFO = struct.Struct("=56s8Q4QIIBBBB4x")
POLICY_ID = struct.Struct("=56sIB3x")
TEMPLATE = struct.Struct("=16s4sB3xH2x16sIBBBx3I")
# What an SA's lifetime may be: bytes, packets; seconds since it was added and first used.
UNLIMITED = (NO_LIMIT,) * 4 + (0,) * 4


class Lost(Exception):
    """The connection to control broke before the answer came."""


class Refused(Exception):
    """Control's answer is an errno."""

    def __init__(self, code):
        super().__init__(os.strerror(code))
        self.code = code


def ip(text):
    return socket.inet_aton(text).ljust(16, b"\0")


def attribute(kind, content):
    return struct.pack("=HH", 4 + len(content), kind) + content + b"\0" * (-len(content) % 4)


def attributes(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def selector(src, dst):
    """Prefixes such as 10.1.0.0/24."""
    (src, src_bits), (dst, dst_bits) = src.split("/"), dst.split("/")
    return SELECTOR.pack(ip(dst), ip(src), b"", socket.AF_INET, int(dst_bits), int(src_bits),
                         0, 0, 0)


def sa_info(src, dst, spi, reqid, soft_packets=NO_LIMIT):
    lifetime = (NO_LIMIT, NO_LIMIT, soft_packets, NO_LIMIT) + (0,) * 4
    return SA_INFO.pack(b"", ip(dst), spi.to_bytes(4, "big"), PROTO_ESP, ip(src), *lifetime,
                        0, 0, 0, 0, 0, 0, 0, 0, reqid, socket.AF_INET, MODE_TUNNEL, 0, STATE_ESN)


def sa(src, dst, spi, reqid, key, soft_packets=NO_LIMIT):
    """With ESN and a window of WINDOW; `key` is 16 bytes and 4 of salt."""
    words = WINDOW // 32
    aead = b"rfc4106(gcm(aes))".ljust(64, b"\0") + struct.pack("=II", len(key) * 8, 128) + key
    replay = struct.pack("=6I", words, 0, 0, 0, 0, WINDOW) + b"\0" * (4 * words)
    return (sa_info(src, dst, spi, reqid, soft_packets) + attribute(XFRMA_ALG_AEAD, aead) +
            attribute(XFRMA_REPLAY_ESN_VAL, replay))


def sa_id(dst, spi):
    return SA_ID.pack(ip(dst), spi.to_bytes(4, "big"), socket.AF_INET, PROTO_ESP)


def key_of(answer):
    """The key in what GETSA answers."""
    return attributes(answer[SA_INFO.size:])[XFRMA_ALG_AEAD][72:]


def reqid_of(answer):
    return struct.unpack_from("=I", answer, 208)[0]


def policy(direction, src, dst, ends, reqid, priority=0):
    """`direction`: 0 in, 1 out, 2 fwd; `ends`: outer source and destination."""
    template = TEMPLATE.pack(ip(ends[1]), b"", PROTO_ESP, socket.AF_INET, ip(ends[0]), reqid,
                             MODE_TUNNEL, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    info = POLICY_INFO.pack(selector(src, dst), *UNLIMITED, 0, 0, 0, 0, priority, 0, direction,
                            0, 0, 0)
    return info + attribute(XFRMA_TMPL, template)


def policy_id(direction, src, dst):
    return POLICY_ID.pack(selector(src, dst), 0, direction)


class XfrmSocket:
    """One netlink socket of the instance whose xfrm.sock this is. As a key manager it has a second
    one that listens for acquires and expiries, which makes its SAs those of a key exchange."""

    PATIENCE_SECONDS = 30

    def __init__(self, path, is_key_manager=True):
        os.environ["CULVERT_XFRM_SOCKET"] = path
        self.sockets = []
        self.sequence = 0
        try:
            self.requests = self._open(0)
            if is_key_manager:
                self._open(GROUP_ACQUIRE | GROUP_EXPIRE)
        except OSError as error:
            self.close()
            raise Lost(str(error)) from error

    def _open(self, groups):
        opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM)
        self.sockets.append(opened)
        opened.bind((0, groups))
        opened.settimeout(self.PATIENCE_SECONDS)
        return opened

    def close(self):
        for opened in self.sockets:
            opened.close()
        self.sockets = []

    def ask(self, kind, body):
        """The body of what is answered, or None for a mere acknowledgement."""
        self.sequence += 1
        is_get = kind in (GETSA, GETPOLICY, GETSADINFO)
        flags = NLM_F_REQUEST | (0 if is_get else NLM_F_ACK)
        if kind == GETSADINFO:
            body = struct.pack("=I", 0)
        try:
            self.requests.sendto(
                struct.pack("=IHHII", 16 + len(body), kind, flags, self.sequence, 0) + body, (0, 0))
            while True:
                data = self.requests.recvfrom(65536)[0]
                length, answer, _, sequence, _ = struct.unpack_from("=IHHII", data)
                if sequence != self.sequence:
                    continue
                if answer != NLMSG_ERROR:
                    return data[16:length]
                code = -struct.unpack_from("=i", data, 16)[0]
                if code != 0:
                    raise Refused(code)
                return None
        except OSError as error:
            raise Lost(errno.errorcode.get(error.errno, str(error))) from error
