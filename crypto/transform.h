// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

// Which transforms there are and what must be known of each. Standard library only: control reads
// this too.

namespace culvert {

// Ciphers without integrity of their own, to be combined with an Integrity.
enum class Cipher : std::uint8_t {
  aes128_cbc,  // RFC 3602
  aes192_cbc,
  aes256_cbc,
  aes128_ctr,  // RFC 3686
  aes192_ctr,
  aes256_ctr,
  des3_cbc,  // RFC 2451
  des_cbc,   // RFC 2405
  null,      // RFC 2410
};
inline constexpr std::size_t kCipherCount = 9;

enum class Integrity : std::uint8_t {
  hmac_sha1_96,     // RFC 2404
  hmac_sha256_128,  // RFC 4868
  hmac_sha256_96,   // the draft of RFC 4868 that Linux still takes for hmac(sha256)
  hmac_sha384_192,  // RFC 4868
  hmac_sha512_256,  // RFC 4868
  hmac_md5_96,      // RFC 2403
  aes_xcbc_96,      // RFC 3566
  aes_cmac_96,      // RFC 4494
  none,
};
inline constexpr std::size_t kIntegrityCount = 9;

// Combined modes by name, then every Cipher with every Integrity: transform_of() gives those. Key
// lengths of one kind stand next to each other.
enum class TransformId : std::uint8_t {
  none = 0,  // no key: what a wiped ExpandedKey says
  aes128_gcm16 = 1,
  aes192_gcm16,
  aes256_gcm16,
  aes128_gcm12,
  aes192_gcm12,
  aes256_gcm12,
  aes128_gcm8,
  aes192_gcm8,
  aes256_gcm8,
  aes128_gmac,
  aes192_gmac,
  aes256_gmac,
  aes128_ccm16,
  aes256_ccm16,
  aes128_ccm12,
  aes256_ccm12,
  aes128_ccm8,
  aes256_ccm8,
  chacha20_poly1305,
};
inline constexpr std::size_t kFirstCombinedTransform = 20;
// NULL with no integrity, which would be the last, does not exist (RFC 4303 3.2: not both NULL).
inline constexpr std::size_t kTransformCount =
    kFirstCombinedTransform + kCipherCount * kIntegrityCount - 1;
static_assert(kTransformCount <= 256);

// TransformId::none for NULL without integrity.
[[nodiscard]] constexpr TransformId transform_of(Cipher cipher, Integrity integrity) {
  if (cipher == Cipher::null && integrity == Integrity::none) return TransformId::none;
  return static_cast<TransformId>(kFirstCombinedTransform +
                                  static_cast<std::size_t>(cipher) * kIntegrityCount +
                                  static_cast<std::size_t>(integrity));
}

// How the work is done.
enum class Construction : std::uint8_t { none, gcm, gmac, ccm, chacha20_poly1305, combined };

// What the configuration must allow by name before an SA may use the transform. Bits.
inline constexpr std::uint8_t kNeedsDesCbc = 1;
inline constexpr std::uint8_t kNeedsNoIntegrity = 2;
// The names, by bit.
inline constexpr std::array<std::string_view, 2> kPermissionNames{"des-cbc", "no-integrity"};

// What the packet stages and the control plane must know of a transform. Key material is one
// buffer: cipher key, salt, integrity key.
struct TransformInfo {
  std::string_view name;  // as in configuration, CLI and benchmark output
  std::uint8_t cipher_key_bytes = 0;
  std::uint8_t salt_bytes = 0;  // in front of the IV in every nonce
  std::uint8_t integrity_key_bytes = 0;
  std::uint8_t iv_bytes = 0;       // on the wire, before the ciphertext: 0, 8 or 16
  std::uint8_t icv_bytes = 0;      // on the wire, after the ciphertext: 0 to 32
  std::uint8_t pad_alignment = 1;  // the ciphertext is a multiple of this (RFC 4303 2.4)
  bool is_counter_mode = false;    // one nonce used twice under one key breaks it
  bool is_legacy = false;          // worth a warning
  std::uint8_t permissions = 0;    // kNeeds... bits
  Construction construction = Construction::none;
  Cipher cipher = Cipher::null;           // of Construction::combined
  Integrity integrity = Integrity::none;  // the same

