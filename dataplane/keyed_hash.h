// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace culvert {

// Both halves of a 128-bit product folded together: every input bit reaches every output bit.
[[nodiscard]] constexpr std::uint64_t multiply_and_fold(std::uint64_t left, std::uint64_t right) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(left) * right;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// The first bits of pi's fraction.
inline constexpr std::uint64_t kHashSalt[] = {0x243f6a8885a308d3, 0x13198a2e03707344,
                                              0xa4093822299f31d0, 0x082efa98ec4e6c89,
                                              0x452821e638d01377};

// A hash of three words for tables whose keys a peer may choose: without the secret, which is
// random and stays in this process, keys that collide cannot be made. Not for anything that is
// sent.
[[nodiscard]] constexpr std::uint64_t keyed_hash(std::uint64_t first, std::uint64_t second,
                                                 std::uint64_t third, std::uint64_t secret) {
  const std::uint64_t both = multiply_and_fold(first ^ secret, second ^ secret ^ kHashSalt[0]);
  return multiply_and_fold(third ^ secret ^ kHashSalt[1], both ^ kHashSalt[2]);
}

// The same of five words.
[[nodiscard]] constexpr std::uint64_t keyed_hash(const std::array<std::uint64_t, 5>& words,
                                                 std::uint64_t secret) {
  const std::uint64_t first =
      multiply_and_fold(words[0] ^ secret, words[1] ^ secret ^ kHashSalt[0]);
  const std::uint64_t second =
      multiply_and_fold(words[2] ^ secret ^ kHashSalt[1], words[3] ^ secret ^ kHashSalt[2]);
  return multiply_and_fold(words[4] ^ secret ^ kHashSalt[3],
                           first ^ std::rotl(second, 32) ^ kHashSalt[4]);
}

}  // namespace culvert
