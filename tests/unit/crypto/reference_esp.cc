// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/crypto/reference_esp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdexcept>

namespace culvert {
namespace {

using View = std::span<const std::byte>;

unsigned char* raw(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}
const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}
void must(bool is_right) {
  if (!is_right) throw std::runtime_error("OpenSSL refused");
}

Bytes operator+(const Bytes& left, View right) {
  Bytes sum = left;
  sum.insert(sum.end(), right.begin(), right.end());
  return sum;
}

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const EVP_CIPHER* fetch(const std::string& name) {
  // Never destroyed: OpenSSL goes first at the program's end.
  static auto& known = *new std::vector<std::pair<std::string, const EVP_CIPHER*>>;
  for (const auto& [seen, cipher] : known) {
    if (seen == name) return cipher;
  }
  known.emplace_back(name, EVP_CIPHER_fetch(nullptr, name.c_str(), nullptr));
  must(known.back().second != nullptr);
  return known.back().second;
}

// Without padding.
Bytes encrypt(const std::string& cipher, View key, View iv, View clear) {
  const Context context(EVP_CIPHER_CTX_new());
  Bytes result(clear.size() + 32);
  int bytes = 0;
  must(EVP_EncryptInit_ex2(context.get(), fetch(cipher), raw(key.data()), raw(iv.data()),
                           nullptr) == 1 &&
       EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
       EVP_EncryptUpdate(context.get(), raw(result.data()), &bytes, raw(clear.data()),
                         static_cast<int>(clear.size())) == 1);
  result.resize(static_cast<std::size_t>(bytes));
  return result;
}

std::string aes(std::size_t key_bytes, const char* mode) {
  return "AES-" + std::to_string(8 * key_bytes) + "-" + mode;
}

void encrypt_cbc(TestPacket& packet, const std::string& ecb, const std::string& cbc, View key) {
  const Bytes iv = encrypt(ecb, key, {}, packet.iv());
  std::ranges::copy(iv, packet.iv().begin());
  std::ranges::copy(encrypt(cbc, key, iv, packet.payload()), packet.payload().begin());
}

void encrypt_payload(TestPacket& packet, View key, View salt) {
  switch (packet.info().cipher) {
    case Cipher::aes128_cbc:
    case Cipher::aes192_cbc:
    case Cipher::aes256_cbc:
      return encrypt_cbc(packet, aes(key.size(), "ECB"), aes(key.size(), "CBC"), key);
    case Cipher::aes128_ctr:
    case Cipher::aes192_ctr:
    case Cipher::aes256_ctr: {
      const Bytes counter = copy_of(salt) + packet.iv() + from_hex("00000001");
      const Bytes sealed = encrypt(aes(key.size(), "CTR"), key, counter, packet.payload());
      std::ranges::copy(sealed, packet.payload().begin());
      return;
    }
    case Cipher::des3_cbc:
      return encrypt_cbc(packet, "DES-EDE3-ECB", "DES-EDE3-CBC", key);
    case Cipher::des_cbc:  // the default provider has no DES, but 3DES with one key is the same
      return encrypt_cbc(packet, "DES-EDE3-ECB", "DES-EDE3-CBC", copy_of(key) + key + key);
    case Cipher::null:
      return;
  }
}

Bytes hmac(const EVP_MD* digest, View key, View message) {
  Bytes result(64);
  unsigned bytes = 0;
  must(HMAC(digest, key.data(), static_cast<int>(key.size()), raw(message.data()), message.size(),
            raw(result.data()), &bytes) != nullptr);
  return result;
}

// RFC 3566 4, by single blocks: OpenSSL has none.
Bytes xcbc(View key, View message) {
  const auto block = [](View with, Bytes clear) { return encrypt("AES-128-ECB", with, {}, clear); };
  const auto exclusive_or = [](Bytes left, View right) {
    for (std::size_t i = 0; i < right.size(); ++i) left[i] ^= right[i];
    return left;
  };
  const Bytes first = block(key, Bytes(16, std::byte{1}));
  const Bytes whole = block(key, Bytes(16, std::byte{2}));
  const Bytes padded = block(key, Bytes(16, std::byte{3}));
  Bytes state(16);
  while (message.size() > 16) {
    state = block(first, exclusive_or(state, message.first(16)));
    message = message.subspan(16);
  }
  if (message.size() == 16) {
    return block(first, exclusive_or(exclusive_or(state, message), whole));
  }
  const Bytes last = copy_of(message) + from_hex("80");
  return block(first, exclusive_or(exclusive_or(state, last), padded));
}

Bytes cmac(View key, View message) {
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "CMAC", nullptr);
  const std::unique_ptr<EVP_MAC_CTX, void (*)(EVP_MAC_CTX*)> context(EVP_MAC_CTX_new(algorithm),
                                                                     EVP_MAC_CTX_free);
  char name[] = "AES-128-CBC";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string("cipher", name, 0),
                                   OSSL_PARAM_construct_end()};
  Bytes result(16);
  std::size_t bytes = 0;
  must(EVP_MAC_init(context.get(), raw(key.data()), key.size(), parameters) == 1 &&
       EVP_MAC_update(context.get(), raw(message.data()), message.size()) == 1 &&
       EVP_MAC_final(context.get(), raw(result.data()), &bytes, result.size()) == 1);
  return result;
}

