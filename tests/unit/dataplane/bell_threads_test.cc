// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/bell.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace culvert {
namespace {

// Far longer than any machine needs, so that a wake-up that got lost ends a test.
constexpr timespec kTooLong{20, 0};

const auto nothing = [] { return false; };

class BellThreads : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(bell_.open()); }

  // Sleeps on the bell alone; true if it was rung.
  template <typename HasWork>
  bool is_rung(const timespec& longest, HasWork has_work) {
    std::array<pollfd, 1> waits{};
    return bell_.sleep(waits, &longest, has_work) && waits.front().revents != 0;
  }

  Bell bell_;
};

// What one thread has put for the owner, and how much of it the owner took.
struct Work {
  std::atomic<std::uint32_t> put{0};
  std::atomic<std::uint32_t> taken{0};

  // Release and acquire: as a ring's.
  [[nodiscard]] std::uint32_t waiting() const {
    return put.load(std::memory_order_acquire) - taken.load(std::memory_order_relaxed);
  }
};

// Each of `work` has a thread that puts one thing and waits until it is taken, again and again, so
// that every single one meets an owner on its way to sleep, asleep or waking up. Returns how often
// the owner slept, or nothing if once nobody woke it.
std::optional<std::uint32_t> sleep_between(Bell& bell, std::span<Work> work) {
  constexpr std::uint32_t kEach = 20'000;
  std::atomic<bool> is_lost{false};
  std::vector<std::thread> threads;
  for (Work& own : work) {
    threads.emplace_back([&bell, &own, &is_lost] {
      for (std::uint32_t i = 1; i <= kEach; ++i) {
        own.put.store(i, std::memory_order_release);
        bell.ring_if_asleep();
        while (own.taken.load(std::memory_order_acquire) != i) {
          if (is_lost.load()) return;
          std::this_thread::yield();
        }
      }
    });
  }
  const auto has_work = [work] {
    return std::ranges::any_of(work, [](const Work& own) { return own.waiting() != 0; });
  };
  std::uint32_t sleeps = 0;
  for (std::uint64_t left = work.size() * kEach; left != 0 && !is_lost.load();) {
    for (Work& own : work) {
      const std::uint32_t count = own.waiting();
      left -= count;
      own.taken.fetch_add(count, std::memory_order_release);
    }
    std::array<pollfd, 1> waits{};
    if (left == 0 || !bell.sleep(waits, &kTooLong, has_work)) continue;
    ++sleeps;
    if (waits.front().revents == 0) is_lost.store(true);
  }
  for (std::thread& thread : threads) thread.join();
  return is_lost.load() ? std::nullopt : std::optional(sleeps);
}

// With one thread nobody else's ring can make up for one that is lost.
TEST_F(BellThreads, LoseNoWakeUpByOneThread) {
  std::array<Work, 1> work;
  const auto sleeps = sleep_between(bell_, work);
  ASSERT_TRUE(sleeps.has_value());
  EXPECT_GT(*sleeps, 0u);
}

TEST_F(BellThreads, LoseNoWakeUpByThreadsThatRingTogether) {
  std::array<Work, 3> work;
  const auto sleeps = sleep_between(bell_, work);
  ASSERT_TRUE(sleeps.has_value());
  EXPECT_GT(*sleeps, 0u);
}

TEST_F(BellThreads, DoNotSleepOverWorkThatCameBefore) {
  EXPECT_FALSE(is_rung(kTooLong, [] { return true; }));
}

TEST_F(BellThreads, RingForNobodyWhoIsAwake) {
  bell_.ring_if_asleep();
  EXPECT_FALSE(is_rung({0, 0}, nothing));
}

TEST_F(BellThreads, RingOnceForASleepHoweverManyRing) {
  EXPECT_TRUE(is_rung(kTooLong, [this] {
    bell_.ring_if_asleep();
    bell_.ring_if_asleep();
    return false;
  }));
  EXPECT_FALSE(is_rung({0, 0}, nothing)) << "the second ring, or one that was not taken back";
}

TEST_F(BellThreads, EndTheNextSleepWhenRungForAStop) {
  std::thread([this] { bell_.ring(); }).join();
  EXPECT_TRUE(is_rung(kTooLong, nothing));
}

TEST_F(BellThreads, EndASleepThatASocketEnds) {
  std::array<int, 2> pair{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair.data()), 0);
  std::array<pollfd, 2> waits{};
  waits[1] = {.fd = pair[0], .events = POLLIN, .revents = 0};
  std::thread sender([&] { EXPECT_EQ(write(pair[1], "x", 1), 1); });
  EXPECT_TRUE(bell_.sleep(waits, &kTooLong, nothing));
  EXPECT_EQ(waits[0].revents, 0);
  EXPECT_EQ(waits[1].revents, POLLIN);
  sender.join();
  for (const int descriptor : pair) close(descriptor);
}

}  // namespace
}  // namespace culvert
