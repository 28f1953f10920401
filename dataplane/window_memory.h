// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace culvert {

// Hands out the slots of replay windows that are too large for an SA's own record, in powers of two
// from 8 to 2048 slots, out of the array in the `state` region. The housekeeper's alone.
class WindowMemory {
 public:
  explicit WindowMemory(std::uint64_t slots) : end_(slots) {}

  // First slot of `slots` (a power of two) consecutive ones.
  [[nodiscard]] std::optional<std::uint32_t> take(std::uint32_t slots);
  void give_back(std::uint32_t offset, std::uint32_t slots);
  // After a restart: the slots are in use by an SA that lives on. Everything below is taken as
  // used.
  void mark_used(std::uint32_t offset, std::uint32_t slots);

 private:
  static constexpr std::size_t kClasses = 12;  // log2 of the slots

  std::uint64_t end_;
  std::uint64_t next_ = 0;
  std::array<std::vector<std::uint32_t>, kClasses> free_;
};

}  // namespace culvert
