// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "dataplane/adjacency.h"
#include "dataplane/bucket_table.h"
#include "dataplane/ip_prefix.h"
#include "dataplane/table_memory.h"

namespace culvert {

// Longest-prefix match of IPv6 addresses: one hash table of all prefixes, probed once for each
// length that some prefix has, from the longest on. Its cost follows the number of distinct
// lengths, of which a gateway has a handful, and each prefix takes about 60 bytes; rte_fib6 would
// take 32 MiB for each of two copies at once, and up to 6.5 KiB more per host route in each.
//
// Any number of readers without locks; one writer. Changes wait until switch_over(), where prefixes
// come and get other adjacencies, each in one step; those that go do so in take_away(), once every
// worker was quiescent: a worker that has passed the length of a new prefix may still come to the
// shorter one that it takes the place of.
class FibV6 {
 public:
  // `secret` is random and stays in this process: nobody can choose addresses that collide.
  FibV6(std::uint32_t max_routes, std::uint64_t secret);
  FibV6(const FibV6&) = delete;
  FibV6& operator=(const FibV6&) = delete;
  [[nodiscard]] bool is_reserved() const {
    return prefixes_.is_reserved() && entries_.is_reserved();
  }

  // Writer. A prefix comes, gets another adjacency or, with kNoRoute, goes. The caller sees to it
  // that there are at most max_routes; then there is always room.
  [[nodiscard]] bool set(const Ipv6Prefix& prefix, bool is_known, AdjacencyIndex adjacency);
  [[nodiscard]] static bool has_room_for(const Ipv6Prefix&) { return true; }
  [[nodiscard]] bool has_changes() const { return !changes_.empty(); }
  void switch_over();
  [[nodiscard]] bool has_removals() const { return !changes_.empty(); }  // after switch_over()
  void take_away();                                                      // after quiescence
  void recycle();                                                        // after quiescence again

  // Readers.
  void lookup_burst(std::span<const Ipv6Address> destinations,
                    std::span<AdjacencyIndex> adjacencies) const;

 private:
  // The bits of an address, host byte order.
  struct Words {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend constexpr bool operator==(const Words&, const Words&) = default;
  };
  // A prefix as readers see it; never crosses a cache line.
  struct alignas(32) Entry {
    Words network;
    std::uint32_t bits;
    // Release by the writer, acquire by readers: who sees it sees what it leads to.
    std::atomic<std::uint32_t> adjacency;
  };
  static constexpr std::size_t kChunk = 64;
  static constexpr std::size_t kLengths = 129;

  [[nodiscard]] static Words words_of(const Ipv6Address& address);
  [[nodiscard]] static Words network_words(const Words& words, std::uint32_t bits);
  [[nodiscard]] static std::uint32_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint32_t>(hash >> 32) | 1u << 31;
  }
  [[nodiscard]] std::uint64_t hash(const Words& network, std::uint32_t bits) const;
  [[nodiscard]] bool is_prefix(std::uint32_t id, const Words& network, std::uint32_t bits) const {
    return entries_[id].network == network && entries_[id].bits == bits;
  }
  [[nodiscard]] std::uint32_t find(const Words& network, std::uint32_t bits,
                                   std::uint64_t hash) const;
  void add(const Ipv6Prefix& prefix, AdjacencyIndex adjacency);
  void remove(const Ipv6Prefix& prefix);
  std::size_t probe(std::uint32_t bits, std::span<const Words> destinations,
                    std::span<std::uint32_t> open, std::span<AdjacencyIndex> adjacencies) const;

  std::uint64_t secret_;
  BucketTable prefixes_;
  TableMemory<Entry> entries_;
  // Bit n of word w: some prefix has 64 w + n bits. Release by the writer after the prefix is in
  // the table, acquire by readers.
  std::array<std::atomic<std::uint64_t>, 3> lengths_{};

  // The writer's own.
  std::array<std::uint32_t, kLengths> prefixes_of_length_{};
  std::map<Ipv6Prefix, AdjacencyIndex> changes_;  // not made yet; kNoRoute: the prefix goes
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> retired_;
  std::uint32_t next_unused_ = 0;
};

}  // namespace culvert
