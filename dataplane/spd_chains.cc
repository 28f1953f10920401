// SPDX-License-Identifier: BSD-3-Clause
// The SPD's chains: policies under the same words of the same tuple, the best first.
#include <cassert>
#include <iterator>

#include "dataplane/spd.h"

namespace culvert {
namespace {

// Chains of up to so many are walked; longer ones are kept in order by a LongChain, too, until they
// are half as long.
constexpr std::size_t kShortChain = 8;

}  // namespace

std::uint64_t Spd::hash_of(const PolicyEntry& entry) const {
  const bool is_v6 = tuples_[tuple_of(entry)].key.family == Family::v6;
  return is_v6 ? hash(entry.match) : hash(FlowWords{entry.match.source_high, entry.match.rest});
}

// The best of the chain to which the entry belongs.
Spd::EntryId Spd::first_like(const PolicyEntry& entry, std::uint64_t hash) const {
  const std::uint32_t id = firsts_.find(hash, tag_of(hash), [&](EntryId candidate) {
    return entries_[candidate].match == entry.match;
  });
  return id == BucketTable::kNone ? kNoEntry : id;
}

// May one more policy with ranges come into its chain, besides or instead of the entry `own`?
bool Spd::has_room(const PolicyEntry& wanted, EntryId own) const {
  if (!wanted.has_ranges) return true;
  const bool replaces_own =
      own != kNoEntry && entries_[own].has_ranges && entries_[own].match == wanted.match;
  if (replaces_own) return true;
  if (const auto chain = long_chains_.find(wanted.match); chain != long_chains_.end()) {
    return chain->second.ranges < kMaxRanges;
  }
  static_assert(kShortChain < kMaxRanges);
  return true;
}

// Readers follow only what has ranges: anything else is the last that they look at.
void Spd::set_next(EntryId id, EntryId next) {
  links_[id].next = next;
  // Release: pairs with the acquire in find_within().
  if (entries_[id].has_ranges) ranged_[id].next.store(next, std::memory_order_release);
}

// Between which two of the chain that begins with `first` the entry is to be.
Spd::Links Spd::place_in_chain(EntryId id, EntryId first) {
  const PolicyEntry& entry = entries_[id];
  const auto rank_of = [this](EntryId member) {
    return Rank{entries_[member].priority, entries_[member].order};
  };
  auto chain = long_chains_.find(entry.match);
  if (chain == long_chains_.end()) {
    Links found{kNoEntry, first};
    std::size_t length = 0;
    for (EntryId member = first; member != kNoEntry; member = links_[member].next) {
      ++length;
      if (!entries_[member].wins_over(entry)) continue;
      found = {member, links_[member].next};
    }
    if (length < kShortChain) return found;
    chain = long_chains_.emplace(entry.match, LongChain{}).first;
    for (EntryId member = first; member != kNoEntry; member = links_[member].next) {
      chain->second.by_rank.emplace(rank_of(member), member);
      chain->second.ranges += entries_[member].has_ranges ? 1 : 0;
    }
  }
  auto& by_rank = chain->second.by_rank;
  const auto here = by_rank.emplace(rank_of(id), id).first;
  chain->second.ranges += entry.has_ranges ? 1 : 0;
  const auto after = std::next(here);
  return {here == by_rank.begin() ? kNoEntry : std::prev(here)->second,
          after == by_rank.end() ? kNoEntry : after->second};
}

void Spd::link(EntryId id) {
  const PolicyEntry& entry = entries_[id];
  const std::uint64_t hashed = hash_of(entry);
  const auto [previous, next] = place_in_chain(id, first_like(entry, hashed));
  links_[id].previous = previous;
  set_next(id, next);
  if (next != kNoEntry) links_[next].previous = id;
  if (previous != kNoEntry) {
    set_next(previous, id);
  } else if (next != kNoEntry) {
    firsts_.replace(hashed, tag_of(hashed), next, id);
  } else {
    firsts_.insert(hashed, tag_of(hashed), id);
  }
  count_priority(entry);
}

// A reader may stand on the entry, so it keeps its own way on.
void Spd::unlink(EntryId id) {
  const PolicyEntry& entry = entries_[id];
  const auto [previous, next] = links_[id];
  const std::uint64_t hashed = hash_of(entry);
  if (next != kNoEntry) links_[next].previous = previous;
  if (previous != kNoEntry) {
    set_next(previous, next);
  } else if (next != kNoEntry) {
    firsts_.replace(hashed, tag_of(hashed), id, next);
  } else {
    firsts_.erase(hashed, tag_of(hashed), id);
  }
  leave_long_chain(entry);
  uncount_priority(entry);
  retired_entries_.push_back(id);
}

void Spd::leave_long_chain(const PolicyEntry& entry) {
  const auto chain = long_chains_.find(entry.match);
  if (chain == long_chains_.end()) return;
  chain->second.by_rank.erase(Rank{entry.priority, entry.order});
  chain->second.ranges -= entry.has_ranges ? 1 : 0;
  if (chain->second.by_rank.size() <= kShortChain / 2) long_chains_.erase(chain);
}

// Is there a way to the entry on which a reader may be, rather than only the table's?
bool Spd::is_walked_to(EntryId id) const {
  const EntryId previous = links_[id].previous;
  return previous != kNoEntry && entries_[previous].has_ranges;
}

// The two have the same words, bounds and priority.
void Spd::take_place_of(EntryId old_id, EntryId id) {
  PolicyEntry& entry = entries_[id];
  entry.order = entries_[old_id].order;
  const auto [previous, next] = links_[old_id];
  links_[id].previous = previous;
  set_next(id, next);
  if (next != kNoEntry) links_[next].previous = id;
  if (previous != kNoEntry) {
    set_next(previous, id);
  } else {
    const std::uint64_t hashed = hash_of(entry);
    firsts_.replace(hashed, tag_of(hashed), old_id, id);
  }
  if (const auto chain = long_chains_.find(entry.match); chain != long_chains_.end()) {
    chain->second.by_rank[Rank{entry.priority, entry.order}] = id;
  }
  retired_entries_.push_back(old_id);
}

}  // namespace culvert
