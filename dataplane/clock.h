// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>

namespace culvert {

// CLOCK_REALTIME in nanoseconds, or in replay the capture's time. Read once per round.
class Clock {
 public:
  enum class Source { system, capture };
  explicit Clock(Source source) : source_(source) {}

  [[nodiscard]] std::uint64_t now_ns() const {
    if (source_ == Source::capture) return capture_ns_.load(std::memory_order_relaxed);
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);  // no system call: answered by the vDSO
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(now.tv_nsec);
  }

  // Before any thread reads it.
  void use_capture_time() { source_ = Source::capture; }

  // Capture time only moves forward.
  void advance_to(std::uint64_t time_ns) {
    if (time_ns > capture_ns_.load(std::memory_order_relaxed)) {
      capture_ns_.store(time_ns, std::memory_order_relaxed);
    }
  }

 private:
  Source source_;
  std::atomic<std::uint64_t> capture_ns_{0};
};

}  // namespace culvert
