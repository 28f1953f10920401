// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replay_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "tests/unit/dataplane/plain_replay_window.h"

namespace culvert {
namespace {

// Memory for one window, taken over at `top`.
class WindowUnderTest {
 public:
  explicit WindowUnderTest(std::uint32_t size, std::uint64_t top = 0)
      : slots_(window_slots_for(size)), window_(top_, slots_.front(), size) {
    window_.initialise(SeqNum{top});
  }
  ReplayWindow* operator->() { return &window_; }

  // What one packet gets: refused before opening, or what commit says.
  ReplayVerdict take(std::uint64_t number) {
    const SeqNum numbers[] = {SeqNum{number}};
    ReplayVerdict verdicts[] = {ReplayVerdict::fresh};
    const ReplayVerdict early = window_.pre_check(numbers[0]);
    window_.commit(numbers, verdicts);
    EXPECT_EQ(early, verdicts[0]) << "number " << number;
    return verdicts[0];
  }

  std::vector<ReplayVerdict> take_burst(const std::vector<std::uint64_t>& numbers) {
    std::vector<SeqNum> burst;
    for (const std::uint64_t number : numbers) burst.emplace_back(number);
    std::vector<ReplayVerdict> verdicts(burst.size());
    window_.commit(burst, verdicts);
    return verdicts;
  }

