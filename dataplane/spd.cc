// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/spd.h"

#include <utility>

namespace culvert {
namespace {

// How many replaced entries may gather before the writer waits for quiescence to use them again.
constexpr std::uint32_t kMaxRetiredEntries = 1024;

PolicyEntry entry_of(std::uint32_t index, const PolicySpec& spec) {
  PolicyEntry entry;
  entry.priority = spec.priority;
  entry.index = index;
  entry.reqid = spec.reqid;
  entry.action = spec.action;
  entry.is_optional = spec.is_optional != 0;
  entry.spreads = spec.spreads != 0;
  entry.sa_count = spec.sa_count;
  for (std::size_t i = 0; i < spec.sa_count; ++i) entry.sas[i] = SaIndex{spec.sas[i]};
  if (spec.direction == Direction::in) {
    entry.template_mode = spec.template_mode & 3u;
    entry.sas.front() = SaIndex{spec.template_spi};
  }
  entry.template_src = spec.template_src;
  entry.template_dst = spec.template_dst;
  return entry;
}

}  // namespace

// A policy of no family takes two entries.
Spd::Spd(std::uint32_t max_policies, std::uint64_t secret, Quiescence& quiescence)
    : secret_(secret),
      max_policies_(max_policies),
      quiescence_(quiescence),
      firsts_(2 * max_policies + kMaxRetiredEntries + 1, max_policies),
      entries_(2 * std::size_t{max_policies} + kMaxRetiredEntries + 1),
      ranged_(2 * std::size_t{max_policies} + kMaxRetiredEntries + 1),
      links_(2 * std::size_t{max_policies} + kMaxRetiredEntries + 1),
      by_policy_(max_policies) {
  // So that a change never has to move what is in them.
  retired_entries_.reserve(kMaxRetiredEntries);
  free_entries_.reserve(2 * std::size_t{max_policies} + kMaxRetiredEntries);
}

std::unique_ptr<Spd> Spd::create(std::uint32_t max_policies, std::uint64_t secret,
                                 Quiescence& quiescence) {
  std::unique_ptr<Spd> spd(new Spd(max_policies, secret, quiescence));
  if (!spd->firsts_.is_reserved() || !spd->entries_.is_reserved() || !spd->ranged_.is_reserved() ||
      !spd->links_.is_reserved() || !spd->by_policy_.is_reserved()) {
    return nullptr;
  }
  return spd;
}

Refusal Spd::set(std::uint32_t index, const PolicySpec& spec) {
  if (index >= max_policies_) return Refusal::bad_index;
  if (const Refusal refusal = validate(spec); refusal != Refusal::none) return refusal;
  const SelectorWords words = selector_words(spec);
  const bool is_v4 = spec.selector.family != Family::v6;
  const bool is_v6 = spec.selector.family != Family::v4;
  TupleId tuple_v4 = 0;
  TupleId tuple_v6 = 0;
  Refusal refusal = Refusal::none;
  if (is_v4) refusal = find_or_add_tuple({Family::v4, spec.direction, words.mask}, tuple_v4);
  if (is_v6 && refusal == Refusal::none) {
    refusal = find_or_add_tuple({Family::v6, spec.direction, words.mask}, tuple_v6);
  }
  if (refusal != Refusal::none) return refusal;
  PolicyEntries& entries = by_policy_[index];
  PolicyEntry wanted_v4 = entry_of(index, spec);
  wanted_v4.match = words.match;
  wanted_v4.has_ranges = words.has_ranges;
  wanted_v4.order = next_order_++;
  PolicyEntry wanted_v6 = wanted_v4;
  wanted_v4.match.rest |= std::uint64_t{tuple_v4} << kTupleShift;
  wanted_v6.match.rest |= std::uint64_t{tuple_v6} << kTupleShift;
  if ((is_v4 && !has_room(wanted_v4, entries.v4)) || (is_v6 && !has_room(wanted_v6, entries.v6))) {
    return Refusal::too_many_ranges;
  }

  if (entries.v4 == kNoEntry && entries.v6 == kNoEntry) ++size_;
  if (is_v4) {
    place(entries.v4, wanted_v4, words.bounds);
  } else {
    drop(entries.v4);
  }
  if (is_v6) {
    place(entries.v6, wanted_v6, words.bounds);
  } else {
    drop(entries.v6);
  }
  changed();
  return Refusal::none;
}

// Puts a policy into a family's tuple, in the place of the entry that it had in that family.
void Spd::place(EntryId& slot, const PolicyEntry& wanted, const FlowBounds& bounds) {
  const EntryId id = take_entry();
  entries_[id] = wanted;
  if (wanted.has_ranges) ranged_[id].bounds = bounds;
  const EntryId old_id = std::exchange(slot, id);
  if (old_id == kNoEntry) {
    link(id);
  } else if (keeps_place(old_id, wanted, bounds)) {
    take_place_of(old_id, id);
  } else {
    link(id);
    // A worker may have passed the new entry's place before this, in another tuple or the same
    // chain, and come to the old one only later: until all were quiescent the old one stays, too.
    if (tuple_of(entries_[old_id]) != tuple_of(wanted) || is_walked_to(old_id)) reclaim();
    unlink(old_id);
  }
}

bool Spd::keeps_place(EntryId old_id, const PolicyEntry& wanted, const FlowBounds& bounds) const {
  const PolicyEntry& old = entries_[old_id];
  return old.match == wanted.match && old.priority == wanted.priority &&
         old.has_ranges == wanted.has_ranges &&
         (!wanted.has_ranges || ranged_[old_id].bounds == bounds);
}

void Spd::drop(EntryId& slot) {
  if (const EntryId id = std::exchange(slot, kNoEntry); id != kNoEntry) unlink(id);
}

Refusal Spd::remove(std::uint32_t index) {
  if (index >= max_policies_) return Refusal::bad_index;
  PolicyEntries& entries = by_policy_[index];
  if (entries.v4 == kNoEntry && entries.v6 == kNoEntry) return Refusal::slot_empty;
  drop(entries.v4);
  drop(entries.v6);
  --size_;
  changed();
  return Refusal::none;
}

// There are always more entries than policies and entries retired together.
Spd::EntryId Spd::take_entry() {
  if (free_entries_.empty() && retired_entries_.size() >= kMaxRetiredEntries) reclaim();
  if (free_entries_.empty()) return next_unused_entry_++;
  const EntryId id = free_entries_.back();
  free_entries_.pop_back();
  return id;
}

void Spd::reclaim() {
  changed();
  quiescence_.wait();
  lists_v4_.free_retired();
  lists_v6_.free_retired();
  free_entries_.insert(free_entries_.end(), retired_entries_.begin(), retired_entries_.end());
  retired_entries_.clear();
}

}  // namespace culvert
