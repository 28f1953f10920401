// SPDX-License-Identifier: BSD-3-Clause
#include "control/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <vector>

namespace culvert {
namespace {

using std::chrono::milliseconds;

class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe2(ends_.data(), O_NONBLOCK | O_CLOEXEC), 0); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close(ends_[0]);
    close(ends_[1]);
  }
  [[nodiscard]] int reader() const { return ends_[0]; }
  void put() const { EXPECT_EQ(write(ends_[1], "x", 1), 1); }
  [[nodiscard]] bool take() const {
    char byte = 0;
    return read(ends_[0], &byte, 1) == 1;
  }

 private:
  std::array<int, 2> ends_{};
};

TEST(EventLoop, CallsBackForAReadableDescriptor) {
  EventLoop loop;
  const Pipe pipe;
  int calls = 0;
  loop.watch(pipe.reader(), EPOLLIN, [&](std::uint32_t) { calls += pipe.take() ? 1 : 0; });
  EXPECT_FALSE(loop.run_once(milliseconds{0}));
  pipe.put();
  EXPECT_TRUE(loop.run_once(milliseconds{1000}));
  EXPECT_FALSE(loop.run_once(milliseconds{0}));
  EXPECT_EQ(calls, 1);
}

TEST(EventLoop, LetsACallbackRemoveItsOwnWatch) {
  EventLoop loop;
  const Pipe pipe;
  int calls = 0;
  loop.watch(pipe.reader(), EPOLLIN, [&](std::uint32_t) {
    ++calls;
    loop.unwatch(pipe.reader());
  });
  pipe.put();
  loop.run_once(milliseconds{0});
  loop.run_once(milliseconds{0});
  EXPECT_EQ(calls, 1);
}

TEST(EventLoop, DoesNotCallAWatchThatAnEarlierCallbackOfTheRoundRemoved) {
  EventLoop loop;
  const Pipe first;
  const Pipe second;
  int calls = 0;
  loop.watch(first.reader(), EPOLLIN, [&](std::uint32_t) {
    ++calls;
    loop.unwatch(first.reader());
    loop.unwatch(second.reader());
  });
  loop.watch(second.reader(), EPOLLIN, [&](std::uint32_t) {
    ++calls;
    loop.unwatch(first.reader());
    loop.unwatch(second.reader());
  });
  first.put();
  second.put();
  loop.run_once(milliseconds{0});
  EXPECT_EQ(calls, 1);
}

TEST(EventLoop, MayBePumpedFromACallback) {
  EventLoop loop;
  const Pipe outer;
  const Pipe inner;
  std::vector<int> order;
  loop.watch(inner.reader(), EPOLLIN, [&](std::uint32_t) {
    if (inner.take()) order.push_back(2);
  });
  loop.watch(outer.reader(), EPOLLIN, [&](std::uint32_t) {
    if (!outer.take()) return;
    order.push_back(1);
    inner.put();
    while (order.size() < 2) loop.run_once(milliseconds{100});
    order.push_back(3);
  });
  outer.put();
  loop.run_once(milliseconds{100});
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(EventLoop, RunsTimersInTheOrderTheyAreDue) {
  EventLoop loop;
  std::vector<int> order;
  loop.after(milliseconds{20}, [&] { order.push_back(2); });
  loop.after(milliseconds{1}, [&] { order.push_back(1); });
  loop.after(milliseconds{30}, [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(EventLoop, RepeatsATimerUntilItIsCancelled) {
  EventLoop loop;
  int calls = 0;
  EventLoop::TimerId id = 0;
  id = loop.every(milliseconds{1}, [&] {
    if (++calls == 3) loop.cancel(id);
  });
  loop.after(milliseconds{50}, [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(calls, 3);
}

TEST(EventLoop, HandsSignalsToTheirCallback) {
  EventLoop loop;
  loop.on_signal(SIGUSR1, [&] { loop.stop(); });
  loop.on_signal(SIGUSR2, [] {});
  kill(getpid(), SIGUSR1);
  loop.run();
  EXPECT_TRUE(loop.stopped());
}

}  // namespace
}  // namespace culvert