 private:
  std::atomic<std::uint64_t> top_{0};
  std::vector<std::atomic<std::uint64_t>> slots_;
  ReplayWindow window_;
};

enum class Says { ok, seen, old };
constexpr ReplayVerdict verdict_of(Says says) {
  switch (says) {
    case Says::ok:
      return ReplayVerdict::fresh;
    case Says::seen:
      return ReplayVerdict::replay;
    case Says::old:
      break;
  }
  return ReplayVerdict::too_old;
}

struct Step {
  std::uint64_t number;
  Says says;
};

void tell(WindowUnderTest& window, const std::vector<Step>& story) {
  for (std::size_t i = 0; i < story.size(); ++i) {
    EXPECT_EQ(window.take(story[i].number), verdict_of(story[i].says))
        << "step " << i << ", number " << story[i].number;
  }
}

using enum Says;

TEST(ReplayWindow, TakesEachNumberOnceInAnyOrder) {
  WindowUnderTest window(64);
  tell(window, {{1, ok}, {1, seen}, {9, ok}, {8, ok}, {7, ok}, {7, seen}, {9, seen}, {2, ok}});
}

TEST(ReplayWindow, NeverTakesNumberZero) {
  WindowUnderTest window(64);
  tell(window, {{0, seen}, {5, ok}, {0, seen}, {63, ok}, {0, seen}, {64, ok}, {0, old}});
}

TEST(ReplayWindow, RejectsASequenceNumberLeftOfTheWindow) {
  WindowUnderTest window(64);
  tell(window, {{100, ok},
                {36, old},
                {37, ok},  // the window's left end
                {101, ok},
                {37, old},
                {38, ok}});
}

TEST(ReplayWindow, HoldsExactlyItsSizeForEverySize) {
  for (const std::uint32_t size : {32u, 33u, 64u, 65u, 128u, 1024u, 1025u, 4096u, 32768u}) {
    WindowUnderTest window(size);
    const std::uint64_t top = 10ull * size;
    tell(window, {{top, ok}, {top - size, old}, {top - size + 1, ok}, {top - size + 1, seen}});
  }
}

TEST(ReplayWindow, ForgetsTheOldWindowAfterAJump) {
  WindowUnderTest window(64);
  tell(window, {{1, ok},
                {1'000'000, ok},
                {1, old},
                {999'937, ok},
                {999'936, old},
                {1'000'000'000'000, ok},
                {1'000'000, old},
                {1'000'000'000'000, seen}});
}

TEST(ReplayWindow, CrossesTheEndOfTheFirstSubspace) {
  constexpr std::uint64_t kEnd = 1ull << 32;
  WindowUnderTest window(64, kEnd - 50);
  tell(window, {{kEnd - 1, ok},
                {kEnd, ok},
                {kEnd + 1, ok},
                {kEnd - 2, ok},
                {kEnd, seen},
                {kEnd + 62, ok},
                {kEnd - 2, old},
                {kEnd - 1, seen}});
}

TEST(ReplayWindow, WorksUpToTheLastNumber) {
  constexpr std::uint64_t kLast = ~0ull;
  WindowUnderTest window(64, kLast - 10);
  tell(window,
       {{kLast, ok}, {kLast - 1, ok}, {kLast, seen}, {kLast - 63, seen}, {kLast - 64, old}});
}

TEST(ReplayWindow, CountsEverythingUpToTheTopAsSeenWhenItTakesOver) {
  for (const std::uint64_t top : {1ull, 31ull, 32ull, 100ull, 127ull, (1ull << 32) - 1}) {
    WindowUnderTest window(64, top);
    EXPECT_EQ(window->top(), SeqNum{top});
    for (std::uint64_t back = 0; back < 64 && back <= top; ++back) {
      EXPECT_EQ(window->pre_check(SeqNum{top - back}), ReplayVerdict::replay);
    }
    for (std::uint64_t ahead = 1; ahead < 64; ++ahead) {
      EXPECT_EQ(window->pre_check(SeqNum{top + ahead}), ReplayVerdict::fresh);
    }
    tell(window, {{top, seen}, {top + 1, ok}, {top + 1, seen}, {top + 40, ok}, {top + 2, ok}});
  }
}

TEST(ReplayWindow, PreCheckChangesNothing) {
  WindowUnderTest window(64);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(window->pre_check(SeqNum{70}), ReplayVerdict::fresh);
  EXPECT_EQ(window->top(), SeqNum{0});
  tell(window, {{1, ok}});
}

TEST(ReplayWindow, TakesTheFirstOfTwoEqualNumbersInABurst) {
  WindowUnderTest window(64);
  using enum ReplayVerdict;
  EXPECT_EQ(window.take_burst({5, 6, 5, 40, 6, 40}),
            (std::vector{fresh, fresh, replay, fresh, replay, replay}));
}

TEST(ReplayWindow, MovesWithinABurst) {
  WindowUnderTest window(64);
  using enum ReplayVerdict;
  // 36 is in the window until 100 moves it; the slot of 1000 is the one that held 104.
  EXPECT_EQ(window.take_burst({36, 100, 36, 37, 104, 1000, 104}),
            (std::vector{fresh, fresh, too_old, fresh, fresh, fresh, too_old}));
}

TEST(ReplayWindow, InfersTheHighHalfOfExtendedSequenceNumbers) {
  constexpr std::uint64_t kEnd = 1ull << 32;
  WindowUnderTest window(64, kEnd - 10);
  EXPECT_EQ(window->infer_esn(0xfffffff0), SeqNum{kEnd - 16});
  EXPECT_EQ(window->infer_esn(3), SeqNum{kEnd + 3});
  EXPECT_EQ(window->infer_esn(0x80000000), SeqNum{kEnd + 0x80000000});
}

TEST(ReplayWindow, MovesUpWhenAStateIsTakenOver) {
  WindowUnderTest window(64);
  tell(window, {{1, ok}, {2, ok}, {90, ok}});
  window->advance(SeqNum{100});
  EXPECT_EQ(window->top(), SeqNum{100});
  tell(window, {{36, old}, {37, seen}, {60, seen}, {91, seen}, {100, seen}, {101, ok}, {101, seen}});
  window->advance(SeqNum{(1ull << 40) + 5});
  tell(window, {{101, old}, {(1ull << 40) + 4, seen}, {(1ull << 40) + 6, ok}});
}

TEST(ReplayWindow, NeverMovesBack) {
  WindowUnderTest window(64);
  tell(window, {{100, ok}});
  window->advance(SeqNum{99});
  window->advance(SeqNum{100});
  EXPECT_EQ(window->top(), SeqNum{100});
  tell(window, {{99, ok}, {100, seen}});
}

TEST(ReplayWindow, LiesInTheStateOfAnSa) {
  const auto state = std::make_unique<SaState>();
  std::vector<std::atomic<std::uint64_t>> windows(128);
  for (const std::uint32_t size : {32u, 64u, 128u, 1024u}) {
    state->window_size = size;
    state->window_offset = 7;
    ReplayWindow window = ReplayWindow::of(*state, windows);
    window.initialise(SeqNum{500});
    EXPECT_EQ(state->sequence.load(), 500u);
    EXPECT_EQ(window.size(), size);
    EXPECT_EQ(window.pre_check(SeqNum{500}), ReplayVerdict::replay);
    EXPECT_EQ(window.pre_check(SeqNum{501}), ReplayVerdict::fresh);
  }
  EXPECT_EQ(windows[6].load(), 0u);  // in front of all the windows made above
}

// Numbers as a network brings them: mostly in order, some late, some again, some far ahead.
class Traffic {
 public:
  Traffic(std::uint64_t start, std::uint32_t window_size, std::uint32_t seed)
      : next_(start), window_size_(window_size), random_(seed) {}

  std::uint64_t next() {
    const auto dice = random_() % 100;
    if (dice < 60) return ++next_;
    if (dice < 90) return back(random_() % (window_size_ + window_size_ / 8 + 2));
    if (dice < 94) return back(random_() % 8);
    if (dice < 97) return next_ += random_() % 40;
    if (dice < 99) return next_ += random_() % (2 * window_size_);
    return next_ += random_() % 20 == 0 ? random_() : random_() % (40ull * window_size_);
  }
  std::size_t burst_size() { return 1 + random_() % 64; }

 private:
  std::uint64_t back(std::uint64_t distance) { return distance > next_ ? 1 : next_ - distance; }

  std::uint64_t next_;
  std::uint32_t window_size_;
  std::mt19937 random_;
};

TEST(ReplayWindow, AgreesWithAPlainSequentialWindow) {
  constexpr int kBursts = 1500;
  std::uint32_t seed = 1;
  std::size_t compared = 0;
  for (const std::uint32_t size : {32u, 64u, 128u, 1024u, 4096u, 32768u}) {
    for (const std::uint64_t start : {0ull, (1ull << 32) - 50, 1ull << 36}) {
      WindowUnderTest window(size, start);
      PlainReplayWindow plain(size, start);
      Traffic traffic(start, size, seed++);
      for (int burst = 0; burst < kBursts; ++burst) {
        std::vector<std::uint64_t> numbers(traffic.burst_size());
        for (std::uint64_t& number : numbers) number = traffic.next();
        const std::vector<ReplayVerdict> verdicts = window.take_burst(numbers);
        for (std::size_t i = 0; i < numbers.size(); ++i, ++compared) {
          ASSERT_EQ(verdicts[i], plain.take(numbers[i]))
              << "W " << size << ", start " << start << ", number " << numbers[i];
        }
        ASSERT_EQ(window->top(), SeqNum{plain.top()});
      }
    }
  }
  EXPECT_GT(compared, 500'000u);
}

}  // namespace
}  // namespace culvert
