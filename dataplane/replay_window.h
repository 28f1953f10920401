// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/net/esp.h"
#include "dataplane/net/types.h"
#include "dataplane/shm/layout.h"

namespace culvert {

enum class ReplayVerdict : std::uint8_t {
  fresh,    // not seen yet; after commit: accepted
  replay,   // seen already
  too_old,  // left of the window
};

// One slot: the 32 bits of block b of sequence numbers (b = number / 32) and which block it is.
// Slot b mod S holds it, and its generation is b / S, low 32 bits.
struct ReplaySlot {
  std::uint32_t generation = 0;
  std::uint32_t seen = 0;  // bit i: number 32 b + i was accepted

  [[nodiscard]] static constexpr ReplaySlot from_word(std::uint64_t word) {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word)};
  }
  [[nodiscard]] constexpr std::uint64_t to_word() const {
    return std::uint64_t{generation} << 32 | seen;
  }
};

// The anti-replay window of one inbound SA (RFC 4303 3.4.3), exact, and used by any number of
// workers at once without a lock. It is a view: T, an upper bound of every number accepted, and the
// S slots lie in shared memory and outlive it.
//
// A slot's block never goes back and a bit of a block is never cleared, so nothing is accepted
// twice. T is raised before a slot is touched, so T bounds what the slots hold.
//
// Limit: a slot that its SA did not touch for 2^32 generations (2^38 numbers for W = 32) looks like
// the present one; a sender would have to skip that many numbers.
class ReplayWindow {
 public:
  // `slots` is the first of window_slots_for(window_size) slots.
  ReplayWindow(std::atomic<std::uint64_t>& top, std::atomic<std::uint64_t>& slots,
               std::uint32_t window_size)
      : top_(&top),
        slots_(&slots),
        window_size_(window_size),
        slot_bits_(static_cast<std::uint32_t>(std::bit_width((window_size + 30) / 32))) {}

  // The window that `state` describes; `windows` is the region's array, for those above 64.
  [[nodiscard]] static ReplayWindow of(SaState& state,
                                       std::span<std::atomic<std::uint64_t>> windows);

  // Writer only, before the SA is published: everything up to `top` counts as seen (0: a new SA).
  // Publishing the SA with release order makes it visible to workers.
  void initialise(SeqNum top);

  // Writer, with workers at it: everything up to `top` counts as seen from now on, as when a state is
  // taken over from somewhere else. It only moves forward.
  void advance(SeqNum top);

  // T. Relaxed: a bound that may be out of date as soon as it is read.
  [[nodiscard]] SeqNum top() const { return SeqNum{top_->load(std::memory_order_relaxed)}; }
  [[nodiscard]] std::uint32_t size() const { return window_size_; }

  // With ESN: the 64-bit number that `wire_low` most likely stands for (RFC 4303 A2).
  [[nodiscard]] SeqNum infer_esn(std::uint32_t wire_low) const {
    return infer_sequence(wire_low, top(), window_size_);
  }

  // Fetches the slot of `number`, for pre_check and commit a few packets later. Of use when S > 4.
  void prefetch(SeqNum number) const { __builtin_prefetch(slot_of(number.raw() >> kBlockBits), 1); }

  // What the window says of `number` now, before the packet is opened (RFC 4303 3.4.3). Reads only;
  // only commit decides. Number 0 is a replay, as no sender may use it.
  [[nodiscard]] ReplayVerdict pre_check(SeqNum number) const {
    if (is_left(number.raw(), top_->load(std::memory_order_relaxed))) return ReplayVerdict::too_old;
    const std::uint64_t block = number.raw() >> kBlockBits;
    // Relaxed: a stale slot only lets a packet through to commit.
    const auto slot = ReplaySlot::from_word(slot_of(block)->load(std::memory_order_relaxed));
    const bool is_seen = slot.generation == generation_of(block) &&
                         (slot.seen >> (number.raw() & kBlockMask) & 1) != 0;
    return is_seen ? ReplayVerdict::replay : ReplayVerdict::fresh;
  }

  // Puts the numbers of authenticated packets of one burst, in the order they came, into the window
  // and says of each whether it is the first one with its number: those and only those go on.
  void commit(std::span<const SeqNum> numbers, std::span<ReplayVerdict> verdicts);

 private:
  static constexpr std::uint32_t kBlockBits = 5;
  static constexpr std::uint64_t kBlockMask = 31;

  // What became of one run of packets in one block.
  struct Claim {
    std::uint32_t fresh = 0;     // bits that were not set before
    bool is_slot_newer = false;  // the block is no longer in the window
  };

  [[nodiscard]] bool is_left(std::uint64_t number, std::uint64_t top) const {
    return top >= window_size_ && number <= top - window_size_;
  }
  [[nodiscard]] std::atomic<std::uint64_t>* slot_of(std::uint64_t block) const {
    return slots_ + (block & ((std::uint64_t{1} << slot_bits_) - 1));
  }
  [[nodiscard]] std::uint32_t generation_of(std::uint64_t block) const {
    return static_cast<std::uint32_t>(block >> slot_bits_);
  }
  void raise_top(std::uint64_t top);
  [[nodiscard]] Claim claim(std::uint64_t block, std::uint32_t mask);

  std::atomic<std::uint64_t>* top_;
  std::atomic<std::uint64_t>* slots_;
  std::uint32_t window_size_;  // W
  std::uint32_t slot_bits_;    // k = log2 S
};

}  // namespace culvert