Bytes mac(Integrity integrity, View key, View message) {
  switch (integrity) {
    case Integrity::hmac_sha1_96:
      return hmac(EVP_sha1(), key, message);
    case Integrity::hmac_sha256_128:
    case Integrity::hmac_sha256_96:
      return hmac(EVP_sha256(), key, message);
    case Integrity::hmac_sha384_192:
      return hmac(EVP_sha384(), key, message);
    case Integrity::hmac_sha512_256:
      return hmac(EVP_sha512(), key, message);
    case Integrity::hmac_md5_96:
      return hmac(EVP_md5(), key, message);
    case Integrity::aes_xcbc_96:
      return xcbc(key, message);
    case Integrity::aes_cmac_96:
      return cmac(key, message);
    case Integrity::none:
      break;
  }
  return {};
}

// Encrypts the payload in place and returns the tag.
Bytes seal_aead(const std::string& cipher, View key, View nonce, View aad,
                std::span<std::byte> text, std::size_t tag_bytes) {
  const Context context(EVP_CIPHER_CTX_new());
  const bool is_ccm = cipher.ends_with("CCM");
  const int text_bytes = static_cast<int>(text.size());
  int bytes = 0;
  Bytes sealed(text.size() + 32);
  Bytes tag(tag_bytes);
  must(EVP_EncryptInit_ex2(context.get(), fetch(cipher), nullptr, nullptr, nullptr) == 1 &&
       EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(nonce.size()),
                           nullptr) == 1);
  if (is_ccm) {
    must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag_bytes),
                             nullptr) == 1);
  }
  must(EVP_EncryptInit_ex2(context.get(), nullptr, raw(key.data()), raw(nonce.data()), nullptr) ==
       1);
  if (is_ccm) must(EVP_EncryptUpdate(context.get(), nullptr, &bytes, nullptr, text_bytes) == 1);
  must(EVP_EncryptUpdate(context.get(), nullptr, &bytes, raw(aad.data()),
                         static_cast<int>(aad.size())) == 1);
  const std::byte nothing{};
  const std::byte* from = text.empty() ? &nothing : text.data();
  if (is_ccm || !text.empty()) {
    must(EVP_EncryptUpdate(context.get(), raw(sealed.data()), &bytes, raw(from), text_bytes) == 1);
  }
  must(EVP_EncryptFinal_ex(context.get(), raw(sealed.data() + text.size()), &bytes) == 1 &&
       EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag_bytes),
                           tag.data()) == 1);
  std::copy_n(sealed.begin(), text.size(), text.begin());
  return tag;
}

}  // namespace

void reference_seal(TestPacket& packet, View material) {
  const TransformInfo& info = packet.info();
  const View key = material.first(info.cipher_key_bytes);
  const View salt = material.subspan(key.size(), info.salt_bytes);
  const Bytes nonce = copy_of(salt) + packet.iv();
  Bytes tag;
  switch (info.construction) {
    case Construction::none:
      return;
    case Construction::gcm:
      tag = seal_aead(aes(key.size(), "GCM"), key, nonce, packet.aad(), packet.payload(),
                      info.icv_bytes);
      break;
    case Construction::gmac:  // RFC 4543 3.3
      tag = seal_aead(aes(key.size(), "GCM"), key, nonce,
                      packet.aad() + packet.iv() + packet.payload(), {}, info.icv_bytes);
      break;
    case Construction::ccm:
      tag = seal_aead(aes(key.size(), "CCM"), key, nonce, packet.aad(), packet.payload(),
                      info.icv_bytes);
      break;
    case Construction::chacha20_poly1305:
      tag = seal_aead("ChaCha20-Poly1305", key, nonce, packet.aad(), packet.payload(),
                      info.icv_bytes);
      break;
    case Construction::combined: {
      encrypt_payload(packet, key, salt);
      const Bytes message =
          copy_of(packet.header()) + packet.iv() + packet.payload() + packet.esn_high();
      tag = mac(info.integrity, material.last(info.integrity_key_bytes), message);
      break;
    }
  }
  std::copy_n(tag.begin(), info.icv_bytes, packet.icv().begin());
}

}  // namespace culvert
