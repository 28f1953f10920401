// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/spd.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace culvert {
namespace {

// How much replaced memory may gather before the writer waits for quiescence to use it again.
constexpr std::uint32_t kMaxRetiredEntries = 1024;
constexpr std::size_t kMaxRetiredLists = 256;
constexpr int kTupleShift = 40;

FlowWords6 under(const FlowWords6& words, const FlowWords6& mask) {
  return {words.source_high & mask.source_high, words.rest & mask.rest,
          words.source_low & mask.source_low, words.destination_high & mask.destination_high,
          words.destination_low & mask.destination_low};
}

// The mask of `bits` bits, of which the word holds those from `first` on.
std::uint64_t prefix_word(unsigned bits, unsigned first) {
  if (bits <= first) return 0;
  return bits - first >= 64 ? ~std::uint64_t{0} : ~(~std::uint64_t{0} >> (bits - first));
}

FlowWords6 mask_of(const Selector& selector) {
  const std::uint64_t rest = (selector.protocol != 0 ? std::uint64_t{0xff} << 32 : 0) |
                             std::uint64_t{selector.src_port_mask.host()} << 16 |
                             selector.dst_port_mask.host();
  const unsigned src_bits = selector.src_prefix_bits;
  const unsigned dst_bits = selector.dst_prefix_bits;
  switch (selector.family) {
    case Family::none:
      break;
    case Family::v4:
      return widened({prefix_word(src_bits, 0) | prefix_word(dst_bits, 0) >> 32, rest});
    case Family::v6:
      return {prefix_word(src_bits, 0), rest, prefix_word(src_bits, 64), prefix_word(dst_bits, 0),
              prefix_word(dst_bits, 64)};
  }
  return {};
}

FlowWords6 words_of(const Selector& selector) {
  const auto protocol = static_cast<IpProtocol>(selector.protocol);
  if (selector.family == Family::v6) {
    return words_of(FlowKey6{.src = selector.src.bytes,
                             .dst = selector.dst.bytes,
                             .src_port = selector.src_port.host(),
                             .dst_port = selector.dst_port.host(),
                             .protocol = protocol});
  }
  return widened(words_of(FlowKey{.src = host_address(selector.src.v4()),
                                  .dst = host_address(selector.dst.v4()),
                                  .src_port = selector.src_port.host(),
                                  .dst_port = selector.dst_port.host(),
                                  .protocol = protocol}));
}

Refusal validate(const PolicySpec& spec) {
  if (spec.direction != Direction::in && spec.direction != Direction::out) return Refusal::bad_enum;
  if (spec.action < PolicyAction::protect || spec.action > PolicyAction::discard) {
    return Refusal::bad_enum;
  }
  const Selector& selector = spec.selector;
  if (selector.family != Family::none && selector.family != Family::v4 &&
      selector.family != Family::v6) {
    return Refusal::bad_family;
  }
  const std::uint8_t most_bits = selector.family == Family::v4 ? 32 : 128;
  if (selector.family != Family::none &&
      (selector.src_prefix_bits > most_bits || selector.dst_prefix_bits > most_bits)) {
    return Refusal::bad_prefix;
  }
  if (spec.sa_count > kMaxPolicySas) return Refusal::bad_sa_set;
  return Refusal::none;
}

PolicyEntry entry_of(std::uint32_t index, const PolicySpec& spec) {
  PolicyEntry entry;
  entry.priority = spec.priority;
  entry.index = index;
  entry.reqid = spec.reqid;
  entry.action = spec.action;
  entry.is_optional = spec.is_optional != 0;
  entry.sa_count = spec.sa_count;
  for (std::size_t i = 0; i < spec.sa_count; ++i) entry.sas[i] = SaIndex{spec.sas[i]};
  entry.template_src = spec.template_src;
  entry.template_dst = spec.template_dst;
  return entry;
}

}  // namespace

template <FamilyWords Words>
Spd::TupleLists<Words>::TupleLists() {
  for (auto& list : published) list.store(new TupleList<Words>, std::memory_order_release);
  retired.reserve(kMaxRetiredLists);
}

