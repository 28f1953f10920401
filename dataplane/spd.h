// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "dataplane/bucket_table.h"
#include "dataplane/flow_key.h"
#include "dataplane/quiescence.h"
#include "dataplane/shm/messages.h"
#include "dataplane/spd_selector.h"
#include "dataplane/table_memory.h"

namespace culvert {

// A policy as workers see it. It never changes; a replaced or removed one stays readable until the
// worker's next quiescent state.
struct alignas(64) PolicyEntry {
  FlowWords6 match{};          // the selector under its tuple's mask; widened() if of IPv4
  std::uint64_t order = 0;     // of equal priorities the lower one wins: the one installed first
  std::uint32_t priority = 0;  // lower wins
  std::uint32_t index = 0;     // the policy's slot, for its counters
  std::uint32_t reqid = 0;
  PolicyAction action = PolicyAction::none;
  std::uint8_t sa_count = 0;
  bool is_optional = false;
  bool spreads : 1 = false;            // each flow has one of `sas` to itself
  bool has_ranges : 1 = false;         // a flow that is `match` must also lie within its bounds
  std::uint8_t template_mode : 2 = 0;  // inbound: as in PolicySpec
  // The second line, for those that protect.
  alignas(64) std::array<SaIndex, kMaxPolicySas> sas{};
  IpAddress template_src;
  IpAddress template_dst;

  // Inbound, where there are no SAs to send by: the SPI that the SA must have; 0: any.
  [[nodiscard]] std::uint32_t template_spi() const { return sas.front().raw(); }
  [[nodiscard]] std::span<const SaIndex> sa_set() const { return {sas.data(), sa_count}; }
  [[nodiscard]] bool wins_over(const PolicyEntry& other) const {
    return priority != other.priority ? priority < other.priority : order < other.order;
  }
};
static_assert(offsetof(PolicyEntry, sas) == 64 && sizeof(PolicyEntry) == 128);

template <typename Words>
concept FamilyWords = std::same_as<Words, FlowWords> || std::same_as<Words, FlowWords6>;

// The SPD (RFC 4301 4.4.1): policies of both directions, ordered by priority, then by age. Any
// number of readers without locks; one writer, the housekeeper.
//
// Look-up is a tuple-space search: policies whose selectors have the same prefix lengths, protocol
// given or not, and port masks form a tuple, and each tuple is one probe of a hash table. Tuples
// are tried by their best priority and the search stops when no later one can win, so its cost
// depends on the number of tuples, not of policies. One hash table, sized at start for all
// policies, serves all tuples: adding or removing one touches a few cache lines and never rebuilds
// anything. IPv4 and IPv6 have tuples of their own, by flows of 2 and of 5 words, in the same
// table; a policy of no family has an entry in both.
//
// A policy with ranges stands under the mask of the smallest prefix around each of them, as one
// entry, and its bounds are compared once that is found. Policies under the same words of the same
// tuple make a chain, the best first, which a look-up follows to the first that holds. All of a
// chain have the middle of their prefixes in common, as each range reaches across it: a chain is as
// long as policies overlap in one flow, however many there are, and at most kMaxRanges of them have
// ranges. So a look-up costs a probe per tuple and, at worst, kMaxRanges comparisons in each.
class Spd {
 public:
  static constexpr std::uint32_t kMaxTuples = 4096;  // of both directions and families together
  static constexpr std::uint32_t kMaxRanges = 64;    // policies with ranges in one chain

  // Reserves memory for policies with indices below max_policies, about 170 bytes for each that is
  // ever used, and 128 more if it has ranges. `secret` is random and stays in this process.
  // nullptr: there is not enough memory. `quiescence` outlives the SPD.
  [[nodiscard]] static std::unique_ptr<Spd> create(std::uint32_t max_policies, std::uint64_t secret,
                                                   Quiescence& quiescence);
  Spd(const Spd&) = delete;
  Spd& operator=(const Spd&) = delete;

  // Writer. Adds the policy or replaces the one at `index`; there is no moment at which a packet
  // that both match finds neither. One replaced under the same selector and priority keeps its
  // place among equals. Takes microseconds; it waits for quiescence once in hundreds of changes,
  // and when a policy gets a selector of other prefix lengths or masks, or another place in a chain
  // with ranges.
  // Refusals, which change nothing: bad_index, those of validate(), too_many_masks (kMaxTuples),
  // too_many_ranges (kMaxRanges).
  [[nodiscard]] Refusal set(std::uint32_t index, const PolicySpec& spec);