  [[nodiscard]] constexpr std::size_t material_bytes() const {
    return std::size_t{cipher_key_bytes} + salt_bytes + integrity_key_bytes;
  }
};

namespace transform_table {

struct CipherInfo {
  std::string_view name;
  std::uint8_t key_bytes;
  std::uint8_t salt_bytes;
  std::uint8_t iv_bytes;
  std::uint8_t pad_alignment;
};
// By Cipher.
inline constexpr std::array<CipherInfo, kCipherCount> kCiphers{{
    {"aes128-cbc", 16, 0, 16, 16},
    {"aes192-cbc", 24, 0, 16, 16},
    {"aes256-cbc", 32, 0, 16, 16},
    {"aes128-ctr", 16, 4, 8, 4},
    {"aes192-ctr", 24, 4, 8, 4},
    {"aes256-ctr", 32, 4, 8, 4},
    {"3des-cbc", 24, 0, 8, 8},
    {"des-cbc", 8, 0, 8, 8},
    {"null", 0, 0, 0, 4},
}};

struct IntegrityInfo {
  std::string_view name;
  std::uint8_t key_bytes;
  std::uint8_t icv_bytes;
};
// By Integrity. Key lengths are fixed (RFC 2403 3, RFC 2404 3, RFC 4868 2.1.1).
inline constexpr std::array<IntegrityInfo, kIntegrityCount> kIntegrities{{
    {"hmac-sha1-96", 20, 12},
    {"hmac-sha256-128", 32, 16},
    {"hmac-sha256-96", 32, 12},
    {"hmac-sha384-192", 48, 24},
    {"hmac-sha512-256", 64, 32},
    {"hmac-md5-96", 16, 12},
    {"aes-xcbc-96", 16, 12},
    {"aes-cmac-96", 16, 12},
    {"none", 0, 0},
}};

struct Name {
  std::array<char, 32> text{};
  std::size_t size = 0;
  constexpr void append(std::string_view more) {
    for (const char letter : more) text[size++] = letter;
  }
};

inline constexpr std::array<Name, kTransformCount> kNames = [] {
  std::array<Name, kTransformCount> names{};
  for (std::size_t id = kFirstCombinedTransform; id < kTransformCount; ++id) {
    const std::size_t pair = id - kFirstCombinedTransform;
    names[id].append(kCiphers[pair / kIntegrityCount].name);
    names[id].append("+");
    names[id].append(kIntegrities[pair % kIntegrityCount].name);
  }
  return names;
}();

// RFC 4106 (GCM) and RFC 4543 (GMAC): 4 bytes of salt. RFC 4309 (CCM): 3. RFC 7634: 4.
constexpr TransformInfo aead(std::string_view name, Construction construction,
                             std::uint8_t key_bytes, std::uint8_t icv_bytes) {
  TransformInfo info;
  info.name = name;
  info.cipher_key_bytes = key_bytes;
  info.salt_bytes = construction == Construction::ccm ? 3 : 4;
  info.iv_bytes = 8;
  info.icv_bytes = icv_bytes;
  info.pad_alignment = 4;
  info.is_counter_mode = true;
  info.construction = construction;
  return info;
}

constexpr TransformInfo combined(std::size_t id) {
  const std::size_t pair = id - kFirstCombinedTransform;
  const CipherInfo& cipher = kCiphers[pair / kIntegrityCount];
  const IntegrityInfo& integrity = kIntegrities[pair % kIntegrityCount];
  TransformInfo info;
  info.name = {kNames[id].text.data(), kNames[id].size};
  info.cipher_key_bytes = cipher.key_bytes;
  info.salt_bytes = cipher.salt_bytes;
  info.integrity_key_bytes = integrity.key_bytes;
  info.iv_bytes = cipher.iv_bytes;
  info.icv_bytes = integrity.icv_bytes;
  info.pad_alignment = cipher.pad_alignment;
  info.is_counter_mode = cipher.salt_bytes != 0;
  info.construction = Construction::combined;
  info.cipher = static_cast<Cipher>(pair / kIntegrityCount);
  info.integrity = static_cast<Integrity>(pair % kIntegrityCount);
  if (info.cipher == Cipher::des_cbc) info.permissions |= kNeedsDesCbc;
  if (info.integrity == Integrity::none) info.permissions |= kNeedsNoIntegrity;
  info.is_legacy = info.permissions != 0 || info.cipher == Cipher::des3_cbc ||
                   info.integrity == Integrity::hmac_md5_96;
  return info;
}

}  // namespace transform_table

// By TransformId.
inline constexpr std::array<TransformInfo, kTransformCount> kTransforms = [] {
  using transform_table::aead;
  std::array<TransformInfo, kTransformCount> all{};
  const auto set = [&all](TransformId id, const TransformInfo& info) {
    all[static_cast<std::size_t>(id)] = info;
  };
  all[0].name = "none";
  set(TransformId::aes128_gcm16, aead("aes128-gcm", Construction::gcm, 16, 16));
  set(TransformId::aes192_gcm16, aead("aes192-gcm", Construction::gcm, 24, 16));
  set(TransformId::aes256_gcm16, aead("aes256-gcm", Construction::gcm, 32, 16));
  set(TransformId::aes128_gcm12, aead("aes128-gcm12", Construction::gcm, 16, 12));
  set(TransformId::aes192_gcm12, aead("aes192-gcm12", Construction::gcm, 24, 12));
  set(TransformId::aes256_gcm12, aead("aes256-gcm12", Construction::gcm, 32, 12));
  set(TransformId::aes128_gcm8, aead("aes128-gcm8", Construction::gcm, 16, 8));
  set(TransformId::aes192_gcm8, aead("aes192-gcm8", Construction::gcm, 24, 8));
  set(TransformId::aes256_gcm8, aead("aes256-gcm8", Construction::gcm, 32, 8));
  set(TransformId::aes128_gmac, aead("aes128-gmac", Construction::gmac, 16, 16));
  set(TransformId::aes192_gmac, aead("aes192-gmac", Construction::gmac, 24, 16));
  set(TransformId::aes256_gmac, aead("aes256-gmac", Construction::gmac, 32, 16));
  set(TransformId::aes128_ccm16, aead("aes128-ccm", Construction::ccm, 16, 16));
  set(TransformId::aes256_ccm16, aead("aes256-ccm", Construction::ccm, 32, 16));
  set(TransformId::aes128_ccm12, aead("aes128-ccm12", Construction::ccm, 16, 12));
  set(TransformId::aes256_ccm12, aead("aes256-ccm12", Construction::ccm, 32, 12));
  set(TransformId::aes128_ccm8, aead("aes128-ccm8", Construction::ccm, 16, 8));
  set(TransformId::aes256_ccm8, aead("aes256-ccm8", Construction::ccm, 32, 8));
  set(TransformId::chacha20_poly1305,
      aead("chacha20-poly1305", Construction::chacha20_poly1305, 32, 16));
  for (std::size_t id = kFirstCombinedTransform; id < kTransformCount; ++id) {
    all[id] = transform_table::combined(id);
  }
  return all;
}();

inline constexpr std::size_t kMaxIcvBytes = 32;
inline constexpr std::size_t kMaxMaterialBytes = 32 + 4 + 64;

// nullptr for `none` and for numbers that are no TransformId.
[[nodiscard]] constexpr const TransformInfo* transform_info(TransformId id) {
  const auto index = static_cast<std::size_t>(id);
  return index == 0 || index >= kTransformCount ? nullptr : &kTransforms[index];
}

[[nodiscard]] constexpr std::optional<TransformId> transform_named(std::string_view name) {
  for (std::size_t id = 1; id < kTransformCount; ++id) {
    if (kTransforms[id].name == name) return static_cast<TransformId>(id);
  }
  return std::nullopt;
}

}  // namespace culvert