template <FamilyWords Words>
Spd::TupleLists<Words>::~TupleLists() {
  free_retired();
  for (auto& list : published) delete list.load(std::memory_order_relaxed);
}

template <FamilyWords Words>
void Spd::TupleLists<Words>::free_retired() {
  for (const TupleList<Words>* const list : retired) delete list;
  retired.clear();
}

// A policy of no family takes two entries.
Spd::Spd(std::uint32_t max_policies, std::uint64_t secret, Quiescence& quiescence)
    : secret_(secret),
      max_policies_(max_policies),
      quiescence_(quiescence),
      firsts_(2 * max_policies + kMaxRetiredEntries + 1, max_policies),
      entries_(2 * std::size_t{max_policies} + kMaxRetiredEntries + 1),
      links_(2 * std::size_t{max_policies} + kMaxRetiredEntries + 1),
      by_policy_(max_policies) {
  retired_entries_.reserve(kMaxRetiredEntries);
}

std::unique_ptr<Spd> Spd::create(std::uint32_t max_policies, std::uint64_t secret,
                                 Quiescence& quiescence) {
  std::unique_ptr<Spd> spd(new Spd(max_policies, secret, quiescence));
  if (!spd->firsts_.is_reserved() || !spd->entries_.is_reserved() || !spd->links_.is_reserved() ||
      !spd->by_policy_.is_reserved()) {
    return nullptr;
  }
  return spd;
}

Refusal Spd::set(std::uint32_t index, const PolicySpec& spec) {
  if (index >= max_policies_) return Refusal::bad_index;
  if (const Refusal refusal = validate(spec); refusal != Refusal::none) return refusal;
  const FlowWords6 mask = mask_of(spec.selector);
  PolicyEntry wanted = entry_of(index, spec);
  wanted.match = under(words_of(spec.selector), mask);
  wanted.order = next_order_++;
  const bool is_v4 = spec.selector.family != Family::v6;
  const bool is_v6 = spec.selector.family != Family::v4;
  TupleId tuple_v4 = 0;
  TupleId tuple_v6 = 0;
  Refusal refusal = Refusal::none;
  if (is_v4) refusal = find_or_add_tuple({Family::v4, spec.direction, mask}, tuple_v4);
  if (is_v6 && refusal == Refusal::none) {
    refusal = find_or_add_tuple({Family::v6, spec.direction, mask}, tuple_v6);
  }
  if (refusal != Refusal::none) return refusal;

  PolicyEntries& entries = by_policy_[index];
  if (entries.v4 == kNoEntry && entries.v6 == kNoEntry) ++size_;
  if (is_v4) {
    place(entries.v4, wanted, tuple_v4);
  } else {
    drop(entries.v4);
  }
  if (is_v6) {
    place(entries.v6, wanted, tuple_v6);
  } else {
    drop(entries.v6);
  }
  changed();
  return Refusal::none;
}

