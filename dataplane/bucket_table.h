// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "dataplane/table_memory.h"

// ThreadSanitizer must see each entry's own load.
#if defined(__SANITIZE_THREAD__)
#define CULVERT_PLAIN_BUCKETS
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CULVERT_PLAIN_BUCKETS
#endif
#endif

namespace culvert {

// A cache line of the table below: each entry is {tag, id}, the tag above.
struct alignas(64) Bucket {
  static constexpr std::size_t kWays = 8;
  std::array<std::atomic<std::uint64_t>, kWays> entries;

  // The first entry that has that tag; kWays: none. Two ways to the same answer.
  [[nodiscard]] std::uint32_t way_of_plain(std::uint32_t tag) const {
    std::uint32_t way = kWays;
    for (std::uint32_t i = kWays; i-- > 0;) {
      way = entries[i].load(std::memory_order_relaxed) >> 32 == tag ? i : way;
    }
    return way;
  }
  [[nodiscard]] std::uint32_t way_of(std::uint32_t tag) const {
#if defined(__AVX512F__) && !defined(CULVERT_PLAIN_BUCKETS)
    // One comparison for all entries. The load is not atomic as a whole, but each entry in it is,
    // as on every x86 CPU with such loads; the caller loads the entry once more and checks its
    // record.
    const __m512i all = _mm512_load_si512(entries.data());
    const std::uint32_t equal =
        _mm512_cmpeq_epi32_mask(all, _mm512_set1_epi32(static_cast<int>(tag))) & 0xaaaau;
    return static_cast<std::uint32_t>(std::countr_zero(equal | 1u << 16)) / 2;
#else
    return way_of_plain(tag);
#endif
  }
};
static_assert(sizeof(Bucket) == 64);

// The hash table under the SA table and the SPD: it maps a hash and a 32-bit tag to ids, which
// index the owner's records. Any number of readers without locks; one writer. The owner compares
// the full key in the record; the table only says which ids may have it.
//
// An entry is one 64-bit atomic {tag, id} in one of two buckets of a cache line each. When both are
// full the id hangs on a spill chain, so that an insert always succeeds. Entries never move.
class BucketTable {
 public:
  static constexpr std::uint32_t kNone = 0x7fffffff;

  // Ids are below max_ids. Buckets are reserved for `max_entries` at a load between 1/4 and 1/2.
  BucketTable(std::uint32_t max_ids, std::uint32_t max_entries);
  [[nodiscard]] bool is_reserved() const {
    return buckets_.is_reserved() && displaced_.is_reserved() && spill_heads_.is_reserved() &&
           spill_next_.is_reserved();
  }

  // Writer. `tag` is not 0. The id is not in the table. Release: who finds it sees its record.
  void insert(std::uint64_t hash, std::uint32_t tag, std::uint32_t id);
  // Writer. Puts `id` in the place of `old_id`, in one step for readers.
  void replace(std::uint64_t hash, std::uint32_t tag, std::uint32_t old_id, std::uint32_t id);
  // Writer. Readers find it no more after their next quiescent state; the id must rest until then.
  void erase(std::uint64_t hash, std::uint32_t tag, std::uint32_t id);

  void prefetch(std::uint64_t hash) const { __builtin_prefetch(&buckets_[primary(hash)]); }

  // An id under that tag in the first bucket, or kNone: nearly always the right one, and of many
  // keys the only cache line to look at. `is_certain` is true if kNone means there is none at all.
  struct Guess {
    std::uint32_t id = kNone;
    bool is_certain = true;
  };
  [[nodiscard]] Guess guess(std::uint64_t hash, std::uint32_t tag) const {
    const Bucket& bucket = buckets_[primary(hash)];
    const std::uint32_t way = bucket.way_of(tag);
    // Acquire: pairs with the writer's release in store_entry().
    const std::uint64_t first = bucket.entries[0].load(std::memory_order_acquire);
    const std::uint64_t entry = bucket.entries[way % Bucket::kWays].load(std::memory_order_acquire);
    const std::uint32_t id = way < Bucket::kWays ? id_of(entry) : kNone;
    return {id, id == kNone && (first & kHasDisplaced) == 0};
  }

