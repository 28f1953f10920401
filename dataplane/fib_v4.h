// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "dataplane/adjacency.h"
#include "dataplane/ip_prefix.h"

struct rte_fib;

namespace culvert {

// Longest-prefix match of IPv4 addresses over two copies of rte_fib's DIR24-8 (RFC 1812 5.2.4.3),
// left and right. Workers read one; changes go to the idle one. switch_over() lets workers read it,
// and once they were quiescent catch_up() repeats the changes in the other: rte_fib itself recycles
// memory under its readers. One writer.
class FibV4 {
 public:
  // `name` is unique in the process, at most 20 characters. The EAL must be up.
  FibV4(const std::string& name, std::uint32_t max_routes, std::uint32_t max_long_networks);
  ~FibV4();
  FibV4(const FibV4&) = delete;
  FibV4& operator=(const FibV4&) = delete;
  // False: not enough memory in the EAL's heap.
  [[nodiscard]] bool is_reserved() const { return tables_[0] != nullptr && tables_[1] != nullptr; }

  // Writer. A prefix comes, gets another adjacency or, with kNoRoute, goes. False: no memory.
  [[nodiscard]] bool set(const IpPrefix& prefix, bool is_known, AdjacencyIndex adjacency);
  // Whether a prefix that is not there yet fits in.
  [[nodiscard]] bool has_room_for(const IpPrefix& prefix) const;
  [[nodiscard]] bool has_changes() const { return !changes_.empty(); }
  void switch_over();
  void catch_up();  // after quiescence

  // Readers.
  void lookup_burst(std::span<const Ipv4Address> destinations,
                    std::span<AdjacencyIndex> adjacencies) const;

 private:
  struct Change {
    IpPrefix prefix;
    AdjacencyIndex adjacency;  // kNoRoute: the prefix goes
  };

  [[nodiscard]] bool apply(const Change& change, std::size_t table);
  void count_long_network(const IpPrefix& prefix);
  void uncount_long_network(const IpPrefix& prefix);

  std::uint32_t max_long_networks_;
  std::array<rte_fib*, 2> tables_{};
  // Which table workers read. Release in switch_over(), acquire in lookup_burst().
  std::atomic<std::uint32_t> active_{0};

  // The writer's own.
  std::map<IpPrefix, std::uint32_t> long_networks_;  // how many longer prefixes each has
  std::vector<Change> changes_;                      // in the idle table, not yet in the other
};

}  // namespace culvert
