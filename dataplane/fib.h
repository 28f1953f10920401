// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "dataplane/adjacency.h"
#include "dataplane/fib_v4.h"
#include "dataplane/fib_v6.h"
#include "dataplane/hop_groups.h"
#include "dataplane/ip_packet.h"
#include "dataplane/quiescence.h"
#include "dataplane/route_table.h"

namespace culvert {

struct FibLimits {
  std::uint32_t max_routes = 1u << 16;         // prefixes, with neighbours and own addresses
  std::uint32_t max_long_networks = 1u << 12;  // of 24 bits with longer prefixes in them, IPv4
  std::uint32_t max_adjacencies =
      1u << 14;  // 98 are always there, then next hops and groups; below 2^15
  std::uint32_t max_ipv6_routes = 1u << 16;  // as max_routes
  std::uint32_t max_hop_groups = 1u << 10;   // sets of several next hops, 8 KiB each once used
};

// Forwarding in both families (RFC 1812 5.2.4.3): longest-prefix match to adjacencies, which they
// share. Workers look up without locks, see FibV4 and FibV6; one writer, the housekeeper. What
// routes, addresses and neighbours come to is said at RouteTable.
//
// Limit: when the table is full and a change of routes brings a known neighbour onto the link, it
// stays unresolved until it is set again.
class Fib {
 public:
  // `name` is unique in the process, at most 20 characters. The EAL must be up. nullptr: not enough
  // memory. `quiescence` outlives it.
  [[nodiscard]] static std::unique_ptr<Fib> create(const std::string& name, const FibLimits& limits,
                                                   Quiescence& quiescence);
  Fib(const Fib&) = delete;
  Fib& operator=(const Fib&) = delete;

  // Writer. Each takes effect with the next publish(), except that a MAC address learned or lost
  // for a next hop already in use does so at once. Refusals, which change nothing: bad_prefix,
  // bad_port (not below kMaxPorts), no_table_memory, and slot_empty for deleting what is not there.
  // Setting what is there already is no change. Bits of a route's address beyond its length are
  // ignored.
  [[nodiscard]] Refusal address_add(PortId port, const IpPrefix& address) {
    return v4_.address_add(port, address);
  }
  [[nodiscard]] Refusal address_delete(PortId port, const IpPrefix& address) {
    return v4_.address_delete(port, address);
  }
  // A unicast route: `via` 0.0.0.0 means the destinations are on the link. Replaces. Refusals of
  // several next hops besides: too_many_hops (above kMaxRouteHops), bad_weight (not 1 to
  // kMaxHopWeight), duplicate_hop, bad_hop_place (none at all).
  [[nodiscard]] Refusal route_add(const IpPrefix& prefix, Ipv4Address via, PortId port) {
    return route_add(prefix, std::array{WeightedHop<Ipv4Address>{via, port}});
  }
  [[nodiscard]] Refusal route_add(const IpPrefix& prefix,
                                  std::span<const WeightedHop<Ipv4Address>> hops) {
    return v4_.route_add(prefix, hops);
  }
  [[nodiscard]] Refusal route_add_blackhole(const IpPrefix& prefix) {
    return v4_.route_add_blackhole(prefix);
  }
  [[nodiscard]] Refusal route_delete(const IpPrefix& prefix) { return v4_.route_delete(prefix); }
  [[nodiscard]] Refusal neighbor_set(PortId port, Ipv4Address address, MacAddress mac) {
    return v4_.neighbor_set(port, address, mac);
  }
  [[nodiscard]] Refusal neighbor_delete(PortId port, Ipv4Address address) {
    return v4_.neighbor_delete(port, address);
  }
  // The same for IPv6, where `via` may be link-local.
  [[nodiscard]] Refusal address_add(PortId port, const Ipv6Prefix& address) {
    return v6_.address_add(port, address);
  }
  [[nodiscard]] Refusal address_delete(PortId port, const Ipv6Prefix& address) {
    return v6_.address_delete(port, address);
  }
  [[nodiscard]] Refusal route_add(const Ipv6Prefix& prefix, const Ipv6Address& via, PortId port) {
    return route_add(prefix, std::array{WeightedHop<Ipv6Address>{via, port}});
  }
  [[nodiscard]] Refusal route_add(const Ipv6Prefix& prefix,
                                  std::span<const WeightedHop<Ipv6Address>> hops) {
    return v6_.route_add(prefix, hops);
  }
  [[nodiscard]] Refusal route_add_blackhole(const Ipv6Prefix& prefix) {
    return v6_.route_add_blackhole(prefix);
  }
  [[nodiscard]] Refusal route_delete(const Ipv6Prefix& prefix) { return v6_.route_delete(prefix); }
  [[nodiscard]] Refusal neighbor_set(PortId port, const Ipv6Address& address, MacAddress mac) {
    return v6_.neighbor_set(port, address, mac);
  }
  [[nodiscard]] Refusal neighbor_delete(PortId port, const Ipv6Address& address) {
    return v6_.neighbor_delete(port, address);
  }

