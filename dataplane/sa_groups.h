// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/sa.h"
#include "dataplane/sa_limits.h"
#include "dataplane/worker_events.h"

namespace culvert {

// Packets that one pass of a stage works on.
inline constexpr std::size_t kBurst = 64;

// The packets of a burst by SA, so that shared counters, sequence numbers and windows are touched
// once per SA and burst and not once per packet. Order within an SA is kept.
class SaGroups {
 public:
  static constexpr std::uint16_t kEndOfList = 0xffff;

  struct Group {
    const Sa* sa = nullptr;
    std::uint64_t sequence = 0;  // outbound: the last one given out
    std::uint64_t time_ns = 0;   // of the last packet
    std::uint32_t packets = 0;
    std::uint32_t bytes = 0;
    // The user's list of the group's packets, by index.
    std::uint16_t head = kEndOfList;
    std::uint16_t tail = kEndOfList;

    // Adds what the group did to the SA's counters, and sees what they come to.
    void count(Writers writers, WorkerEvents& events) const {
      if (packets == 0) return;
      sa->state->packets.add(packets, writers);
      sa->state->bytes.add(bytes, writers);
      sa->state->last_used_ns.set(time_ns);
      if (sa->state->first_used_ns.get() == 0) sa->state->first_used_ns.set(time_ns);
      if (sa->has_limits != 0) check_limits(*sa, time_ns, events);
    }
  };

  void reset() {
    count_ = 0;
    ++epoch_;
  }

  // The group of `sa`, made if it is new.
  Group& of(const Sa* sa) {
    if (count_ != 0 && groups_[last_].sa == sa) return groups_[last_];
    for (std::size_t slot = sa->index % kSlots;; slot = (slot + 1) % kSlots) {
      Slot& entry = slots_[slot];
      if (entry.epoch != epoch_) {
        entry = {epoch_, static_cast<std::uint16_t>(count_)};
        last_ = count_++;
        groups_[last_] = {.sa = sa};
        return groups_[last_];
      }
      if (groups_[entry.group].sa == sa) {
        last_ = entry.group;
        return groups_[last_];
      }
    }
  }
  [[nodiscard]] std::size_t last_index() const { return last_; }

  [[nodiscard]] std::span<Group> groups() { return {groups_.data(), count_}; }

 private:
  static constexpr std::size_t kSlots = 4 * kBurst;
  struct Slot {
    std::uint32_t epoch = 0;
    std::uint16_t group = 0;
  };
  std::array<Slot, kSlots> slots_{};
  std::array<Group, kBurst> groups_{};
  std::size_t count_ = 0;
  std::size_t last_ = 0;
  std::uint32_t epoch_ = 0;
};

}  // namespace culvert
