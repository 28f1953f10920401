# SPDX-License-Identifier: BSD-3-Clause
"""The transforms of ESP, as the words of an `ip xfrm` line name them, over python3-cryptography.

scapy 2.5 has no GMAC, no AES-XCBC, no ICVs of other lengths, and leaves the high half of an ESN out
of what a separate integrity algorithm covers. SCAPY says what it is right about.
"""

import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import cmac, constant_time, hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, ChaCha20Poly1305


class Forged(Exception):
    """The ICV is not that of the packet."""


# By the name in `enc`: block and IV bytes, salt bytes, key bytes.
CIPHERS = {
    "cbc(aes)": (16, 16, 0, (16, 24, 32)),
    "rfc3686(ctr(aes))": (4, 8, 4, (16, 24, 32)),
    "cbc(des3_ede)": (8, 8, 0, (24,)),
    "cbc(des)": (8, 8, 0, (8,)),
    "ecb(cipher_null)": (4, 0, 0, (0,)),
}
# By the name in `auth`: key bytes, and bits of ICV, first what the kernel takes if none are given.
INTEGRITIES = {
    "hmac(sha1)": (20, (96,)),
    "hmac(sha256)": (32, (96, 128)),
    "hmac(sha384)": (48, (192,)),
    "hmac(sha512)": (64, (256,)),
    "hmac(md5)": (16, (96,)),
    "xcbc(aes)": (16, (96,)),
    "cmac(aes)": (16, (96,)),
}
# By the name in `aead`: salt bytes, key bytes, bits of ICV.
AEADS = {
    "rfc4106(gcm(aes))": (4, (16, 24, 32), (128, 96, 64)),
    "rfc4543(gcm(aes))": (4, (16, 24, 32), (128,)),
    "rfc4309(ccm(aes))": (3, (16, 32), (128, 96, 64)),
    "rfc7539esp(chacha20,poly1305)": (4, (32,), (128,)),
}
HASHES = {"hmac(sha1)": hashes.SHA1, "hmac(sha256)": hashes.SHA256, "hmac(sha384)": hashes.SHA384,
          "hmac(sha512)": hashes.SHA512, "hmac(md5)": hashes.MD5}

# What scapy calls those that it does right: enc, and auth with its bits of ICV.
SCAPY_CIPHERS = {"cbc(aes)": "AES-CBC", "rfc3686(ctr(aes))": "AES-CTR", "cbc(des3_ede)": "3DES",
                 "cbc(des)": "DES", "ecb(cipher_null)": "NULL"}
SCAPY_INTEGRITIES = {("hmac(sha1)", 96): "HMAC-SHA1-96", ("hmac(sha256)", 128): "SHA2-256-128",
                     ("hmac(sha384)", 192): "SHA2-384-192", ("hmac(sha512)", 256): "SHA2-512-256",
                     ("hmac(md5)", 96): "HMAC-MD5-96", ("cmac(aes)", 96): "AES-CMAC-96",
                     ("", 0): "NULL"}
SCAPY_AEADS = {("rfc4106(gcm(aes))", 128): "AES-GCM", ("rfc4309(ccm(aes))", 128): "AES-CCM",
               ("rfc7539esp(chacha20,poly1305)", 128): "CHACHA20-POLY1305"}


