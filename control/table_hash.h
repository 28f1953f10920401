// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sodium.h>

#include <array>
#include <cstdint>
#include <type_traits>

namespace culvert {

// The hash of control's tables: keyed anew in every process, so that nobody outside can choose
// addresses or SPIs that collide.
class TableHash {
 public:
  TableHash() { randombytes_buf(key_.data(), key_.size()); }

  // `key` must have no padding: its bytes are what is hashed.
  template <typename Key>
  [[nodiscard]] std::uint64_t operator()(const Key& key) const {
    static_assert(std::has_unique_object_representations_v<Key>);
    std::uint64_t result = 0;
    static_assert(sizeof result == crypto_shorthash_BYTES);
    crypto_shorthash(reinterpret_cast<unsigned char*>(&result),
                     reinterpret_cast<const unsigned char*>(&key), sizeof key, key_.data());
    return result;
  }

 private:
  std::array<unsigned char, crypto_shorthash_KEYBYTES> key_{};
};

}  // namespace culvert