  // Writer. While a port's link is down no flow takes a hop there of a route that has others, from
  // now on. False: that was known.
  bool set_link(PortId port, bool is_up) { return hop_groups_.set_link(port, is_up); }

  // Writer. Puts all changes since the last call before the workers, and returns when no worker
  // uses the former state. Does nothing, and does not wait, when there are none.
  void publish();
  // Writer. The MAC address of a neighbour; nothing: it is not known.
  [[nodiscard]] std::optional<MacAddress> neighbor(PortId port, Family family,
                                                   const IpAddress& address) const;

  // Readers: the adjacency of each destination, valid until the next quiescent state.
  void lookup_burst(std::span<const Ipv4Address> destinations,
                    std::span<AdjacencyIndex> adjacencies) const {
    lookup_v4_.lookup_burst(destinations, adjacencies);
  }
  void lookup_burst(std::span<const Ipv6Address> destinations,
                    std::span<AdjacencyIndex> adjacencies) const {
    lookup_v6_.lookup_burst(destinations, adjacencies);
  }
  [[nodiscard]] Adjacency adjacency(AdjacencyIndex index) const { return adjacencies_.full(index); }
  [[nodiscard]] PackedAdjacency packed(AdjacencyIndex index) const {
    return adjacencies_.packed(index);
  }
  // Where a flow goes, if `index` is a group of next hops; otherwise that itself.
  [[nodiscard]] AdjacencyIndex next_hop(AdjacencyIndex index, std::uint64_t flow_hash) const {
    const PackedAdjacency found = packed(index);
    if (found.kind() != AdjacencyKind::group) return index;
    return hop_groups_.pick(found.group(), flow_hash);
  }
  // The same for one destination, where there is no burst.
  template <typename Address>
  [[nodiscard]] AdjacencyIndex lookup(const Address& destination) const {
    AdjacencyIndex index;
    lookup_burst({&destination, 1}, {&index, 1});
    return index;
  }
  template <typename Address>
  [[nodiscard]] bool is_local(const Address& address) const {
    return packed(lookup(address)).kind() == AdjacencyKind::local;
  }
  // An IPv6 address of the port that hosts elsewhere may answer to, :: when it has none; ICMPv6
  // errors are sent from it. Acquire: pairs with the release in publish().
  [[nodiscard]] Ipv6Address own_ipv6_address(PortId port) const {
    const PublishedAddress& own = own_addresses_[port.raw()];
    return own.copies[own.current.load(std::memory_order_acquire)];
  }
  // Another number after each publish(). What a look-up said is true as long as the number read
  // before it is still the same. Acquire: pairs with the release in publish().
  [[nodiscard]] std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  // Two copies, so that readers of one are never overtaken: the other is written, then current, and
  // before the next time every worker was quiescent.
  struct PublishedAddress {
    std::array<Ipv6Address, 2> copies{};
    std::atomic<std::uint32_t> current{0};
  };

  Fib(const std::string& name, const FibLimits& limits, Quiescence& quiescence);
  bool publish_own_addresses();
  void wait_with_new_version();

  Quiescence& quiescence_;
  std::atomic<std::uint64_t> version_{1};
  AdjacencyTable adjacencies_;
  HopGroups hop_groups_;
  FibV4 lookup_v4_;
  FibV6 lookup_v6_;
  std::array<PublishedAddress, kMaxPorts> own_addresses_;

  // The writer's own.
  RouteTable<Ipv4Address> v4_;
  RouteTable<Ipv6Address> v6_;
};

// Whether a packet whose IP header was found ok is for one of our addresses.
[[nodiscard]] inline bool is_for_us(const Fib& fib, Packet packet) {
  if (is_ipv6(packet)) return fib.is_local(packet.header<Ipv6Header>(0)->destination);
  return fib.is_local(host_address(packet.header<Ipv4Header>(0)->destination));
}

}  // namespace culvert
