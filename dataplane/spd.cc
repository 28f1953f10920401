// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/spd.h"

#include <algorithm>
#include <cassert>

#include "dataplane/keyed_hash.h"

namespace culvert {
namespace {

constexpr std::uint64_t kNoPriority = ~std::uint64_t{0};  // worse than all
// How much replaced memory may gather before the writer waits for quiescence to use it again.
constexpr std::uint32_t kMaxRetiredEntries = 1024;
constexpr std::size_t kMaxRetiredLists = 256;
constexpr int kTupleShift = 40;

FlowWords under(const FlowWords& words, const FlowWords& mask) {
  return {words.addresses & mask.addresses, words.rest & mask.rest};
}

std::uint32_t prefix_mask(std::uint8_t bits) {
  return bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
}

FlowWords mask_of(const Selector& selector) {
  if (selector.family == Family::none) return {};
  return {std::uint64_t{prefix_mask(selector.src_prefix_bits)} << 32 |
              prefix_mask(selector.dst_prefix_bits),
          (selector.protocol != 0 ? std::uint64_t{0xff} << 32 : 0) |
              std::uint64_t{selector.src_port_mask.host()} << 16 | selector.dst_port_mask.host()};
}

FlowWords words_of(const Selector& selector) {
  return words_of(FlowKey{.src = host_address(selector.src.v4()),
                          .dst = host_address(selector.dst.v4()),
                          .src_port = selector.src_port.host(),
                          .dst_port = selector.dst_port.host(),
                          .protocol = static_cast<IpProtocol>(selector.protocol)});
}

Refusal validate(const PolicySpec& spec) {
  if (spec.direction != Direction::in && spec.direction != Direction::out) return Refusal::bad_enum;
  if (spec.action < PolicyAction::protect || spec.action > PolicyAction::discard) {
    return Refusal::bad_enum;
  }
  if (spec.selector.family != Family::v4 && spec.selector.family != Family::none) {
    return Refusal::bad_family;
  }
  if (spec.selector.family == Family::v4 &&
      (spec.selector.src_prefix_bits > 32 || spec.selector.dst_prefix_bits > 32)) {
    return Refusal::bad_prefix;
  }
  if (spec.sa_count > kMaxPolicySas) return Refusal::bad_sa_set;
  return Refusal::none;
}

FlowWords words_in(const FlowWords& mask, std::uint64_t tag, const FlowWords& flow) {
  const FlowWords masked = under(flow, mask);
  return {masked.addresses, masked.rest | tag};
}

// The part of the hash that an entry of the table carries; never 0.
std::uint32_t tag_of(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash >> 32) | 1u << 31;
}

}  // namespace

Spd::Spd(std::uint32_t max_policies, std::uint64_t secret, Quiescence& quiescence)
    : secret_(secret),
      max_policies_(max_policies),
      quiescence_(quiescence),
      firsts_(max_policies + kMaxRetiredEntries + 1, max_policies),
      entries_(std::size_t{max_policies} + kMaxRetiredEntries + 1),
      by_policy_(max_policies) {
  for (std::atomic<const TupleList*>& list : lists_) {
    list.store(new TupleList, std::memory_order_release);
  }
  retired_entries_.reserve(kMaxRetiredEntries);
  retired_lists_.reserve(kMaxRetiredLists);
}

std::unique_ptr<Spd> Spd::create(std::uint32_t max_policies, std::uint64_t secret,
                                 Quiescence& quiescence) {
  std::unique_ptr<Spd> spd(new Spd(max_policies, secret, quiescence));
  if (!spd->firsts_.is_reserved() || !spd->entries_.is_reserved() ||
      !spd->by_policy_.is_reserved()) {
    return nullptr;
  }
  return spd;
}

Spd::~Spd() {
  for (const TupleList* const list : retired_lists_) delete list;
  for (std::atomic<const TupleList*>& list : lists_) delete list.load(std::memory_order_relaxed);
}

std::uint64_t Spd::hash(const FlowWords& words) const {
  return keyed_hash(words.addresses, words.rest, 0, secret_);
}

Spd::EntryId Spd::find_first(const FlowWords& words, std::uint64_t hash) const {
  const std::uint32_t id = firsts_.find(
      hash, tag_of(hash), [&](EntryId candidate) { return entries_[candidate].match == words; });
  return id == BucketTable::kNone ? kNoEntry : id;
}

// Looks all flows up in one tuple, but for those whose policy no policy of it can beat. Returns how
// many it did look up: once that is none, later tuples cannot win either.
std::size_t Spd::probe(const Tuple& tuple, std::span<const FlowWords> flows, Found& found) const {
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
    const std::uint32_t position = open[likely[i]];
    const FlowWords words = words_in(tuple.mask, tuple.tag, flows[position]);
    EntryId id = ids[i];
    if (id == BucketTable::kNone || entries_[id].match != words) {
      id = find_first(words, hashes[likely[i]]);
      if (id == kNoEntry) continue;
    }
    const PolicyEntry*& policy = found.policies[position];
    if (policy != nullptr && !entries_[id].wins_over(*policy)) continue;
    policy = &entries_[id];
    found.priorities[position] = policy->priority;
  }
  return open_count;
}

