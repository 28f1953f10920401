// SPDX-License-Identifier: BSD-3-Clause
// The readers' half of the SPD.
#include <algorithm>
#include <cassert>

#include "dataplane/keyed_hash.h"
#include "dataplane/spd.h"

namespace culvert {
namespace {

constexpr std::uint64_t kNoPriority = ~std::uint64_t{0};  // worse than all

FlowWords words_in(const FlowWords& mask, std::uint64_t tag, const FlowWords& flow) {
  return {flow.addresses & mask.addresses, (flow.rest & mask.rest) | tag};
}
FlowWords6 words_in(const FlowWords6& mask, std::uint64_t tag, const FlowWords6& flow) {
  return {flow.source_high & mask.source_high, (flow.rest & mask.rest) | tag,
          flow.source_low & mask.source_low, flow.destination_high & mask.destination_high,
          flow.destination_low & mask.destination_low};
}

// The tuple in `rest` is of one family: two words tell IPv4 policies from all others.
bool is_selected(const PolicyEntry& policy, const FlowWords& words) {
  return policy.match.source_high == words.addresses && policy.match.rest == words.rest;
}
bool is_selected(const PolicyEntry& policy, const FlowWords6& words) {
  return ((policy.match.source_high ^ words.source_high) | (policy.match.rest ^ words.rest) |
          (policy.match.source_low ^ words.source_low) |
          (policy.match.destination_high ^ words.destination_high) |
          (policy.match.destination_low ^ words.destination_low)) == 0;
}

// The lines that is_within() looks at.
void fetch(const FlowBounds& bounds, const FlowWords&) {
  __builtin_prefetch(&bounds);
}
void fetch(const FlowBounds& bounds, const FlowWords6&) {
  __builtin_prefetch(&bounds);
  __builtin_prefetch(&bounds.high.destination_low);
}

}  // namespace

std::uint64_t Spd::hash(const FlowWords& words) const {
  return keyed_hash(words.addresses, words.rest, 0, secret_);
}

std::uint64_t Spd::hash(const FlowWords6& words) const {
  return keyed_hash({words.source_high, words.rest, words.source_low, words.destination_high,
                     words.destination_low},
                    secret_);
}

template <FamilyWords Words>
Spd::EntryId Spd::find_first(const Words& words, std::uint64_t hash) const {
  const std::uint32_t id = firsts_.find(hash, tag_of(hash), [&](EntryId candidate) {
    return is_selected(entries_[candidate], words);
  });
  return id == BucketTable::kNone ? kNoEntry : id;
}

// The first of the chain from `id` on that the flow belongs to; entries_[kNoEntry] is empty.
template <FamilyWords Words>
Spd::EntryId Spd::find_within(EntryId id, const Words& flow) const {
  while (entries_[id].has_ranges && !is_within(ranged_[id].bounds, flow)) {
    id = ranged_[id].next.load(std::memory_order_acquire);  // pairs with the release in set_next()
  }
  return id;
}

// Looks all flows up in one tuple, but for those whose policy no policy of it can beat. Returns how
// many it did look up: once that is none, later tuples cannot win either.
template <FamilyWords Words>
std::size_t Spd::probe(const Tuple<Words>& tuple, std::span<const Words> flows,
                       Found& found) const {
  std::array<std::uint32_t, kChunk> open;  // positions of the flows looked up
  std::array<std::uint64_t, kChunk> hashes;
  std::array<std::uint32_t, kChunk> likely;  // positions in `open` of those that have a policy here
  std::array<EntryId, kChunk> ids;           // of the likely ones
  std::size_t open_count = 0;
  std::size_t likely_count = 0;
  // Conditions are added, not branched on: they follow no pattern.
  for (std::uint32_t i = 0; i < flows.size(); ++i) {
    open[open_count] = i;
    open_count += found.priorities[i] >= tuple.best_priority ? 1 : 0;
  }
  for (std::size_t i = 0; i < open_count; ++i) {
    hashes[i] = hash(words_in(tuple.mask, tuple.tag, flows[open[i]]));
    firsts_.prefetch(hashes[i]);
  }
  for (std::uint32_t i = 0; i < open_count; ++i) {
    const BucketTable::Guess guess = firsts_.guess(hashes[i], tag_of(hashes[i]));
    likely[likely_count] = i;
    ids[likely_count] = guess.id;
    __builtin_prefetch(entries_.data() + guess.id);
    likely_count += guess.is_certain ? 0 : 1;
  }
  for (std::size_t i = 0; i < likely_count; ++i) {
    const Words words = words_in(tuple.mask, tuple.tag, flows[open[likely[i]]]);
    EntryId& id = ids[i];
    if (id == BucketTable::kNone || !is_selected(entries_[id], words)) {
      id = find_first(words, hashes[likely[i]]);
    }
    if (entries_[id].has_ranges) fetch(ranged_[id].bounds, words);
  }
  for (std::size_t i = 0; i < likely_count; ++i) {
    const std::uint32_t position = open[likely[i]];
    const EntryId id = find_within(ids[i], flows[position]);
    if (id == kNoEntry) continue;
    const PolicyEntry*& policy = found.policies[position];
    if (policy != nullptr && !entries_[id].wins_over(*policy)) continue;
    policy = &entries_[id];
    found.priorities[position] = policy->priority;
  }
  return open_count;
}

template <FamilyWords Words>
void Spd::search(const TupleList<Words>& list, std::span<const Words> flows,
                 std::span<const PolicyEntry*> policies) const {
  assert(flows.size() == policies.size());
  Found found;
  while (!flows.empty()) {
    const auto chunk = flows.first(std::min(flows.size(), kChunk));
    found.policies = policies.first(chunk.size());
    std::ranges::fill(found.policies, nullptr);
    std::fill_n(found.priorities.begin(), chunk.size(), kNoPriority);
    for (const Tuple<Words>& tuple : list) {
      if (probe(tuple, chunk, found) == 0) break;
    }
    flows = flows.subspan(chunk.size());
    policies = policies.subspan(chunk.size());
  }
}

// Acquire, here and below: pairs with the release in publish_tuple_in().
void Spd::lookup_burst(Direction direction, std::span<const FlowWords> flows,
                       std::span<const PolicyEntry*> policies) const {
  const auto& list = lists_v4_.published[side_of(direction)];
  search(*list.load(std::memory_order_acquire), flows, policies);
}

void Spd::lookup_burst(Direction direction, std::span<const FlowWords6> flows,
                       std::span<const PolicyEntry*> policies) const {
  const auto& list = lists_v6_.published[side_of(direction)];
  search(*list.load(std::memory_order_acquire), flows, policies);
}

std::size_t Spd::tuple_count(Direction direction, Family family) const {
  const std::size_t side = side_of(direction);
  return family == Family::v6 ? lists_v6_.published[side].load(std::memory_order_acquire)->size()
                              : lists_v4_.published[side].load(std::memory_order_acquire)->size();
}

}  // namespace culvert
