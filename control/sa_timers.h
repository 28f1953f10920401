// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <vector>

namespace culvert {

// When SAs want to be looked at because time has gone by. An entry whose SA is gone is left where
// it is and passed over when its time comes.
class SaTimers {
 public:
  struct Timer {
    std::uint64_t due_seconds = 0;  // CLOCK_REALTIME
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
    friend constexpr auto operator<=>(const Timer&, const Timer&) = default;
  };

  void set(const Timer& timer) { timers_.push(timer); }

  // The earliest one that is due, taken out.
  [[nodiscard]] std::optional<Timer> take_due(std::uint64_t now_seconds) {
    if (timers_.empty() || timers_.top().due_seconds > now_seconds) return std::nullopt;
    const Timer timer = timers_.top();
    timers_.pop();
    return timer;
  }

 private:
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
};

}  // namespace culvert