  // Writer. Refusals: bad_index, slot_empty.
  [[nodiscard]] Refusal remove(std::uint32_t index);

  // The policies that apply, nullptr where none does. They stay valid until the caller's next
  // quiescent state. `direction` is in or out.
  void lookup_burst(Direction direction, std::span<const FlowWords> flows,
                    std::span<const PolicyEntry*> policies) const;
  void lookup_burst(Direction direction, std::span<const FlowWords6> flows,
                    std::span<const PolicyEntry*> policies) const;
  template <FamilyWords Words>
  [[nodiscard]] const PolicyEntry* lookup(Direction direction, const Words& flow) const {
    const PolicyEntry* policy = nullptr;
    lookup_burst(direction, std::span(&flow, 1), std::span(&policy, 1));
    return policy;
  }

  // Another number after each change. What a look-up said is true as long as the number read before
  // it is still the same. Acquire: pairs with the release in changed().
  [[nodiscard]] std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  // A policy as 32 bits, to be kept while version() stays the same; 0 is none.
  [[nodiscard]] std::uint32_t number_of(const PolicyEntry* policy) const {
    return policy == nullptr ? 0 : static_cast<std::uint32_t>(policy - entries_.data());
  }
  [[nodiscard]] const PolicyEntry* by_number(std::uint32_t number) const {
    return number == 0 ? nullptr : entries_.data() + number;
  }

  [[nodiscard]] std::uint32_t size() const { return size_; }
  // Tuples in use: what a look-up without early stop probes.
  [[nodiscard]] std::size_t tuple_count(Direction direction, Family family = Family::v4) const;

 private:
  using EntryId = std::uint32_t;
  using TupleId = std::uint32_t;
  static constexpr EntryId kNoEntry = 0;
  static constexpr int kTupleShift = 40;

  // What readers know of a tuple.
  template <FamilyWords Words>
  struct Tuple {
    Words mask{};
    std::uint64_t tag = 0;  // TupleId << kTupleShift: makes the words of two tuples differ
    std::uint32_t best_priority = 0;
  };
  // Immutable, sorted by best priority; replaced as a whole.
  template <FamilyWords Words>
  using TupleList = std::vector<Tuple<Words>>;
  // A family's, of each direction.
  template <FamilyWords Words>
  struct TupleLists {
    TupleLists();
    ~TupleLists();
    TupleLists(const TupleLists&) = delete;
    TupleLists& operator=(const TupleLists&) = delete;
    void free_retired();

    // Release by the writer, acquire by readers: who sees a list sees its tuples.
    std::array<std::atomic<const TupleList<Words>*>, 2> published;
    std::vector<const TupleList<Words>*> retired;
  };

  // Flows that are looked up side by side, and what was found for them so far.
  static constexpr std::size_t kChunk = 64;
  struct Found {
    std::span<const PolicyEntry*> policies;
    std::array<std::uint64_t, kChunk> priorities;  // of the policies; above 32 bits: none
  };

  // What the writer knows of it.
  struct TupleKey {
    Family family = Family::v4;  // or v6
    Direction direction = Direction::in;
    FlowWords6 mask{};
    friend constexpr auto operator<=>(const TupleKey&, const TupleKey&) = default;
  };
  struct TupleRecord {
    TupleKey key;
    std::map<std::uint32_t, std::uint32_t> priorities;  // how many policies have each
  };
  // Neighbours in a chain, best first.
  struct Links {
    EntryId previous;
    EntryId next;
  };
  // What readers need of an entry with ranges, in the order of its cache lines for IPv4.
  struct alignas(64) RangedEntry {
    FlowBounds bounds;
    // In its chain. Release by the writer, acquire by readers: who comes to an entry sees it.
    std::atomic<EntryId> next;
  };
  // A chain of more than a few, by rank, so that none has to be walked to find a place in it.
  using Rank = std::pair<std::uint32_t, std::uint64_t>;  // priority, order
  struct LongChain {
    std::map<Rank, EntryId> by_rank;
    std::uint32_t ranges = 0;  // how many of them have ranges
  };
  struct PolicyEntries {
    EntryId v4;
    EntryId v6;
  };

