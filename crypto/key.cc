// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/key.h"

#include <sodium.h>

#include <algorithm>

namespace culvert {

void wipe(std::span<std::byte> secret) {
  sodium_memzero(secret.data(), secret.size());
}

bool constant_time_equal(std::span<const std::byte> left, std::span<const std::byte> right) {
  return left.size() == right.size() && sodium_memcmp(left.data(), right.data(), left.size()) == 0;
}

Key::Key(Key&& other) noexcept : storage_(other.storage_), size_bytes_(other.size_bytes_) {
  other.clear();
}

Key& Key::operator=(Key&& other) noexcept {
  if (this == &other) return *this;
  clear();
  storage_ = other.storage_;
  size_bytes_ = other.size_bytes_;
  other.clear();
  return *this;
}

bool Key::assign(std::span<const std::byte> secret) {
  clear();
  if (secret.size() > storage_.size()) return false;
  std::ranges::copy(secret, storage_.begin());
  size_bytes_ = secret.size();
  return true;
}

void Key::clear() {
  wipe(storage_);
  size_bytes_ = 0;
}

}  // namespace culvert
