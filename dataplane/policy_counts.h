// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/packet.h"
#include "dataplane/sa_groups.h"
#include "dataplane/shm/layout.h"

namespace culvert {

// The packets of a burst by policy, so that a policy's record, which all workers write, is touched
// once per burst: an atomic add for each packet would also wait for all its stores.
class PolicyCounts {
 public:
  PolicyCounts(std::span<PolicyState> states, Writers writers)
      : states_(states), writers_(writers) {}

  // Notes that the policy was used. At most kBurst times before flush().
  void add(std::uint32_t policy, Packet packet) {
    if (count_ == 0 || entries_[last_].policy != policy) last_ = place_of(policy);
    Entry& entry = entries_[last_];
    ++entry.packets;
    entry.bytes += packet.length();
    entry.time_ns = packet.meta().time_ns;
  }

  void flush() {
    for (std::size_t i = 0; i < count_; ++i) {
      const Entry& entry = entries_[i];
      PolicyState& state = states_[entry.policy];
      state.packets.add(entry.packets, writers_);
      state.bytes.add(entry.bytes, writers_);
      state.last_used_ns.set(entry.time_ns);
      slots_[entry.slot] = 0;
    }
    count_ = 0;
  }

 private:
  static constexpr std::size_t kSlots = 4 * kBurst;
  struct Entry {
    std::uint64_t time_ns = 0;  // of the last packet
    std::uint32_t policy = 0;
    std::uint32_t packets = 0;
    std::uint32_t bytes = 0;
    std::uint32_t slot = 0;
  };

  std::size_t place_of(std::uint32_t policy) {
    for (std::uint32_t slot = policy % kSlots;; slot = (slot + 1) % kSlots) {
      if (slots_[slot] == 0) {
        entries_[count_] = {.policy = policy, .slot = slot};
        __builtin_prefetch(&states_[policy], 1);
        slots_[slot] = static_cast<std::uint8_t>(++count_);
        return count_ - 1;
      }
      if (entries_[slots_[slot] - 1u].policy == policy) return slots_[slot] - 1u;
    }
  }

  std::span<PolicyState> states_;
  Writers writers_;
  std::array<Entry, kBurst> entries_{};
  std::array<std::uint8_t, kSlots> slots_{};  // number of the entry from 1 on; 0: free
  std::size_t count_ = 0;
  std::size_t last_ = 0;
};

}  // namespace culvert
