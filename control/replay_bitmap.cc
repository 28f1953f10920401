// SPDX-License-Identifier: BSD-3-Clause
#include "control/replay_bitmap.h"

#include <fmt/format.h>

#include <bit>

namespace culvert {
namespace {

constexpr std::uint32_t kBlockBits = 5;  // 32 numbers in a slot

}  // namespace

std::vector<std::uint32_t> read_replay_bitmap(const SaState& state,
                                              std::span<const std::atomic<std::uint64_t>> windows) {
  const std::uint32_t size = state.window_size;
  const std::uint32_t slot_count = state.window_slots;
  const std::uint32_t offset = state.window_offset;
  if (size == 0 || size > kMaxReplayWindow || slot_count != window_slots_for(size)) return {};
  std::span<const std::atomic<std::uint64_t>> slots(state.window);
  if (slot_count > kInlineWindowSlots) {
    if (offset > windows.size() || windows.size() - offset < slot_count) return {};
    slots = windows.subspan(offset, slot_count);
  }
  slots = slots.first(slot_count);
  const std::uint64_t top = state.sequence.load(std::memory_order_acquire);
  const auto generation_bits = static_cast<std::uint32_t>(std::countr_zero(slot_count));
  std::vector<std::uint32_t> bitmap((size + 31) / 32);
  for (std::uint32_t i = 0; i < size && i < top; ++i) {
    const std::uint64_t number = top - i;
    const std::uint64_t block = number >> kBlockBits;
    // A slot: generation in the upper half, bits in the lower; see the dataplane's replay window.
    const std::uint64_t slot = slots[block & (slot_count - 1)].load(std::memory_order_relaxed);
    const bool is_of_block = static_cast<std::uint32_t>(slot >> 32) ==
                             static_cast<std::uint32_t>(block >> generation_bits);
    if (is_of_block && (slot >> (number & 31) & 1) != 0) bitmap[i / 32] |= 1u << i % 32;
  }
  return bitmap;
}

std::string bitmap_text(std::span<const std::uint32_t> bitmap) {
  std::string text;
  for (auto word = bitmap.rbegin(); word != bitmap.rend(); ++word) {
    text += fmt::format("{:08x}", *word);
  }
  return text;
}

}  // namespace culvert
