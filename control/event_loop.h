// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

namespace culvert {

// One thread's loop over descriptors (level-triggered epoll), timers and signals. Callbacks may add
// and remove watches and timers, their own too, and may pump the loop again through run_once().
// After nested pumping a callback can be called with nothing left to read: descriptors that are
// watched must be non-blocking.
class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;
  using FdCallback = std::function<void(std::uint32_t events)>;  // EPOLLIN, EPOLLOUT, ...
  using Callback = std::function<void()>;
  using TimerId = std::uint64_t;  // never 0

  // Throws std::system_error when the system grants no epoll descriptor.
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Calls back while `descriptor` has one of `events`. A descriptor has one watch: a second call
  // replaces it. The descriptor stays the caller's; unwatch it before closing it.
  // Throws std::system_error for descriptors that cannot be polled.
  void watch(int descriptor, std::uint32_t events, FdCallback callback);
  // Changes what a watched descriptor waits for. Unwatched descriptors are ignored.
  void set_events(int descriptor, std::uint32_t events);
  void unwatch(int descriptor);

  // Calls back once, or again and again. A timer that is late runs once, not once per period.
  TimerId after(std::chrono::nanoseconds delay, Callback callback);
  TimerId every(std::chrono::nanoseconds period, Callback callback);
  // Timers that have already ended are ignored.
  void cancel(TimerId id);

  // Blocks the signal for this thread and calls back when it arrives (signalfd). To be called
  // before other threads start, which inherit the mask.
  void on_signal(int signal_number, Callback callback);

  // Runs until stop(). A stop() before run() makes run() return at once.
  void run();
  void stop() { stopped_ = true; }
  [[nodiscard]] bool stopped() const { return stopped_; }

  // Waits at most `timeout` for something to do, does what is ready, and returns whether there was
  // anything. Zero only looks.
  bool run_once(std::chrono::nanoseconds timeout);

 private:
  struct Watch {
    std::uint32_t serial = 0;  // tells a stale event from one for a new watch of the same number
    FdCallback callback;
  };
  struct Timer {
    Clock::time_point due;
    std::chrono::nanoseconds period{0};  // 0: once
    std::shared_ptr<Callback> callback;
  };

  TimerId add_timer(std::chrono::nanoseconds delay, std::chrono::nanoseconds period,
                    Callback callback);
  [[nodiscard]] int wait_ms(std::chrono::nanoseconds timeout) const;
  bool run_due_timers();
  void read_signals();

  int epoll_ = -1;
  int signals_ = -1;  // signalfd, opened with the first on_signal
  bool stopped_ = false;
  std::uint32_t next_serial_ = 1;
  TimerId next_timer_ = 1;
  std::unordered_map<int, std::shared_ptr<Watch>> watches_;
  std::map<TimerId, Timer> timers_;
  std::multimap<Clock::time_point, TimerId> due_;
  std::map<int, std::shared_ptr<Callback>> signal_callbacks_;
};

}  // namespace culvert
