// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/window_memory.h"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace culvert {

std::optional<std::uint32_t> WindowMemory::take(std::uint32_t slots) {
  auto& free = free_[static_cast<std::size_t>(std::countr_zero(slots))];
  if (!free.empty()) {
    const std::uint32_t offset = free.back();
    free.pop_back();
    return offset;
  }
  if (end_ - next_ < slots) return std::nullopt;
  const auto offset = static_cast<std::uint32_t>(next_);
  next_ += slots;
  return offset;
}

void WindowMemory::give_back(std::uint32_t offset, std::uint32_t slots) {
  free_[static_cast<std::size_t>(std::countr_zero(slots))].push_back(offset);
}

void WindowMemory::mark_used(std::uint32_t offset, std::uint32_t slots) {
  next_ = std::max<std::uint64_t>(next_, std::uint64_t{offset} + slots);
}

}  // namespace culvert
