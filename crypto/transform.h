// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

// Which transforms there are and what must be known of each. Standard library only: control reads
// this too.

namespace culvert {

enum class TransformId : std::uint8_t {
  none = 0,  // no key: what a wiped ExpandedKey says
  aes128_gcm16,
  aes192_gcm16,
  aes256_gcm16,
};
inline constexpr std::size_t kTransformCount = 4;

// What the packet stages and the control plane must know of a transform.
struct TransformInfo {
  std::string_view name;       // as in configuration, CLI and benchmark output
  std::uint8_t key_bytes;      // without the salt
  std::uint8_t salt_bytes;     // follows the key in the key material (RFC 4106 8.1)
  std::uint8_t iv_bytes;       // on the wire, before the ciphertext
  std::uint8_t icv_bytes;      // on the wire, after the ciphertext
  std::uint8_t pad_alignment;  // the ciphertext is a multiple of this (RFC 4303 2.4)
  bool is_counter_mode;        // one nonce used twice under one key breaks it
};

// By TransformId. AES-GCM with a 16-byte ICV: RFC 4106 3.1 (IV), 4 (salt), 6 (ICV), 8.1 (key).
inline constexpr std::array<TransformInfo, kTransformCount> kTransforms{{
    {"none", 0, 0, 0, 0, 1, false},
    {"aes128-gcm", 16, 4, 8, 16, 4, true},
    {"aes192-gcm", 24, 4, 8, 16, 4, true},
    {"aes256-gcm", 32, 4, 8, 16, 4, true},
}};

// nullptr for `none` and for numbers that are no TransformId.
[[nodiscard]] constexpr const TransformInfo* transform_info(TransformId id) {
  const auto index = static_cast<std::size_t>(id);
  return index == 0 || index >= kTransformCount ? nullptr : &kTransforms[index];
}

}  // namespace culvert