@dataclass
class Transform:
    aead: str = ""
    enc: str = ""
    auth: str = ""
    icv_bits: int = 0
    key: bytes = b""       # of the cipher, its salt at the end (RFC 4106 8.1)
    auth_key: bytes = b""

    @property
    def name(self):
        key_bits = 8 * (len(self.key) - self.salt_bytes)
        if self.aead:
            return f"{self.aead} {key_bits} icv {self.icv_bits}"
        return f"{self.enc} {key_bits} {self.auth or 'no integrity'} {self.icv_bits}"

    @property
    def icv_bytes(self):
        return self.icv_bits // 8

    @property
    def block_bytes(self):
        return 4 if self.aead else CIPHERS[self.enc][0]

    @property
    def iv_bytes(self):
        return 8 if self.aead else CIPHERS[self.enc][1]

    @property
    def salt_bytes(self):
        return AEADS[self.aead][0] if self.aead else CIPHERS[self.enc][2]

    @property
    def has_integrity(self):
        return bool(self.aead or self.auth)

    @property
    def is_iv_the_sequence(self):
        """Modes that need no more of an IV than that it is never used twice."""
        return bool(self.aead) or self.enc == "rfc3686(ctr(aes))"

    def seal(self, spi, seq, has_esn, clear, iv=None):
        """The ESP packet; `clear` has its trailer."""
        if iv is None:
            iv = seq.to_bytes(self.iv_bytes, "big") if self.iv_bytes else b""
        header = struct.pack("!II", spi, seq & 0xFFFFFFFF)
        if self.aead:
            aad = struct.pack("!IQ", spi, seq) if has_esn else header
            return header + iv + self._seal_aead(aad, iv, clear)
        body = header + iv + self._crypt(iv, clear, "encryptor")
        return body + self._icv(body, seq, has_esn)

    def open(self, packet, seq_high, has_esn):
        """The clear part of an ESP packet, with its trailer; raises Forged."""
        spi, seq_low = struct.unpack_from("!II", packet)
        payload = 8 + self.iv_bytes
        iv, sealed = packet[8:payload], packet[payload:]
        seq = seq_high << 32 | seq_low
        if self.aead:
            aad = struct.pack("!IQ", spi, seq) if has_esn else packet[:8]
            try:
                return self._open_aead(aad, iv, sealed)
            except InvalidTag:
                raise Forged from None
        end = len(packet) - self.icv_bytes
        if not constant_time.bytes_eq(self._icv(packet[:end], seq, has_esn), packet[end:]):
            raise Forged
        return self._crypt(iv, packet[payload:end], "decryptor")

    def _keys(self):
        at = len(self.key) - self.salt_bytes
        return self.key[:at], self.key[at:]

    def _seal_aead(self, aad, iv, clear):
        key, salt = self._keys()
        nonce = salt + iv
        if self.aead.startswith("rfc4309"):
            return AESCCM(key, tag_length=self.icv_bytes).encrypt(nonce, clear, aad)
        if self.aead.startswith("rfc7539"):
            return ChaCha20Poly1305(key).encrypt(nonce, clear, aad)
        gcm = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
        if self.aead.startswith("rfc4543"):  # RFC 4543 3.3: all of it is only authenticated
            gcm.authenticate_additional_data(aad + iv + clear)
            gcm.finalize()
            return clear + gcm.tag[:self.icv_bytes]
        gcm.authenticate_additional_data(aad)
        sealed = gcm.update(clear) + gcm.finalize()
        return sealed + gcm.tag[:self.icv_bytes]

    def _open_aead(self, aad, iv, sealed):
        key, salt = self._keys()
        nonce = salt + iv
        if self.aead.startswith("rfc4309"):
            return AESCCM(key, tag_length=self.icv_bytes).decrypt(nonce, sealed, aad)
        if self.aead.startswith("rfc7539"):
            return ChaCha20Poly1305(key).decrypt(nonce, sealed, aad)
        end = len(sealed) - self.icv_bytes
        mode = modes.GCM(nonce, sealed[end:], min_tag_length=self.icv_bytes)
        gcm = Cipher(algorithms.AES(key), mode).decryptor()
        if self.aead.startswith("rfc4543"):
            gcm.authenticate_additional_data(aad + iv + sealed[:end])
            gcm.finalize()
            return sealed[:end]
        gcm.authenticate_additional_data(aad)
        return gcm.update(sealed[:end]) + gcm.finalize()

    def _crypt(self, iv, data, direction):
        if self.enc == "ecb(cipher_null)":
            return data
        key, salt = self._keys()
        if self.enc == "rfc3686(ctr(aes))":  # RFC 3686 4: the block counter starts at 1
            cipher = Cipher(algorithms.AES(key), modes.CTR(salt + iv + b"\0\0\0\1"))
        elif self.enc == "cbc(aes)":
            cipher = Cipher(algorithms.AES(key), modes.CBC(iv))
        else:  # DES is 3DES with one key three times
            key = key * 3 if self.enc == "cbc(des)" else key
            cipher = Cipher(algorithms.TripleDES(key), modes.CBC(iv))
        worker = getattr(cipher, direction)()
        return worker.update(data) + worker.finalize()

    def _icv(self, covered, seq, has_esn):
        if not self.auth:
            return b""
        if has_esn:  # RFC 4303 3.3.2.1, step 4: behind the trailer, and not sent
            covered += struct.pack("!I", seq >> 32)
        if self.auth == "xcbc(aes)":
            mac = aes_xcbc(self.auth_key, covered)
        else:
            worker = (cmac.CMAC(algorithms.AES(self.auth_key)) if self.auth == "cmac(aes)"
                      else hmac.HMAC(self.auth_key, HASHES[self.auth]()))
            worker.update(covered)
            mac = worker.finalize()
        return mac[:self.icv_bytes]

    def scapy_names(self, has_esn):
        """Arguments of scapy's SecurityAssociation, or None for what it gets wrong."""
        if self.aead:
            name = SCAPY_AEADS.get((self.aead, self.icv_bits))
            return name and {"crypt_algo": name, "crypt_key": self.key}
        name = SCAPY_INTEGRITIES.get((self.auth, self.icv_bits))
        if name is None or has_esn:
            return None
        return {"crypt_algo": SCAPY_CIPHERS[self.enc], "crypt_key": self.key or None,
                "auth_algo": name, "auth_key": self.auth_key or None}


