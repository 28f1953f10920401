// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "control/free_slots.h"
#include "control/policy.h"
#include "control/sa_slots.h"
#include "control/slot_hash.h"
#include "control/slot_note.h"
#include "control/table_hash.h"
#include "dataplane/shm/regions.h"

namespace culvert {

// The SPD's slots and the ways to find them; the twin of SaSlots.
class PolicySlots {
 public:
  explicit PolicySlots(Regions& regions);

  enum class Found : std::uint8_t { live, unfinished, free };
  // After a restart: what is in this slot. See SaSlots::load.
  [[nodiscard]] Found load(std::uint32_t slot);
  void put_back_free(std::uint32_t slot) { free_.put(slot); }

  [[nodiscard]] std::uint32_t take();
  void give_back(std::uint32_t slot);

  void list(std::uint32_t slot);
  void delist(std::uint32_t slot);

  [[nodiscard]] std::uint32_t find(const PolicyId& id) const;
  [[nodiscard]] std::uint32_t find(PolicyDirection direction, std::uint32_t index) const;
  // Calls `visit(slot)` for every outbound policy whose template wants SAs of this pair.
  template <typename Visit>
  void for_each_wanting(const SaPair& pair, Visit visit) const {
    for (std::uint32_t slot = by_pair_.first(hash_(pair)); slot != kNoSlot;
         slot = by_pair_.next(slot)) {
      const Template& wanted = wanted_[slot];
      if (wanted.reqid == pair.reqid && wanted.dst == pair.dst) visit(slot);
    }
  }
  [[nodiscard]] std::uint32_t next_listed(std::uint32_t from) const { return listed_.next(from); }
  [[nodiscard]] bool is_listed(std::uint32_t slot) const {
    return slot < specs_.size() && listed_.test(slot);
  }

  [[nodiscard]] PolicySpec& spec(std::uint32_t slot) { return specs_[slot]; }
  [[nodiscard]] const PolicySpec& spec(std::uint32_t slot) const { return specs_[slot]; }
  [[nodiscard]] PolicyRecord record(std::uint32_t slot) const {
    return read_record<PolicyRecord>(notes_[slot]);
  }
  void set_record(std::uint32_t slot, const PolicyRecord& record) {
    write_record(notes_[slot], record);
  }
  [[nodiscard]] Policy policy(std::uint32_t slot) const {
    return policy_from(specs_[slot], record(slot), slot);
  }

  // Of those that came by XFRM.
  [[nodiscard]] std::uint32_t count(PolicyDirection direction) const {
    return counts_[static_cast<std::size_t>(direction)];
  }
  [[nodiscard]] std::uint32_t capacity() const { return static_cast<std::uint32_t>(specs_.size()); }
  // XFRM's number for a new policy: `wanted` if it is free, as xfrm_gen_index does.
  [[nodiscard]] std::uint32_t new_index(PolicyDirection direction, std::uint32_t wanted);
  [[nodiscard]] std::uint32_t next_order() { return ++order_; }

 private:
  [[nodiscard]] std::uint64_t selector_hash(PolicyDirection direction, const Selector& selector,
                                            const SelectorRanges& ranges) const;
  [[nodiscard]] std::uint64_t index_hash(std::uint32_t index) const { return hash_(index); }
  [[nodiscard]] std::uint32_t find_index(std::uint32_t index) const;

  std::span<PolicySpec> specs_;
  std::span<PolicyNote> notes_;
  TableHash hash_;
  FreeSlots free_;
  SlotHash by_selector_;
  SlotHash by_index_;
  SlotHash by_pair_;
  SlotBits listed_;
  std::vector<Template> wanted_;  // the template of listed outbound policies, by slot
  std::array<std::uint32_t, kPolicyDirections> counts_{};
  std::uint32_t index_generator_ = 8;
  std::uint32_t order_ = 0;
};

// The id that finds this policy.
[[nodiscard]] PolicyId id_of(const Policy& policy);

// The SAs an outbound policy leads to, newest first (xfrm_state_find's conditions; an unset reqid
// finds only SAs without one, as there). At most kMaxPolicySas.
struct PolicySas {
  std::array<std::uint32_t, kMaxPolicySas> slots{};
  std::uint8_t count = 0;
  friend bool operator==(const PolicySas&, const PolicySas&) = default;
};
[[nodiscard]] PolicySas resolve(const PolicyRecord& policy, const Selector& selector,
                                const SaSlots& sas);

}  // namespace culvert
