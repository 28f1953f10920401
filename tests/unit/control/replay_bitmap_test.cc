// SPDX-License-Identifier: BSD-3-Clause
#include "control/replay_bitmap.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace culvert {
namespace {

// Marks `number` as the dataplane does: its block's slot holds generation and bit.
void mark(std::span<std::atomic<std::uint64_t>> slots, std::uint64_t number) {
  const std::uint64_t block = number / 32;
  std::atomic<std::uint64_t>& slot = slots[block % slots.size()];
  const std::uint64_t generation = block / slots.size() & 0xffffffff;
  const std::uint64_t seen = slot.load() >> 32 == generation ? slot.load() & 0xffffffff : 0;
  slot.store(generation << 32 | seen | 1ull << number % 32);
}

TEST(ReplayBitmap, PutsTheTopInTheLowestBit) {
  SaState state;
  state.window_size = 64;
  state.window_slots = 4;
  for (const std::uint64_t number : {1000u, 999u, 997u, 937u, 936u}) mark(state.window, number);
  state.sequence.store(1000);
  // 1000 - 937 = 63 is the last bit; 936 is left of the window.
  const std::vector<std::uint32_t> expected{0b1011, 1u << 31};
  EXPECT_EQ(read_replay_bitmap(state, {}), expected);
  EXPECT_EQ(bitmap_text(expected), "800000000000000b");
}

TEST(ReplayBitmap, DoesNotTakeAnOldGenerationForTheNewOne) {
  SaState state;
  state.window_size = 64;
  state.window_slots = 4;
  mark(state.window, 5);
  mark(state.window, 200);
  state.sequence.store(200);  // 200 / 32 = 6: other slot; 133 to 159 share one with 5
  EXPECT_EQ(read_replay_bitmap(state, {}), (std::vector<std::uint32_t>{1, 0}));
}

TEST(ReplayBitmap, IsEmptyBeforeTheFirstPacket) {
  SaState state;
  state.window_size = 64;
  state.window_slots = 4;
  state.window[0].store(1);
  EXPECT_EQ(read_replay_bitmap(state, {}), (std::vector<std::uint32_t>{0, 0}));
}

TEST(ReplayBitmap, ReadsLargeWindowsFromTheirArray) {
  constexpr std::uint32_t kWindow = 1024;
  constexpr std::uint32_t kOffset = 8;
  std::vector<std::atomic<std::uint64_t>> windows(kOffset + window_slots_for(kWindow));
  SaState state;
  state.window_size = kWindow;
  state.window_slots = window_slots_for(kWindow);
  state.window_offset = kOffset;
  const std::span<std::atomic<std::uint64_t>> all(windows);
  const std::uint64_t top = (1ull << 33) + 77;
  mark(all.subspan(kOffset), top);
  mark(all.subspan(kOffset), top - 1023);
  state.sequence.store(top);
  const std::vector<std::uint32_t> bitmap = read_replay_bitmap(state, all);
  ASSERT_EQ(bitmap.size(), 32u);
  EXPECT_EQ(bitmap.front(), 1u);
  EXPECT_EQ(bitmap.back(), 1u << 31);
}

TEST(ReplayBitmap, IsNoneWhereTheStateMakesNoSense) {
  std::vector<std::atomic<std::uint64_t>> windows(64);
  SaState state;
  EXPECT_TRUE(read_replay_bitmap(state, windows).empty());
  state.window_size = 1024;
  state.window_slots = 4;
  EXPECT_TRUE(read_replay_bitmap(state, windows).empty());
  state.window_slots = window_slots_for(1024);
  state.window_offset = 0xffffffff;
  EXPECT_TRUE(read_replay_bitmap(state, windows).empty());
  state.window_offset = 1;
  EXPECT_TRUE(read_replay_bitmap(state, windows).empty());
}

}  // namespace
}  // namespace culvert
