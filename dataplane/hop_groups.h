// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/adjacency.h"
#include "dataplane/table_memory.h"

namespace culvert {

// Groups of next hops over which routes spread their flows. A group has buckets, a flow's hash
// names one, and that says the next hop. Which hop a bucket has is drawn by the hops' own hashes
// and weights alone (weighted highest random weight): of a hop that goes, or whose link fails, only
// its own flows move, and one that comes takes its share evenly from all others. Every worker, and
// a culvertd that was started anew, draws alike.
//
// Any number of readers without locks; one writer.
class HopGroups {
 public:
  // So that what hops get is near what their weights ask for: of two equal ones each gets half
  // within 1.6 % (one standard deviation), of 32 a 32nd within 9 % of it.
  static constexpr std::size_t kBuckets = 4096;

  struct Member {
    AdjacencyIndex adjacency;
    PortId port;
    std::uint16_t weight = 1;  // 1 to kMaxHopWeight
    std::uint64_t hash = 0;    // of what the hop is: the same whenever it comes again
  };

  explicit HopGroups(std::uint32_t max_groups);
  [[nodiscard]] bool is_reserved() const { return buckets_.is_reserved(); }

  // Readers: the next hop of a flow.
  [[nodiscard]] AdjacencyIndex pick(std::uint32_t group, std::uint64_t flow_hash) const {
    // Relaxed: a hop that was in the bucket before may be used until the next quiescent state, as
    // any other.
    const auto& bucket = buckets_[group].hops[flow_hash % kBuckets];
    return AdjacencyIndex{bucket.load(std::memory_order_relaxed)};
  }

  // Writer. At least two members; nothing: there is no room. Readers find it once the adjacency
  // that names it is stored.
  [[nodiscard]] std::optional<std::uint32_t> take(std::span<const Member> members);
  // Writer. No adjacency names the group any more; it serves again after recycle().
  void retire(std::uint32_t group);
  // Writer, after quiescence.
  void recycle();

  // Writer. Hops on a port whose link is down are passed over while their group has others; in
  // force at once. False: that was known. Links are up at first.
  bool set_link(PortId port, bool is_up);

 private:
  struct Buckets {
    std::array<std::atomic<std::uint16_t>, kBuckets> hops;
  };

  void draw(std::uint32_t group);

  std::uint32_t max_groups_;
  TableMemory<Buckets> buckets_;

  // The writer's own.
  std::vector<std::vector<Member>> members_;  // by group; empty: not in use
  std::array<bool, kMaxPorts> is_link_down_{};
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> retired_;
};

}  // namespace culvert