  Spd(std::uint32_t max_policies, std::uint64_t secret, Quiescence& quiescence);

  [[nodiscard]] static std::size_t side_of(Direction direction) {
    return direction == Direction::in ? 0 : 1;
  }
  [[nodiscard]] static TupleId tuple_of(const PolicyEntry& entry) {
    return static_cast<std::uint16_t>(entry.match.rest >> kTupleShift);
  }
  // The part of the hash that an entry of the table carries; never 0.
  [[nodiscard]] static std::uint32_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash >> 32) | 1u << 31;
  }
  [[nodiscard]] std::uint64_t hash(const FlowWords& words) const;
  [[nodiscard]] std::uint64_t hash(const FlowWords6& words) const;
  template <FamilyWords Words>
  [[nodiscard]] EntryId find_first(const Words& words, std::uint64_t hash) const;
  template <FamilyWords Words>
  [[nodiscard]] EntryId find_within(EntryId id, const Words& flow) const;
  template <FamilyWords Words>
  std::size_t probe(const Tuple<Words>& tuple, std::span<const Words> flows, Found& found) const;
  template <FamilyWords Words>
  void search(const TupleList<Words>& list, std::span<const Words> flows,
              std::span<const PolicyEntry*> policies) const;

  [[nodiscard]] Refusal find_or_add_tuple(const TupleKey& key, TupleId& tuple);
  void drop_empty_tuples();
  [[nodiscard]] EntryId take_entry();
  [[nodiscard]] std::uint64_t hash_of(const PolicyEntry& entry) const;
  [[nodiscard]] EntryId first_like(const PolicyEntry& entry, std::uint64_t hash) const;
  [[nodiscard]] bool has_room(const PolicyEntry& wanted, EntryId own) const;
  void place(EntryId& slot, const PolicyEntry& wanted, const FlowBounds& bounds);
  [[nodiscard]] bool keeps_place(EntryId old_id, const PolicyEntry& wanted,
                                 const FlowBounds& bounds) const;
  void drop(EntryId& slot);
  [[nodiscard]] Links place_in_chain(EntryId id, EntryId first);
  [[nodiscard]] bool is_walked_to(EntryId id) const;
  void set_next(EntryId id, EntryId next);
  void link(EntryId id);
  void unlink(EntryId id);
  void leave_long_chain(const PolicyEntry& entry);
  void take_place_of(EntryId old_id, EntryId id);
  void count_priority(const PolicyEntry& entry);
  void uncount_priority(const PolicyEntry& entry);
  void publish_tuple(TupleId tuple);
  template <FamilyWords Words>
  void publish_tuple_in(TupleLists<Words>& lists, TupleId tuple, const Words& mask);
  void reclaim();
  void changed() { version_.fetch_add(1, std::memory_order_release); }

  std::uint64_t secret_;
  std::uint32_t max_policies_;
  std::uint32_t size_ = 0;
  std::uint64_t next_order_ = 1;
  Quiescence& quiescence_;
  // Counts on after what was changed was published and before the writer waits for quiescence, so
  // that who was quiescent reads the new number.
  std::atomic<std::uint64_t> version_{1};
  BucketTable firsts_;                // by selector: the best of the policies that have it
  TableMemory<PolicyEntry> entries_;  // by EntryId; 0 is none
  TableMemory<RangedEntry> ranged_;   // by EntryId; only of those that have ranges
  TupleLists<FlowWords> lists_v4_;
  TupleLists<FlowWords6> lists_v6_;

  // The writer's own.
  TableMemory<Links> links_;              // by EntryId
  TableMemory<PolicyEntries> by_policy_;  // of each policy index
  std::map<FlowWords6, LongChain> long_chains_;
  std::vector<TupleRecord> tuples_;
  std::map<TupleKey, TupleId> tuple_ids_;
  std::vector<TupleId> free_tuples_;
  std::vector<EntryId> free_entries_;
  std::vector<EntryId> retired_entries_;
  EntryId next_unused_entry_ = 1;
};

}  // namespace culvert
