// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace culvert {

static_assert(std::endian::native == std::endian::little, "culvert runs on x86-64");

constexpr std::uint16_t byte_swap(std::uint16_t value) {
  return __builtin_bswap16(value);
}
constexpr std::uint32_t byte_swap(std::uint32_t value) {
  return __builtin_bswap32(value);
}
constexpr std::uint64_t byte_swap(std::uint64_t value) {
  return __builtin_bswap64(value);
}

// A number as it lies on the wire, in network byte order and without alignment. It is constructed
// explicitly from a host number and read with host(); it has no arithmetic.
template <typename Host>
class BigEndian {
 public:
  constexpr BigEndian() = default;
  constexpr explicit BigEndian(Host value) : bytes_(std::bit_cast<Bytes>(byte_swap(value))) {}

  [[nodiscard]] constexpr Host host() const { return byte_swap(std::bit_cast<Host>(bytes_)); }

  // As numbers: comparing arrays calls memcmp.
  friend constexpr bool operator==(const BigEndian& left, const BigEndian& right) {
    return std::bit_cast<Host>(left.bytes_) == std::bit_cast<Host>(right.bytes_);
  }

 private:
  using Bytes = std::array<std::uint8_t, sizeof(Host)>;
  Bytes bytes_{};
};

using Be16 = BigEndian<std::uint16_t>;
using Be32 = BigEndian<std::uint32_t>;
using Be64 = BigEndian<std::uint64_t>;
static_assert(sizeof(Be16) == 2 && alignof(Be16) == 1);
static_assert(sizeof(Be32) == 4 && alignof(Be32) == 1);
static_assert(sizeof(Be64) == 8 && alignof(Be64) == 1);

}  // namespace culvert
