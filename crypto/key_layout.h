// SPDX-License-Identifier: BSD-3-Clause
// What stands where in ExpandedKey::schedule. For crypto/ only.
//
//   GCM, GMAC     struct gcm_key_data, which fills it
//   CCM           AES round keys
//   ChaCha20      the key
//   combined      cipher: AES round keys for encryption, behind them (CBC) those for decryption; or
//                 one or three DES schedules. Then, from the next cache line on, integrity: HMAC
//                 the states after ipad and opad; XCBC and CMAC round keys and two subkeys
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "crypto/transform.h"

namespace culvert {

inline constexpr std::size_t kDesScheduleBytes = 128;
inline constexpr std::size_t kAes128RoundKeyBytes = 176;
inline constexpr std::size_t kMacSubkeyBytes = 16;

// Round keys of one direction: 10, 12 or 14 rounds and the first key.
[[nodiscard]] constexpr std::size_t aes_round_key_bytes(std::size_t key_bytes) {
  return 16 * (key_bytes / 4 + 7);
}

[[nodiscard]] constexpr bool is_aes_cbc(Cipher cipher) {
  return cipher <= Cipher::aes256_cbc;
}
[[nodiscard]] constexpr bool is_aes_ctr(Cipher cipher) {
  return cipher >= Cipher::aes128_ctr && cipher <= Cipher::aes256_ctr;
}

[[nodiscard]] constexpr std::size_t cipher_schedule_bytes(const TransformInfo& info) {
  switch (info.cipher) {
    case Cipher::aes128_cbc:
    case Cipher::aes192_cbc:
    case Cipher::aes256_cbc:
      return 2 * aes_round_key_bytes(info.cipher_key_bytes);
    case Cipher::aes128_ctr:
    case Cipher::aes192_ctr:
    case Cipher::aes256_ctr:
      return aes_round_key_bytes(info.cipher_key_bytes);
    case Cipher::des3_cbc:
      return 3 * kDesScheduleBytes;
    case Cipher::des_cbc:
      return kDesScheduleBytes;
    case Cipher::null:
      break;
  }
  return 0;
}

// From the state after ipad to the one after opad.
[[nodiscard]] constexpr std::size_t hmac_state_bytes(Integrity integrity) {
  return integrity == Integrity::hmac_sha384_192 || integrity == Integrity::hmac_sha512_256 ? 64
                                                                                            : 32;
}

[[nodiscard]] constexpr std::size_t integrity_schedule_bytes(Integrity integrity) {
  switch (integrity) {
    case Integrity::hmac_sha1_96:
    case Integrity::hmac_sha256_128:
    case Integrity::hmac_sha256_96:
    case Integrity::hmac_sha384_192:
    case Integrity::hmac_sha512_256:
    case Integrity::hmac_md5_96:
      return 2 * hmac_state_bytes(integrity);
    case Integrity::aes_xcbc_96:
    case Integrity::aes_cmac_96:
      return kAes128RoundKeyBytes + 2 * kMacSubkeyBytes;
    case Integrity::none:
      break;
  }
  return 0;
}

struct KeyLayout {
  std::uint16_t decrypt_offset = 0;    // AES-CBC: round keys for decryption
  std::uint16_t integrity_offset = 0;  // combined
  std::uint16_t end = 0;               // bytes used, salt and transform apart
};

// By TransformId.
inline constexpr std::array<KeyLayout, kTransformCount> kKeyLayouts = [] {
  std::array<KeyLayout, kTransformCount> layouts{};
  for (std::size_t id = 1; id < kTransformCount; ++id) {
    const TransformInfo& info = kTransforms[id];
    KeyLayout& layout = layouts[id];
    switch (info.construction) {
      case Construction::none:
        break;
      case Construction::gcm:
      case Construction::gmac:
        layout.end = 1008;
        break;
      case Construction::ccm:
        layout.end = static_cast<std::uint16_t>(aes_round_key_bytes(info.cipher_key_bytes));
        break;
      case Construction::chacha20_poly1305:
        layout.end = info.cipher_key_bytes;
        break;
      case Construction::combined: {
        const std::size_t cipher_bytes = cipher_schedule_bytes(info);
        const std::size_t integrity_bytes = integrity_schedule_bytes(info.integrity);
        layout.decrypt_offset = static_cast<std::uint16_t>(cipher_bytes / 2);
        layout.integrity_offset = static_cast<std::uint16_t>((cipher_bytes + 63) / 64 * 64);
        layout.end = static_cast<std::uint16_t>(
            integrity_bytes == 0 ? cipher_bytes : layout.integrity_offset + integrity_bytes);
        break;
      }
    }
  }
  return layouts;
}();

}  // namespace culvert
