// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

namespace culvert {

// A structure that may be laid over received bytes: every byte pattern is a value of it, it has no
// padding to leak and needs no alignment.
template <typename T>
concept WireFormat = std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T> &&
                     alignof(T) == 1;

// The T that starts `offset` bytes into `bytes`, or nullptr when it does not lie wholly within.
template <WireFormat T>
[[nodiscard]] inline const T* header_at(std::span<const std::byte> bytes, std::size_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return nullptr;
  return reinterpret_cast<const T*>(bytes.data() + offset);
}

// The same, to write through.
template <WireFormat T>
[[nodiscard]] inline T* mutable_header_at(std::span<std::byte> bytes, std::size_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return nullptr;
  return reinterpret_cast<T*>(bytes.data() + offset);
}

}  // namespace culvert
