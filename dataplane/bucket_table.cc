// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/bucket_table.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace culvert {

BucketTable::BucketTable(std::uint32_t max_ids, std::uint32_t max_entries)
    : bucket_mask_(std::bit_ceil(std::max(max_entries, 8u) / 4) - 1),
      buckets_(std::size_t{bucket_mask_} + 1),
      displaced_(std::size_t{bucket_mask_} + 1),
      spill_heads_(std::size_t{bucket_mask_} + 1),
      spill_next_(max_ids) {}

// The displaced bit belongs to the bucket, not to the entry, and stays.
void BucketTable::store_entry(std::atomic<std::uint64_t>& slot, std::uint32_t tag,
                              std::uint32_t id) {
  const std::uint64_t displaced = slot.load(std::memory_order_relaxed) & kHasDisplaced;
  // Release: pairs with the acquire of guess() and find_in().
  slot.store(std::uint64_t{tag} << 32 | displaced | id, std::memory_order_release);
}

std::atomic<std::uint64_t>* BucketTable::find_slot(Bucket& bucket, std::uint32_t tag,
                                                   std::uint32_t id) {
  for (std::atomic<std::uint64_t>& slot : bucket.entries) {
    const std::uint64_t entry = slot.load(std::memory_order_relaxed);
    if (tag_of(entry) == tag && (tag == 0 || id_of(entry) == id)) return &slot;
  }
  return nullptr;
}

std::atomic<std::uint32_t>& BucketTable::spill_link_to(std::uint64_t hash, std::uint32_t id) {
  std::atomic<std::uint32_t>* link = &spill_heads_[spill_slot(hash)];
  while (link->load(std::memory_order_relaxed) != id + 1) {
    assert(link->load(std::memory_order_relaxed) != 0);
    link = &spill_next_[link->load(std::memory_order_relaxed) - 1];
  }
  return *link;
}

void BucketTable::count_displaced(std::uint64_t hash) {
  if (displaced_[primary(hash)]++ != 0) return;
  // Release: who sees the bit sees the displaced entry, which was stored before.
  buckets_[primary(hash)].entries[0].fetch_or(kHasDisplaced, std::memory_order_release);
}

void BucketTable::uncount_displaced(std::uint64_t hash) {
  if (--displaced_[primary(hash)] != 0) return;
  buckets_[primary(hash)].entries[0].fetch_and(~kHasDisplaced, std::memory_order_release);
}

// An empty slot has tag 0.
void BucketTable::insert(std::uint64_t hash, std::uint32_t tag, std::uint32_t id) {
  assert(tag != 0 && id < kNone);
  ++size_;
  if (auto* const slot = find_slot(buckets_[primary(hash)], 0, 0); slot != nullptr) {
    store_entry(*slot, tag, id);
    return;
  }
  if (auto* const slot = find_slot(buckets_[secondary(hash)], 0, 0); slot != nullptr) {
    store_entry(*slot, tag, id);
  } else {
    ++spilled_;
    std::atomic<std::uint32_t>& head = spill_heads_[spill_slot(hash)];
    spill_next_[id].store(head.load(std::memory_order_relaxed), std::memory_order_relaxed);
    head.store(id + 1, std::memory_order_release);  // pairs with the acquire in find()
  }
  count_displaced(hash);
}

void BucketTable::replace(std::uint64_t hash, std::uint32_t tag, std::uint32_t old_id,
                          std::uint32_t id) {
  assert(tag != 0 && id < kNone);
  for (const std::uint32_t bucket : {primary(hash), secondary(hash)}) {
    if (auto* const slot = find_slot(buckets_[bucket], tag, old_id); slot != nullptr) {
      store_entry(*slot, tag, id);
      return;
    }
  }
  std::atomic<std::uint32_t>& link = spill_link_to(hash, old_id);
  spill_next_[id].store(spill_next_[old_id].load(std::memory_order_relaxed),
                        std::memory_order_relaxed);
  link.store(id + 1, std::memory_order_release);  // pairs with the acquire in find()
}

void BucketTable::erase(std::uint64_t hash, std::uint32_t tag, std::uint32_t id) {
  --size_;
  if (auto* const slot = find_slot(buckets_[primary(hash)], tag, id); slot != nullptr) {
    store_entry(*slot, 0, 0);
    return;
  }
  if (auto* const slot = find_slot(buckets_[secondary(hash)], tag, id); slot != nullptr) {
    store_entry(*slot, 0, 0);
  } else {
    // The erased id keeps its own link: a reader may stand on it.
    std::atomic<std::uint32_t>& link = spill_link_to(hash, id);
    link.store(spill_next_[id].load(std::memory_order_relaxed), std::memory_order_release);
    --spilled_;
  }
  uncount_displaced(hash);
}

}  // namespace culvert
