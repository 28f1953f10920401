// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/expand_key.h"

#include <intel-ipsec-mb.h>

#include "crypto/key.h"
#include "crypto/key_layout.h"

namespace culvert {
namespace {

using Material = std::span<const std::byte>;

// Secret bytes on the stack.
template <std::size_t kBytes>
struct Secret {
  Secret() = default;
  ~Secret() { wipe(bytes); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  alignas(64) std::array<std::byte, kBytes> bytes{};
};

// RFC 2104: the hash's state after one block of the key and `pad`. Keys are never longer than one.
template <std::size_t kBlockBytes>
void hash_padded_key(hash_one_block_t hash, Material key, std::byte pad, std::byte* state) {
  Secret<kBlockBytes> block;
  std::ranges::copy(key, block.bytes.begin());
  for (std::byte& byte : block.bytes) byte ^= pad;
  hash(block.bytes.data(), state);
}

template <std::size_t kBlockBytes>
void expand_hmac(hash_one_block_t hash, Integrity integrity, Material key, std::byte* to) {
  hash_padded_key<kBlockBytes>(hash, key, std::byte{0x36}, to);
  hash_padded_key<kBlockBytes>(hash, key, std::byte{0x5c}, to + hmac_state_bytes(integrity));
}

void expand_cmac(const IMB_MGR& manager, Material key, std::byte* to) {
  Secret<kAes128RoundKeyBytes> unused;
  manager.keyexp_128(key.data(), to, unused.bytes.data());
  std::byte* const subkeys = to + kAes128RoundKeyBytes;
  manager.cmac_subkey_gen_128(to, subkeys, subkeys + kMacSubkeyBytes);
}

void expand_integrity(const IMB_MGR& manager, Integrity integrity, Material key, std::byte* to) {
  switch (integrity) {
    case Integrity::hmac_sha1_96:
      return expand_hmac<IMB_SHA1_BLOCK_SIZE>(manager.sha1_one_block, integrity, key, to);
    case Integrity::hmac_sha256_128:
    case Integrity::hmac_sha256_96:
      return expand_hmac<IMB_SHA_256_BLOCK_SIZE>(manager.sha256_one_block, integrity, key, to);
    case Integrity::hmac_sha384_192:
      return expand_hmac<IMB_SHA_384_BLOCK_SIZE>(manager.sha384_one_block, integrity, key, to);
    case Integrity::hmac_sha512_256:
      return expand_hmac<IMB_SHA_512_BLOCK_SIZE>(manager.sha512_one_block, integrity, key, to);
    case Integrity::hmac_md5_96:
      return expand_hmac<64>(manager.md5_one_block, integrity, key, to);
    case Integrity::aes_xcbc_96: {
      std::byte* const subkeys = to + kAes128RoundKeyBytes;
      manager.xcbc_keyexp(key.data(), to, subkeys, subkeys + kMacSubkeyBytes);
      return;
    }
    case Integrity::aes_cmac_96:
      return expand_cmac(manager, key, to);
    case Integrity::none:
      return;
  }
}

void expand_aes(const IMB_MGR& manager, Material key, std::byte* encrypt, std::byte* decrypt) {
  if (key.size() == 16) return manager.keyexp_128(key.data(), encrypt, decrypt);
  if (key.size() == 24) return manager.keyexp_192(key.data(), encrypt, decrypt);
  manager.keyexp_256(key.data(), encrypt, decrypt);
}

// For those modes that only encrypt.
void expand_aes(const IMB_MGR& manager, Material key, std::byte* encrypt) {
  Secret<240> unused;
  expand_aes(manager, key, encrypt, unused.bytes.data());
}

void expand_combined(const IMB_MGR& manager, const TransformInfo& info, const KeyLayout& layout,
                     Material material, std::byte* to) {
  const Material key = material.first(info.cipher_key_bytes);
  if (is_aes_cbc(info.cipher)) {
    expand_aes(manager, key, to, to + layout.decrypt_offset);
  } else if (is_aes_ctr(info.cipher)) {
    expand_aes(manager, key, to);
  } else {  // one key of DES or three, or none
    for (std::size_t i = 0; i < key.size() / 8; ++i) {
      auto* schedule = reinterpret_cast<std::uint64_t*>(to + i * kDesScheduleBytes);
      manager.des_key_sched(schedule, key.data() + 8 * i);
    }
  }
  expand_integrity(manager, info.integrity, material.last(info.integrity_key_bytes),
                   to + layout.integrity_offset);
}

void expand_gcm(const IMB_MGR& manager, Material key, std::byte* to) {
  auto* schedule = reinterpret_cast<gcm_key_data*>(to);
  if (key.size() == 16) return manager.gcm128_pre(key.data(), schedule);
  if (key.size() == 24) return manager.gcm192_pre(key.data(), schedule);
  manager.gcm256_pre(key.data(), schedule);
}

}  // namespace

void expand_key(IMB_MGR& manager, TransformId transform, std::span<const std::byte> material,
                ExpandedKey& key) {
  const TransformInfo& info = *transform_info(transform);
  const Material cipher_key = material.first(info.cipher_key_bytes);
  std::byte* const schedule = key.schedule.data();
  switch (info.construction) {
    case Construction::none:
      return;
    case Construction::gcm:
    case Construction::gmac:
      expand_gcm(manager, cipher_key, schedule);
      break;
    case Construction::ccm:
      expand_aes(manager, cipher_key, schedule);
      break;
    case Construction::chacha20_poly1305:
      std::ranges::copy(cipher_key, schedule);
      break;
    case Construction::combined:
      expand_combined(manager, info, kKeyLayouts[static_cast<std::size_t>(transform)], material,
                      schedule);
      break;
  }
  const Material salt = material.subspan(info.cipher_key_bytes, info.salt_bytes);
  std::ranges::copy_backward(salt, key.salt.end());
  key.transform = transform;
}

}  // namespace culvert
