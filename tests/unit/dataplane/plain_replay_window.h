// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/replay_window.h"

namespace culvert {

// RFC 4303 3.4.3 one packet at a time, in the plainest way there is: a bit for each number of the
// window, cleared one by one as it moves. What the real window is compared with.
class PlainReplayWindow {
 public:
  PlainReplayWindow(std::uint32_t size, std::uint64_t top) : seen_(size, true), top_(top) {
    for (std::uint64_t number = top + 1; number < size; ++number) seen_[number] = false;
  }

  ReplayVerdict take(std::uint64_t number) {
    if (top_ >= seen_.size() && number <= top_ - seen_.size()) return ReplayVerdict::too_old;
    if (number > top_ && number - top_ >= seen_.size()) {
      seen_.assign(seen_.size(), false);
      top_ = number;
    }
    while (top_ < number) seen_[++top_ % seen_.size()] = false;
    if (seen_[number % seen_.size()]) return ReplayVerdict::replay;
    seen_[number % seen_.size()] = true;
    return ReplayVerdict::fresh;
  }
  [[nodiscard]] std::uint64_t top() const { return top_; }

 private:
  std::vector<bool> seen_;  // by number modulo the window's size
  std::uint64_t top_;
};

}  // namespace culvert
