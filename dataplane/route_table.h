// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <type_traits>
#include <vector>

#include "dataplane/adjacency.h"
#include "dataplane/fib_v4.h"
#include "dataplane/fib_v6.h"
#include "dataplane/hop_groups.h"
#include "dataplane/ip_prefix.h"

namespace culvert {

// One of a route's next hops.
template <typename Address>
struct WeightedHop {
  Address via{};  // zero: the destinations are on the link
  PortId port;
  std::uint16_t weight = 1;
  friend constexpr auto operator<=>(const WeightedHop&, const WeightedHop&) = default;
};

// All that was asked for in one family, and what prefixes come out of it: the writer's half of Fib,
// which says what the functions do. It keeps `lookup` right and takes next hops from `adjacencies`
// and `groups`; all outlive it.
//
// As in Linux, of equal prefixes an own or a broadcast address wins over a route, and a route over
// a connected network. A neighbour gets a host route where its address is on the link of its port
// by the longest prefix that covers it, and resolves the routes by way of it anywhere.
//
// A link-local address lies on every link, so that neither it nor its network leads anywhere: those
// of ours are local, and those of neighbours are next hops and no more.
//
// All routes over the same next hops with the same weights share one group.
template <typename Address>
class RouteTable {
 public:
  using Prefix = BasicPrefix<Address>;
  using Lookup = std::conditional_t<std::is_same_v<Address, Ipv4Address>, FibV4, FibV6>;

  using Hop = WeightedHop<Address>;

  RouteTable(std::uint32_t max_routes, Lookup& lookup, AdjacencyTable& adjacencies,
             HopGroups& groups)
      : max_routes_(max_routes), lookup_(&lookup), adjacencies_(&adjacencies), groups_(&groups) {}

  [[nodiscard]] Refusal address_add(PortId port, const Prefix& address);
  [[nodiscard]] Refusal address_delete(PortId port, const Prefix& address);
  [[nodiscard]] Refusal route_add(const Prefix& prefix, std::span<const Hop> hops);
  [[nodiscard]] Refusal route_add_blackhole(const Prefix& prefix);
  [[nodiscard]] Refusal route_delete(const Prefix& prefix);
  [[nodiscard]] Refusal neighbor_set(PortId port, const Address& address, MacAddress mac);
  [[nodiscard]] Refusal neighbor_delete(PortId port, const Address& address);

  [[nodiscard]] std::optional<MacAddress> neighbor(PortId port, const Address& address) const;
  // The port's first address that hosts elsewhere may answer to, by number.
  [[nodiscard]] std::optional<Address> own_address(PortId port) const;

 private:
  using Hops = std::vector<Hop>;
  struct Route {
    Hops hops;  // in order; none: a blackhole
    AdjacencyIndex adjacency;
  };
  // All that was asked for one prefix; the first kind that is there applies.
  struct Sources {
    std::vector<PortId> local;
    std::vector<PortId> broadcast;
    std::optional<Route> route;
    std::vector<PortId> connected;

    [[nodiscard]] bool is_empty() const {
      return local.empty() && broadcast.empty() && !route && connected.empty();
    }
  };
  struct OwnAddress {
    Prefix address;
    PortId port;
    friend constexpr auto operator<=>(const OwnAddress&, const OwnAddress&) = default;
  };
  struct NextHopKey {
    Address address{};
    PortId port;
    friend constexpr auto operator<=>(const NextHopKey&, const NextHopKey&) = default;
  };
  struct NextHop {
    AdjacencyIndex index;
    std::uint32_t users = 0;  // routes and groups by way of it, and its neighbour entry
    bool is_neighbor = false;
  };
  struct Group {
    AdjacencyIndex index;
    std::uint32_t group = 0;  // of HopGroups
    std::uint32_t users = 0;  // routes
  };
  using PortList = std::vector<PortId> Sources::*;

  [[nodiscard]] static Refusal validate(const Prefix& prefix, PortId port);

  // What applies to a prefix, neighbours aside; kNoRoute: nothing of its own.
  [[nodiscard]] AdjacencyIndex base_of(const Prefix& prefix) const;
  [[nodiscard]] AdjacencyIndex covering_base_of(const Address& address) const;
  [[nodiscard]] AdjacencyIndex desired(const Prefix& prefix) const;
  [[nodiscard]] bool is_on_link(AdjacencyIndex base, PortId port) const;

  [[nodiscard]] bool refresh(const Prefix& prefix);
  void refresh_neighbors_in(const Prefix& prefix);
  void add_port(const Prefix& prefix, PortList list, PortId port);
  void remove_port(const Prefix& prefix, PortList list, PortId port);
  [[nodiscard]] Sources& sources_at(const Prefix& prefix);
  void drop_if_empty(const Prefix& prefix);
  [[nodiscard]] Refusal set_route(const Prefix& prefix, Hops hops);

  // What routes over `hops` lead to, until it is released as often; nothing: there is no room.
  [[nodiscard]] std::optional<AdjacencyIndex> use_hops(const Hops& hops);
  void release_hops(const Hops& hops);
  [[nodiscard]] std::optional<AdjacencyIndex> use_hop(const Hop& hop);
  void release_hop(const Hop& hop);
  [[nodiscard]] std::optional<AdjacencyIndex> make_group(const Hops& hops);
  [[nodiscard]] bool use_next_hop(const NextHopKey& key);
  void release_next_hop(const NextHopKey& key);

  std::uint32_t max_routes_;
  Lookup* lookup_;
  AdjacencyTable* adjacencies_;
  HopGroups* groups_;
  std::set<OwnAddress> own_addresses_;
  std::map<Prefix, Sources> sources_;
  std::array<std::uint32_t, kHostBits<Address> + 1> sources_of_length_{};
  std::map<Prefix, AdjacencyIndex> installed_;  // in `lookup`, or on the way there
  std::map<NextHopKey, NextHop> next_hops_;
  std::map<Hops, Group> hop_groups_;
};

}  // namespace culvert
