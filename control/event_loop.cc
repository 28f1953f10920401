// SPDX-License-Identifier: BSD-3-Clause
#include "control/event_loop.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

namespace culvert {
namespace {

constexpr int kEventsPerRound = 64;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// The serial distinguishes watches, so that an event fetched before a descriptor number was reused
// is not handed to the new owner.
std::uint64_t event_tag(int descriptor, std::uint32_t serial) {
  return std::uint64_t{serial} << 32 | static_cast<std::uint32_t>(descriptor);
}

}  // namespace

EventLoop::EventLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) fail("epoll");
}

EventLoop::~EventLoop() {
  if (signals_ >= 0) close(signals_);
  close(epoll_);
}

void EventLoop::watch(int descriptor, std::uint32_t events, FdCallback callback) {
  unwatch(descriptor);
  auto entry = std::make_shared<Watch>(Watch{next_serial_++, std::move(callback)});
  epoll_event event{.events = events, .data = {.u64 = event_tag(descriptor, entry->serial)}};
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("cannot watch a descriptor");
  watches_[descriptor] = std::move(entry);
}

void EventLoop::set_events(int descriptor, std::uint32_t events) {
  const auto found = watches_.find(descriptor);
  if (found == watches_.end()) return;
  epoll_event event{.events = events,
                    .data = {.u64 = event_tag(descriptor, found->second->serial)}};
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event) != 0) fail("cannot watch a descriptor");
}

void EventLoop::unwatch(int descriptor) {
  if (watches_.erase(descriptor) == 0) return;
  epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
}

EventLoop::TimerId EventLoop::after(std::chrono::nanoseconds delay, Callback callback) {
  return add_timer(delay, std::chrono::nanoseconds{0}, std::move(callback));
}

EventLoop::TimerId EventLoop::every(std::chrono::nanoseconds period, Callback callback) {
  const auto at_least = std::max(period, std::chrono::nanoseconds{1});
  return add_timer(at_least, at_least, std::move(callback));
}

EventLoop::TimerId EventLoop::add_timer(std::chrono::nanoseconds delay,
                                        std::chrono::nanoseconds period, Callback callback) {
  const TimerId id = next_timer_++;
  const Clock::time_point due = Clock::now() + delay;
  timers_[id] = {due, period, std::make_shared<Callback>(std::move(callback))};
  due_.emplace(due, id);
  return id;
}

void EventLoop::cancel(TimerId id) {
  const auto found = timers_.find(id);
  if (found == timers_.end()) return;
  const auto [first, last] = due_.equal_range(found->second.due);
  const auto entry = std::find_if(first, last, [id](const auto& due) { return due.second == id; });
  if (entry != last) due_.erase(entry);
  timers_.erase(found);
}

void EventLoop::on_signal(int signal_number, Callback callback) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, signal_number);
  for (const auto& [number, unused] : signal_callbacks_) sigaddset(&mask, number);
  if (pthread_sigmask(SIG_BLOCK, &mask, nullptr) != 0) fail("cannot block signals");
  const int descriptor = signalfd(signals_, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
  if (descriptor < 0) fail("signalfd");
  signal_callbacks_[signal_number] = std::make_shared<Callback>(std::move(callback));
  if (signals_ >= 0) return;
  signals_ = descriptor;
  watch(signals_, EPOLLIN, [this](std::uint32_t) { read_signals(); });
}

void EventLoop::read_signals() {
  signalfd_siginfo info{};
  while (read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const auto found = signal_callbacks_.find(static_cast<int>(info.ssi_signo));
    if (found == signal_callbacks_.end()) continue;
    const std::shared_ptr<Callback> callback = found->second;
    (*callback)();
  }
}

void EventLoop::run() {
  while (!stopped_) run_once(std::chrono::hours{1});
}

int EventLoop::wait_ms(std::chrono::nanoseconds timeout) const {
  auto wait = std::max(timeout, std::chrono::nanoseconds{0});
  if (!due_.empty()) {
    const std::chrono::nanoseconds until_due = due_.begin()->first - Clock::now();
    wait = std::min(wait, std::max(until_due, std::chrono::nanoseconds{0}));
  }
  // Rounded up: waking early would spin until the timer is due.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  return static_cast<int>(std::min<std::int64_t>(ms, INT_MAX));
}

bool EventLoop::run_once(std::chrono::nanoseconds timeout) {
  std::array<epoll_event, kEventsPerRound> events;
  const int count = epoll_wait(epoll_, events.data(), kEventsPerRound, wait_ms(timeout));
  if (count < 0 && errno != EINTR) fail("epoll");
  bool did_something = false;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const auto found = watches_.find(static_cast<int>(event.data.u64 & 0xffffffff));
    if (found == watches_.end() || found->second->serial != event.data.u64 >> 32) continue;
    const std::shared_ptr<Watch> entry = found->second;  // lives on if it unwatches itself
    entry->callback(event.events);
    did_something = true;
  }
  return run_due_timers() || did_something;
}

bool EventLoop::run_due_timers() {
  const Clock::time_point now = Clock::now();
  bool did_something = false;
  while (!due_.empty() && due_.begin()->first <= now) {
    const TimerId id = due_.begin()->second;
    due_.erase(due_.begin());
    Timer& timer = timers_.at(id);
    const std::shared_ptr<Callback> callback = timer.callback;
    if (timer.period.count() == 0) {
      timers_.erase(id);
    } else {
      timer.due = Clock::now() + timer.period;
      due_.emplace(timer.due, id);
    }
    (*callback)();
    did_something = true;
  }
  return did_something;
}

}  // namespace culvert
