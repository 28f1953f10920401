// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "dataplane/replay_window.h"

namespace culvert {
namespace {

constexpr std::uint64_t kNumbers = 200'000;
constexpr std::size_t kThreads = 3;

// Every thread gets every number once, in bursts of changing size and shaken a little, and they all
// commit to one window. Returns how often each number was accepted.
std::vector<std::uint8_t> commit_from_threads(std::uint32_t window_size, std::uint64_t first) {
  std::atomic<std::uint64_t> top{0};
  std::vector<std::atomic<std::uint64_t>> slots(window_slots_for(window_size));
  ReplayWindow(top, slots.front(), window_size).initialise(SeqNum{first - 1});
  std::vector<std::atomic<std::uint8_t>> accepted(kNumbers);
  std::atomic<std::size_t> waiting{kThreads};

  const auto work = [&](std::uint32_t seed) {
    ReplayWindow window(top, slots.front(), window_size);
    std::mt19937 random(seed);
    waiting.fetch_sub(1);
    while (waiting.load() != 0) std::this_thread::yield();
    for (std::uint64_t done = 0; done < kNumbers;) {
      const std::size_t count = std::min<std::uint64_t>(1 + random() % 64, kNumbers - done);
      std::array<SeqNum, 64> numbers;
      std::array<ReplayVerdict, 64> verdicts{};
      for (std::size_t i = 0; i < count; ++i) numbers[i] = SeqNum{first + done + i};
      for (std::size_t i = 1; i < count; i += 3) std::swap(numbers[i - 1], numbers[i]);
      window.commit(std::span(numbers).first(count), std::span(verdicts).first(count));
      for (std::size_t i = 0; i < count; ++i) {
        if (verdicts[i] == ReplayVerdict::fresh) accepted[numbers[i].raw() - first].fetch_add(1);
      }
      done += count;
    }
  };
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(top.load(), first + kNumbers - 1);
  return {accepted.begin(), accepted.end()};
}

TEST(ReplayWindowThreads, NeverAcceptANumberTwice) {
  for (const std::uint32_t window_size : {32u, 64u, 1024u, 32768u}) {
    const auto accepted = commit_from_threads(window_size, (1ull << 32) - 5000);
    EXPECT_EQ(std::count_if(accepted.begin(), accepted.end(), [](auto n) { return n > 1; }), 0)
        << "W " << window_size;
  }
}

// The window is as wide as all numbers together, so that no thread can fall out of it.
TEST(ReplayWindowThreads, NeverRefuseTheFirstOfANumberInTheWindow) {
  std::atomic<std::uint64_t> top{0};
  constexpr std::uint32_t kWindow = 32768;
  std::vector<std::atomic<std::uint64_t>> slots(window_slots_for(kWindow));
  ReplayWindow(top, slots.front(), kWindow).initialise(SeqNum{0});
  std::vector<std::atomic<std::uint8_t>> accepted(kWindow);
  const auto work = [&](std::uint32_t seed) {
    ReplayWindow window(top, slots.front(), kWindow);
    std::vector<SeqNum> numbers;
    for (std::uint64_t number = 1; number < kWindow; ++number) numbers.emplace_back(number);
    std::shuffle(numbers.begin(), numbers.end(), std::mt19937(seed));
    for (std::size_t done = 0; done < numbers.size();) {
      const std::size_t count = std::min<std::size_t>(32, numbers.size() - done);
      std::array<ReplayVerdict, 32> verdicts{};
      window.commit(std::span(numbers).subspan(done, count), std::span(verdicts).first(count));
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_NE(verdicts[i], ReplayVerdict::too_old);
        if (verdicts[i] == ReplayVerdict::fresh) accepted[numbers[done + i].raw()].fetch_add(1);
      }
      done += count;
    }
  };
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  for (std::uint64_t number = 1; number < kWindow; ++number) {
    ASSERT_EQ(accepted[number].load(), 1) << number;
  }
}

}  // namespace
}  // namespace culvert