// Puts a policy into a family's tuple, in the place of the entry that it had in that family.
void Spd::place(EntryId& slot, const PolicyEntry& wanted, TupleId tuple) {
  const EntryId id = take_entry();
  PolicyEntry& entry = entries_[id];
  entry = wanted;
  entry.match.rest |= std::uint64_t{tuple} << kTupleShift;
  const EntryId old_id = std::exchange(slot, id);
  if (old_id == kNoEntry) {
    link(id);
  } else if (entries_[old_id].match == entry.match && entries_[old_id].priority == entry.priority) {
    take_place_of(old_id, id);
  } else {
    link(id);
    // A worker may have probed the new tuple before this and come to the old one only later: until
    // all were quiescent the old policy stays, too. Within one tuple there is no such gap.
    if (tuple_of(entries_[old_id]) != tuple) reclaim();
    unlink(old_id);
  }
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
  tuples_[tuple] = {key, {}};
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

std::uint64_t Spd::hash_of(const PolicyEntry& entry) const {
  const bool is_v6 = tuples_[tuple_of(entry)].key.family == Family::v6;
  return is_v6 ? hash(entry.match) : hash(FlowWords{entry.match.source_high, entry.match.rest});
}

// The best of the policies with the same selector.
Spd::EntryId Spd::first_like(const PolicyEntry& entry, std::uint64_t hash) const {
  const std::uint32_t id = firsts_.find(hash, tag_of(hash), [&](EntryId candidate) {
    return entries_[candidate].match == entry.match;
  });
  return id == BucketTable::kNone ? kNoEntry : id;
}

void Spd::link(EntryId id) {
  const PolicyEntry& entry = entries_[id];
  const std::uint64_t hashed = hash_of(entry);
  EntryId next = first_like(entry, hashed);
  EntryId previous = kNoEntry;
  while (next != kNoEntry && entries_[next].wins_over(entry)) {
    previous = next;
    next = links_[next].next;
  }
  links_[id] = {previous, next};
  if (next != kNoEntry) links_[next].previous = id;
  if (previous != kNoEntry) {
    links_[previous].next = id;
  } else if (next != kNoEntry) {
    firsts_.replace(hashed, tag_of(hashed), next, id);
  } else {
    firsts_.insert(hashed, tag_of(hashed), id);
  }
  count_priority(entry);
}

void Spd::unlink(EntryId id) {
  const PolicyEntry& entry = entries_[id];
  const Links links = links_[id];
  const std::uint64_t hashed = hash_of(entry);
  if (links.next != kNoEntry) links_[links.next].previous = links.previous;
  if (links.previous != kNoEntry) {
    links_[links.previous].next = links.next;
  } else if (links.next != kNoEntry) {
    firsts_.replace(hashed, tag_of(hashed), id, links.next);
  } else {
    firsts_.erase(hashed, tag_of(hashed), id);
  }
  uncount_priority(entry);
  retired_entries_.push_back(id);
}

void Spd::take_place_of(EntryId old_id, EntryId id) {
  PolicyEntry& entry = entries_[id];
  entry.order = entries_[old_id].order;
  const Links links = links_[old_id];
  links_[id] = links;
  if (links.next != kNoEntry) links_[links.next].previous = id;
  if (links.previous != kNoEntry) {
    links_[links.previous].next = id;
  } else {
    const std::uint64_t hashed = hash_of(entry);
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

void Spd::publish_tuple(TupleId tuple) {
  const TupleKey& key = tuples_[tuple].key;
  if (key.family == Family::v6) {
    publish_tuple_in(lists_v6_, tuple, key.mask);
  } else {
    publish_tuple_in(lists_v4_, tuple, FlowWords{key.mask.source_high, key.mask.rest});
  }
}

// Puts the tuple where its best priority now belongs in a new list, or leaves it out when it is
// empty.
template <FamilyWords Words>
void Spd::publish_tuple_in(TupleLists<Words>& lists, TupleId tuple, const Words& mask) {
  const TupleRecord& record = tuples_[tuple];
  const std::uint64_t tag = std::uint64_t{tuple} << kTupleShift;
  std::atomic<const TupleList<Words>*>& published = lists.published[side_of(record.key.direction)];
  const TupleList<Words>* const old_list = published.load(std::memory_order_relaxed);
  auto* const list = new TupleList<Words>;
  list->reserve(old_list->size() + 1);
  std::copy_if(old_list->begin(), old_list->end(), std::back_inserter(*list),
               [tag](const Tuple<Words>& other) { return other.tag != tag; });
  if (!record.priorities.empty()) {
    const Tuple<Words> changed{mask, tag, record.priorities.begin()->first};
    const auto place = std::upper_bound(list->begin(), list->end(), changed,
                                        [](const Tuple<Words>& left, const Tuple<Words>& right) {
                                          return left.best_priority < right.best_priority;
                                        });
    list->insert(place, changed);
  }
  published.store(list, std::memory_order_release);  // pairs with the acquire in lookup_burst()
  lists.retired.push_back(old_list);
  if (lists.retired.size() >= kMaxRetiredLists) reclaim();
}

void Spd::reclaim() {
  changed();
  quiescence_.wait();
  lists_v4_.free_retired();
  lists_v6_.free_retired();
  free_entries_.insert(free_entries_.end(), retired_entries_.begin(), retired_entries_.end());
  retired_entries_.clear();
}

template struct Spd::TupleLists<FlowWords>;
template struct Spd::TupleLists<FlowWords6>;

}  // namespace culvert
