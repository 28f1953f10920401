// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/fib_v4.h"

#include <algorithm>
#include <cassert>

#include <rte_fib.h>
#include <rte_lcore.h>

namespace culvert {
namespace {

constexpr std::size_t kChunk = 64;  // destinations looked up side by side

// Next hops of two bytes, of which rte_fib takes one bit: half the memory, and of the cache, that
// four bytes would take.
constexpr rte_fib_dir24_8_nh_sz kNextHopBytes = RTE_FIB_DIR24_8_2B;
constexpr std::uint32_t kMostGroups = (1u << 15) - 1;
// No adjacency has this index; see apply().
constexpr std::uint32_t kPlaceholder = AdjacencyTable::kNever;
constexpr std::uint8_t kFirstTableBits = 24;  // longer prefixes take a group of 256 entries

IpPrefix long_network_of(const IpPrefix& prefix) {
  return network_of(IpPrefix{prefix.address, kFirstTableBits});
}

rte_fib* create_table(const std::string& name, std::uint32_t max_routes,
                      std::uint32_t max_long_networks) {
  rte_fib_conf conf{};
  conf.type = RTE_FIB_DIR24_8;
  conf.default_nh = kNoRoute.raw();
  conf.max_routes = static_cast<int>(max_routes);
  conf.dir24_8.nh_sz = kNextHopBytes;
  // Twice what is asked for: rte_fib may give back a group later than its last long prefix.
  conf.dir24_8.num_tbl8 = std::min(2 * max_long_networks, kMostGroups);
  return rte_fib_create(name.c_str(), static_cast<int>(rte_socket_id()), &conf);
}

}  // namespace

FibV4::FibV4(const std::string& name, std::uint32_t max_routes, std::uint32_t max_long_networks)
    : max_long_networks_(max_long_networks),
      tables_{create_table(name + "_left", max_routes, max_long_networks),
              create_table(name + "_right", max_routes, max_long_networks)} {}

FibV4::~FibV4() {
  for (rte_fib* const table : tables_) rte_fib_free(table);
}

bool FibV4::set(const IpPrefix& prefix, bool is_known, AdjacencyIndex adjacency) {
  const Change change{prefix, adjacency};
  if (!apply(change, 1 - active_.load(std::memory_order_relaxed))) return false;
  changes_.push_back(change);
  if (adjacency == kNoRoute) {
    uncount_long_network(prefix);
  } else if (!is_known) {
    count_long_network(prefix);
  }
  return true;
}

bool FibV4::has_room_for(const IpPrefix& prefix) const {
  return prefix.bits <= kFirstTableBits || long_networks_.size() < max_long_networks_ ||
         long_networks_.contains(long_network_of(prefix));
}

void FibV4::switch_over() {
  if (changes_.empty()) return;
  active_.store(1 - active_.load(std::memory_order_relaxed), std::memory_order_release);
}

void FibV4::catch_up() {
  const std::uint32_t former = 1 - active_.load(std::memory_order_relaxed);
  for (const Change& change : changes_) {
    // It fitted into the other table after the same changes.
    [[maybe_unused]] const bool is_applied = apply(change, former);
    assert(is_applied);
  }
  changes_.clear();
}

void FibV4::lookup_burst(std::span<const Ipv4Address> destinations,
                         std::span<AdjacencyIndex> adjacencies) const {
  assert(destinations.size() == adjacencies.size());
  // Acquire: pairs with the release in switch_over().
  rte_fib* const table = tables_[active_.load(std::memory_order_acquire)];
  std::array<std::uint32_t, kChunk> addresses;
  std::array<std::uint64_t, kChunk> found;
  while (!destinations.empty()) {
    const std::size_t count = std::min(destinations.size(), kChunk);
    for (std::size_t i = 0; i < count; ++i) addresses[i] = destinations[i].raw();
    rte_fib_lookup_bulk(table, addresses.data(), found.data(), static_cast<int>(count));
    for (std::size_t i = 0; i < count; ++i) {
      adjacencies[i] = AdjacencyIndex{static_cast<std::uint32_t>(found[i])};
    }
    destinations = destinations.subspan(count);
    adjacencies = adjacencies.subspan(count);
  }
}

// A new prefix longer than 24 whose next hop is also that of the shorter prefix around it is not
// counted by rte_fib 22.11 when it is added, but is when it is deleted, until its count of groups
// wraps and every add fails. So such prefixes get a next hop first that no other has.
bool FibV4::apply(const Change& change, std::size_t table) {
  const std::uint32_t address = change.prefix.address.raw();
  const std::uint8_t bits = change.prefix.bits;
  if (change.adjacency == kNoRoute) return rte_fib_delete(tables_[table], address, bits) == 0;
  if (bits > kFirstTableBits && rte_fib_add(tables_[table], address, bits, kPlaceholder) != 0) {
    return false;
  }
  return rte_fib_add(tables_[table], address, bits, change.adjacency.raw()) == 0;
}

void FibV4::count_long_network(const IpPrefix& prefix) {
  if (prefix.bits > kFirstTableBits) ++long_networks_[long_network_of(prefix)];
}

void FibV4::uncount_long_network(const IpPrefix& prefix) {
  if (prefix.bits <= kFirstTableBits) return;
  const auto counted = long_networks_.find(long_network_of(prefix));
  if (--counted->second == 0) long_networks_.erase(counted);
}

}  // namespace culvert
