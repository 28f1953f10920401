// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace culvert {

// Overwrites secret bytes; unlike memset the compiler cannot drop it.
void wipe(std::span<std::byte> secret);

// Takes the same time whatever the bytes are. Spans of different length are not equal; lengths are
// not secret.
[[nodiscard]] bool constant_time_equal(std::span<const std::byte> left,
                                       std::span<const std::byte> right);

// Secret key bytes of one SA: cipher key, salt and authentication key, in this order. Zeroes itself
// when it is destroyed, moved from or assigned to. It cannot be copied, and it has no operator<<:
// keys appear in no log.
class Key {
 public:
  // Cipher key 32, salt 4, HMAC-SHA-512 key 64, and room to spare.
  static constexpr std::size_t kCapacityBytes = 160;

  Key() = default;
  ~Key() { clear(); }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  Key(Key&& other) noexcept;
  Key& operator=(Key&& other) noexcept;

  // Replaces the contents. False, and the key is empty, when secret is longer than kCapacityBytes.
  // secret may not lie inside this key.
  [[nodiscard]] bool assign(std::span<const std::byte> secret);
  void clear();

  [[nodiscard]] std::span<const std::byte> bytes() const { return {storage_.data(), size_bytes_}; }
  [[nodiscard]] std::size_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] bool empty() const { return size_bytes_ == 0; }

 private:
  std::array<std::byte, kCapacityBytes> storage_{};
  std::size_t size_bytes_ = 0;
};

}  // namespace culvert
