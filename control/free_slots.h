// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace culvert {

// Slot indices nobody uses, the one that is free longest first: a freed slot's last words (the
// tombstone in its note) then last as long as can be.
class FreeSlots {
 public:
  explicit FreeSlots(std::uint32_t capacity) : ring_(capacity) {}

  void put(std::uint32_t slot) {
    ring_[(first_ + count_) % ring_.size()] = slot;
    ++count_;
  }
  [[nodiscard]] std::optional<std::uint32_t> take() {
    if (count_ == 0) return std::nullopt;
    const std::uint32_t slot = ring_[first_];
    first_ = (first_ + 1) % ring_.size();
    --count_;
    return slot;
  }
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  std::vector<std::uint32_t> ring_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace culvert
