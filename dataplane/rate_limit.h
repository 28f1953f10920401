// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>

namespace culvert {

// A token bucket: so many a second, and so many in a row.
template <std::uint64_t kPerSecond, std::uint64_t kInARow>
class RateLimit {
 public:
  // Takes one; false: there was none left. Times are of one clock, in ns; an earlier one than
  // before earns nothing.
  [[nodiscard]] bool take(std::uint64_t now_ns) {
    constexpr std::uint64_t kNsPerToken = 1'000'000'000 / kPerSecond;
    if (now_ns > refilled_at_ns_) {
      const std::uint64_t earned = (now_ns - refilled_at_ns_) / kNsPerToken;
      tokens_ = std::min(kInARow, tokens_ + std::min(earned, kInARow));
      refilled_at_ns_ += earned * kNsPerToken;
    }
    if (tokens_ == 0) return false;
    --tokens_;
    return true;
  }

 private:
  std::uint64_t tokens_ = kInARow;
  std::uint64_t refilled_at_ns_ = 0;
};

}  // namespace culvert