def aes_xcbc(key, data):
    """RFC 3566 4."""
    ecb = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    k1, k2, k3 = (ecb.update(bytes([i] * 16)) for i in (1, 2, 3))
    whole = len(data) % 16 == 0 and len(data) > 0
    last = data[-16:] if whole else data[len(data) // 16 * 16:]
    blocks = data[:len(data) - len(last)]
    if not whole:
        last = (last + b"\x80").ljust(16, b"\0")
    last = bytes(a ^ b for a, b in zip(last, k2 if whole else k3))
    cbc = Cipher(algorithms.AES(k1), modes.CBC(bytes(16))).encryptor()
    return cbc.update(blocks + last)[-16:]


def parse_transform(value):
    """`value` gives the words behind each word of a "xfrm state add" line."""
    def key(word, at=1):
        text = value[word][at]
        return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()

    if "aead" in value:
        return Transform(aead=value["aead"][0], key=key("aead"), icv_bits=int(value["aead"][2]))
    made = Transform(enc=value["enc"][0], key=key("enc"))
    word = "auth-trunc" if "auth-trunc" in value else "auth"
    if word in value:
        made.auth, made.auth_key = value[word][0], key(word)
        made.icv_bits = (int(value[word][2]) if word == "auth-trunc"
                         else INTEGRITIES[made.auth][1][0])
    return made


def all_transforms(random_bytes):
    """One Transform of each name and size, with keys from `random_bytes(count)`."""
    for name, (salt, keys, icvs) in AEADS.items():
        for icv in icvs:
            for size in keys:
                yield Transform(aead=name, key=random_bytes(size + salt), icv_bits=icv)
    for enc, (_, _, salt, sizes) in CIPHERS.items():
        for size in sizes:
            for auth, (auth_bytes, icvs) in INTEGRITIES.items():
                for icv in icvs:
                    yield Transform(enc=enc, key=cipher_key(enc, size + salt, random_bytes),
                                    auth=auth, auth_key=random_bytes(auth_bytes), icv_bits=icv)
            if enc != "ecb(cipher_null)":
                yield Transform(enc=enc, key=cipher_key(enc, size + salt, random_bytes))


def cipher_key(enc, size, random_bytes):
    """DES' parity bits mean nothing, but some check them."""
    key = random_bytes(size)
    if "des" not in enc:
        return key
    return bytes(byte & 0xFE | (bin(byte >> 1).count("1") + 1) % 2 for byte in key)


def words_of(transform):
    """As in `ip xfrm`."""
    def text(key):
        return "0x" + key.hex() if key else '""'

    if transform.aead:
        return f"aead {transform.aead} {text(transform.key)} {transform.icv_bits}"
    words = f"enc {transform.enc} {text(transform.key)}"
    if transform.auth:
        words += f" auth-trunc {transform.auth} {text(transform.auth_key)} {transform.icv_bits}"
    return words
