// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replay_window.h"

#include <algorithm>
#include <cassert>

namespace culvert {

ReplayWindow ReplayWindow::of(SaState& state, std::span<std::atomic<std::uint64_t>> windows) {
  const std::uint32_t slots = window_slots_for(state.window_size);
  if (slots <= kInlineWindowSlots) {
    return {state.sequence, state.window.front(), state.window_size};
  }
  assert(state.window_offset + std::size_t{slots} <= windows.size());
  return {state.sequence, windows[state.window_offset], state.window_size};
}

// Each slot gets the newest of its blocks that is not above T. What was accepted below T is not
// known here, so all of it counts as seen. A slot that has had no block yet stays zero, which is
// its first block with nothing seen.
void ReplayWindow::initialise(SeqNum top) {
  top_->store(top.raw(), std::memory_order_relaxed);
  const std::uint64_t slot_count = std::uint64_t{1} << slot_bits_;
  const std::uint64_t top_block = top.raw() >> kBlockBits;
  for (std::uint64_t i = 0; i < slot_count; ++i) {
    const std::uint64_t distance = (top_block - i) & (slot_count - 1);
    ReplaySlot slot;
    if (distance <= top_block) {
      const std::uint64_t block = top_block - distance;
      slot.generation = generation_of(block);
      slot.seen = 0xffffffff;
      if (distance == 0) slot.seen >>= kBlockMask - (top.raw() & kBlockMask);
    }
    slots_[i].store(slot.to_word(), std::memory_order_relaxed);
  }
}

// Relaxed: the slot's compare-and-swap that follows releases it.
void ReplayWindow::raise_top(std::uint64_t top) {
  std::uint64_t current = top_->load(std::memory_order_relaxed);
  while (current < top && !top_->compare_exchange_weak(current, top, std::memory_order_relaxed)) {
  }
}

// Step 3 for one run: sets the bits `mask` of `block`, and says which were not set before.
ReplayWindow::Claim ReplayWindow::claim(std::uint64_t block, std::uint32_t mask) {
  std::atomic<std::uint64_t>& word = *slot_of(block);
  const std::uint32_t generation = generation_of(block);
  // Acquire, here and where the exchange fails: pairs with its release where it succeeds. Whoever
  // put a newer block here raised T before, and we see that T below.
  std::uint64_t expected = word.load(std::memory_order_acquire);
  for (;;) {
    const ReplaySlot slot = ReplaySlot::from_word(expected);
    const std::uint32_t ahead = slot.generation - generation;
    std::uint32_t fresh = mask;
    std::uint32_t seen = mask;
    if (ahead == 0) {
      fresh = mask & ~slot.seen;
      seen = mask | slot.seen;
      if (fresh == 0) return {};
    } else {
      const std::uint64_t top_generation =
          top_->load(std::memory_order_relaxed) >> (kBlockBits + slot_bits_);
      if (ahead <= top_generation - (block >> slot_bits_)) return {.is_slot_newer = true};
    }
    if (word.compare_exchange_weak(expected, ReplaySlot{generation, seen}.to_word(),
                                   std::memory_order_acq_rel, std::memory_order_acquire)) {
      return {.fresh = fresh};
    }
  }
}

void ReplayWindow::advance(SeqNum top) {
  if (top <= this->top()) return;
  raise_top(top.raw());
  const std::uint64_t last_block = top.raw() >> kBlockBits;
  const std::uint64_t left = top.raw() >= window_size_ ? top.raw() - window_size_ + 1 : 0;
  for (std::uint64_t block = left >> kBlockBits; block <= last_block; ++block) {
    std::uint32_t mask = 0xffffffff;
    if (block == last_block) mask >>= kBlockMask - (top.raw() & kBlockMask);
    static_cast<void>(claim(block, mask));
  }
}

void ReplayWindow::commit(std::span<const SeqNum> numbers, std::span<ReplayVerdict> verdicts) {
  assert(numbers.size() == verdicts.size());
  // 1. What lies left of the window, which the burst itself moves.
  const std::uint64_t old_top = top_->load(std::memory_order_relaxed);
  std::uint64_t top = old_top;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::uint64_t number = numbers[i].raw();
    verdicts[i] = is_left(number, top) ? ReplayVerdict::too_old : ReplayVerdict::fresh;
    top = std::max(top, number);
  }

  // 2. T bounds all that the slots hold, so it goes first.
  if (top > old_top) raise_top(top);

  // 3. One exchange for each run of packets in one block.
  std::size_t run_end = 0;
  for (std::size_t run_start = 0; run_start < numbers.size(); run_start = run_end) {
    run_end = run_start + 1;
    if (verdicts[run_start] == ReplayVerdict::too_old) continue;
    const std::uint64_t block = numbers[run_start].raw() >> kBlockBits;
    std::uint32_t mask = 1u << (numbers[run_start].raw() & kBlockMask);
    for (; run_end < numbers.size(); ++run_end) {
      if (verdicts[run_end] == ReplayVerdict::too_old) continue;
      if (numbers[run_end].raw() >> kBlockBits != block) break;
      const std::uint32_t bit = 1u << (numbers[run_end].raw() & kBlockMask);
      if ((mask & bit) != 0) verdicts[run_end] = ReplayVerdict::replay;
      mask |= bit;
    }
    const Claim claimed = claim(block, mask);
    if (claimed.fresh == mask) continue;
    for (std::size_t i = run_start; i < run_end; ++i) {
      if (verdicts[i] == ReplayVerdict::too_old) continue;
      if (claimed.is_slot_newer) {
        verdicts[i] = ReplayVerdict::too_old;
      } else if ((claimed.fresh >> (numbers[i].raw() & kBlockMask) & 1) == 0) {
        verdicts[i] = ReplayVerdict::replay;
      }
    }
  }
}

}  // namespace culvert