void Spd::lookup_burst(Direction direction, std::span<const FlowWords> flows,
                       std::span<const PolicyEntry*> policies) const {
  assert(flows.size() == policies.size());
  // Acquire: pairs with the release in publish_tuple().
  const TupleList& list = *lists_[side_of(direction)].load(std::memory_order_acquire);
  Found found;
  while (!flows.empty()) {
    const auto chunk = flows.first(std::min(flows.size(), kChunk));
    found.policies = policies.first(chunk.size());
    std::ranges::fill(found.policies, nullptr);
    std::fill_n(found.priorities.begin(), chunk.size(), kNoPriority);
    for (const Tuple& tuple : list) {
      if (probe(tuple, chunk, found) == 0) break;
    }
    flows = flows.subspan(chunk.size());
    policies = policies.subspan(chunk.size());
  }
}

const PolicyEntry* Spd::lookup(Direction direction, const FlowWords& flow) const {
  const PolicyEntry* policy = nullptr;
  lookup_burst(direction, std::span(&flow, 1), std::span(&policy, 1));
  return policy;
}

std::size_t Spd::tuple_count(Direction direction) const {
  return lists_[side_of(direction)].load(std::memory_order_acquire)->size();
}

Refusal Spd::set(std::uint32_t index, const PolicySpec& spec) {
  if (index >= max_policies_) return Refusal::bad_index;
  if (const Refusal refusal = validate(spec); refusal != Refusal::none) return refusal;
  const FlowWords mask = mask_of(spec.selector);
  TupleId tuple = 0;
  const Refusal refusal = find_or_add_tuple({side_of(spec.direction), mask}, tuple);
  if (refusal != Refusal::none) return refusal;

  const EntryId id = take_entry();
  PolicyEntry& entry = entries_[id];
  entry = PolicyEntry{};
  entry.match = under(words_of(spec.selector), mask);
  entry.match.rest |= std::uint64_t{tuple} << kTupleShift;
  entry.priority = spec.priority;
  entry.index = index;
  entry.reqid = spec.reqid;
  entry.action = spec.action;
  entry.is_optional = spec.is_optional != 0;
  entry.sa_count = spec.sa_count;
  for (std::size_t i = 0; i < spec.sa_count; ++i) entry.sas[i] = SaIndex{spec.sas[i]};
  entry.template_src = spec.template_src;
  entry.template_dst = spec.template_dst;

  const EntryId old_id = by_policy_[index];
  by_policy_[index] = id;
  if (old_id == kNoEntry) {
    entry.order = next_order_++;
    link(id);
    ++size_;
  } else if (entries_[old_id].match == entry.match && entries_[old_id].priority == spec.priority) {
    take_place_of(old_id, id);
  } else {
    entry.order = next_order_++;
    link(id);
    // A worker may have probed the new tuple before this and come to the old one only later: until
    // all were quiescent the old policy stays, too. Within one tuple there is no such gap.
    if (tuple_of(entries_[old_id]) != tuple) reclaim();
    unlink(old_id);
  }
  changed();
  return Refusal::none;
}

Refusal Spd::remove(std::uint32_t index) {
  if (index >= max_policies_) return Refusal::bad_index;
  if (by_policy_[index] == kNoEntry) return Refusal::slot_empty;
  unlink(by_policy_[index]);
  by_policy_[index] = kNoEntry;
  --size_;
  changed();
  return Refusal::none;
}

// Readers may still hold an old list, in which a tuple's id means its old mask: ids of tuples that
// became empty serve again only after quiescence.
Refusal Spd::find_or_add_tuple(const TupleKey& key, TupleId& tuple) {
  if (const auto known = tuple_ids_.find(key); known != tuple_ids_.end()) {
    tuple = known->second;
    return Refusal::none;
  }
  if (free_tuples_.empty() && tuples_.size() == kMaxTuples) drop_empty_tuples();
  if (!free_tuples_.empty()) {
    tuple = free_tuples_.back();
    free_tuples_.pop_back();
  } else if (tuples_.size() < kMaxTuples) {
    tuple = static_cast<TupleId>(tuples_.size());
    tuples_.emplace_back();
  } else {
    return Refusal::no_table_memory;
  }
  tuples_[tuple] = {key.side, key.mask, {}};
  tuple_ids_.emplace(key, tuple);
  return Refusal::none;
}