  // The first id under that tag for which matches(id) holds, or kNone.
  template <typename Matches>
  [[nodiscard]] std::uint32_t find(std::uint64_t hash, std::uint32_t tag,
                                   const Matches& matches) const {
    const Bucket& first = buckets_[primary(hash)];
    if (const std::uint32_t id = find_in(first, tag, matches); id != kNone) return id;
    if ((first.entries[0].load(std::memory_order_acquire) & kHasDisplaced) == 0) return kNone;
    if (const std::uint32_t id = find_in(buckets_[secondary(hash)], tag, matches); id != kNone) {
      return id;
    }
    // Acquire: pairs with the release in insert(), for head and links alike.
    std::uint32_t link = spill_heads_[spill_slot(hash)].load(std::memory_order_acquire);
    while (link != 0) {
      if (matches(link - 1)) return link - 1;
      link = spill_next_[link - 1].load(std::memory_order_acquire);
    }
    return kNone;
  }

  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] std::uint32_t spilled() const { return spilled_; }
  [[nodiscard]] std::uint32_t bucket_count() const { return bucket_mask_ + 1; }

 private:
  // In the id of a bucket's entry 0, used or not: keys whose first bucket this is lie elsewhere.
  static constexpr std::uint64_t kHasDisplaced = 0x80000000;

  [[nodiscard]] static std::uint32_t tag_of(std::uint64_t entry) {
    return static_cast<std::uint32_t>(entry >> 32);
  }
  [[nodiscard]] static std::uint32_t id_of(std::uint64_t entry) {
    return static_cast<std::uint32_t>(entry & kNone);
  }
  [[nodiscard]] std::uint32_t primary(std::uint64_t hash) const {
    return static_cast<std::uint32_t>(hash) & bucket_mask_;
  }
  [[nodiscard]] std::uint32_t secondary(std::uint64_t hash) const {
    return static_cast<std::uint32_t>(hash >> 32) & bucket_mask_;
  }
  // From all bits of the hash: keys that share both buckets still spread over the chains.
  [[nodiscard]] std::uint32_t spill_slot(std::uint64_t hash) const {
    return static_cast<std::uint32_t>((hash ^ hash >> 29) * 0x9e3779b97f4a7c15 >> 32) &
           bucket_mask_;
  }

  template <typename Matches>
  [[nodiscard]] static std::uint32_t find_in(const Bucket& bucket, std::uint32_t tag,
                                             const Matches& matches) {
    for (const std::atomic<std::uint64_t>& slot : bucket.entries) {
      const std::uint64_t entry = slot.load(std::memory_order_acquire);
      if (tag_of(entry) == tag && matches(id_of(entry))) return id_of(entry);
    }
    return kNone;
  }

  static void store_entry(std::atomic<std::uint64_t>& slot, std::uint32_t tag, std::uint32_t id);
  [[nodiscard]] static std::atomic<std::uint64_t>* find_slot(Bucket& bucket, std::uint32_t tag,
                                                             std::uint32_t id);
  [[nodiscard]] std::atomic<std::uint32_t>& spill_link_to(std::uint64_t hash, std::uint32_t id);
  void count_displaced(std::uint64_t hash);
  void uncount_displaced(std::uint64_t hash);

  std::uint32_t bucket_mask_;
  std::uint32_t size_ = 0;     // the writer's
  std::uint32_t spilled_ = 0;  // the writer's
  TableMemory<Bucket> buckets_;
  TableMemory<std::uint32_t> displaced_;                 // per first bucket, the writer's
  TableMemory<std::atomic<std::uint32_t>> spill_heads_;  // id + 1; 0 ends the chain
  TableMemory<std::atomic<std::uint32_t>> spill_next_;   // by id
};

}  // namespace culvert
