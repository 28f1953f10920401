// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sodium.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace culvert {

// Zeroes memory when a container gives it back, also when it grows: messages carry keys.
template <typename T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <typename Other>
  WipingAllocator(const WipingAllocator<Other>&) {}
  T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) {
    sodium_memzero(memory, count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};
using SecretBytes = std::vector<std::byte, WipingAllocator<std::byte>>;
using SecretText = std::basic_string<char, std::char_traits<char>, WipingAllocator<char>>;

}  // namespace culvert