void Spd::drop_empty_tuples() {
  reclaim();
  std::erase_if(tuple_ids_, [this](const auto& known) {
    const bool is_empty = tuples_[known.second].priorities.empty();
    if (is_empty) free_tuples_.push_back(known.second);
    return is_empty;
  });
}

// There are always more entries than policies and entries retired together.
Spd::EntryId Spd::take_entry() {
  if (free_entries_.empty() && retired_entries_.size() >= kMaxRetiredEntries) reclaim();
  if (free_entries_.empty()) return next_unused_entry_++;
  const EntryId id = free_entries_.back();
  free_entries_.pop_back();
  return id;
}

void Spd::link(EntryId id) {
  PolicyEntry& entry = entries_[id];
  const std::uint64_t hashed = hash(entry.match);
  EntryId next = find_first(entry.match, hashed);
  EntryId previous = kNoEntry;
  while (next != kNoEntry && entries_[next].wins_over(entry)) {
    previous = next;
    next = entries_[next].next;
  }
  entry.previous = previous;
  entry.next = next;
  if (next != kNoEntry) entries_[next].previous = id;
  if (previous != kNoEntry) {
    entries_[previous].next = id;
  } else if (next != kNoEntry) {
    firsts_.replace(hashed, tag_of(hashed), next, id);
  } else {
    firsts_.insert(hashed, tag_of(hashed), id);
  }
  count_priority(entry);
}

void Spd::unlink(EntryId id) {
  const PolicyEntry& entry = entries_[id];
  const std::uint64_t hashed = hash(entry.match);
  if (entry.next != kNoEntry) entries_[entry.next].previous = entry.previous;
  if (entry.previous != kNoEntry) {
    entries_[entry.previous].next = entry.next;
  } else if (entry.next != kNoEntry) {
    firsts_.replace(hashed, tag_of(hashed), id, entry.next);
  } else {
    firsts_.erase(hashed, tag_of(hashed), id);
  }
  uncount_priority(entry);
  retired_entries_.push_back(id);
}

void Spd::take_place_of(EntryId old_id, EntryId id) {
  PolicyEntry& entry = entries_[id];
  const PolicyEntry& old = entries_[old_id];
  entry.order = old.order;
  entry.previous = old.previous;
  entry.next = old.next;
  if (entry.next != kNoEntry) entries_[entry.next].previous = id;
  if (entry.previous != kNoEntry) {
    entries_[entry.previous].next = id;
  } else {
    const std::uint64_t hashed = hash(entry.match);
    firsts_.replace(hashed, tag_of(hashed), old_id, id);
  }
  retired_entries_.push_back(old_id);
}

void Spd::count_priority(const PolicyEntry& entry) {
  TupleRecord& record = tuples_[tuple_of(entry)];
  const bool is_best =
      record.priorities.empty() || entry.priority < record.priorities.begin()->first;
  ++record.priorities[entry.priority];
  if (is_best) publish_tuple(tuple_of(entry));
}

void Spd::uncount_priority(const PolicyEntry& entry) {
  TupleRecord& record = tuples_[tuple_of(entry)];
  const auto counted = record.priorities.find(entry.priority);
  if (--counted->second != 0) return;
  const bool was_best = counted == record.priorities.begin();
  record.priorities.erase(counted);
  if (was_best) publish_tuple(tuple_of(entry));
}

// Puts the tuple where its best priority now belongs in a new list, or leaves it out when it is
// empty.
void Spd::publish_tuple(TupleId tuple) {
  const TupleRecord& record = tuples_[tuple];
  const std::uint64_t tag = std::uint64_t{tuple} << kTupleShift;
  std::atomic<const TupleList*>& published = lists_[record.side];
  const TupleList* const old_list = published.load(std::memory_order_relaxed);
  auto* const list = new TupleList;
  list->reserve(old_list->size() + 1);
  std::copy_if(old_list->begin(), old_list->end(), std::back_inserter(*list),
               [tag](const Tuple& other) { return other.tag != tag; });
  if (!record.priorities.empty()) {
    const Tuple changed{record.mask, tag, record.priorities.begin()->first};
    const auto place = std::upper_bound(list->begin(), list->end(), changed,
                                        [](const Tuple& left, const Tuple& right) {
                                          return left.best_priority < right.best_priority;
                                        });
    list->insert(place, changed);
  }
  published.store(list, std::memory_order_release);  // pairs with the acquire in lookup_burst()
  retired_lists_.push_back(old_list);
  if (retired_lists_.size() >= kMaxRetiredLists) reclaim();
}

void Spd::reclaim() {
  changed();
  quiescence_.wait();
  for (const TupleList* const list : retired_lists_) delete list;
  retired_lists_.clear();
  free_entries_.insert(free_entries_.end(), retired_entries_.begin(), retired_entries_.end());
  retired_entries_.clear();
}

}  // namespace culvert
