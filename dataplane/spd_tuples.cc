// SPDX-License-Identifier: BSD-3-Clause
// The SPD's tuples: which there are, and the lists of them that readers search.
#include <algorithm>
#include <iterator>

#include "dataplane/spd.h"

namespace culvert {
namespace {

// How many replaced lists may gather before the writer waits for quiescence to free them.
constexpr std::size_t kMaxRetiredLists = 256;

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
    return Refusal::too_many_masks;
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

template struct Spd::TupleLists<FlowWords>;
template struct Spd::TupleLists<FlowWords6>;

}  // namespace culvert
