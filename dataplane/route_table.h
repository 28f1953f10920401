// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <type_traits>
#include <vector>

#include "dataplane/adjacency.h"
#include "dataplane/fib_v4.h"
#include "dataplane/fib_v6.h"
#include "dataplane/ip_prefix.h"

namespace culvert {

// All that was asked for in one family, and what prefixes come out of it: the writer's half of Fib,
// which says what the functions do. It keeps `lookup` right and takes next hops from `adjacencies`;
// both outlive it.
//
// As in Linux, of equal prefixes an own or a broadcast address wins over a route, and a route over
// a connected network. A neighbour gets a host route where its address is on the link of its port
// by the longest prefix that covers it, and resolves the routes by way of it anywhere.
//
// A link-local address lies on every link, so that neither it nor its network leads anywhere: those
// of ours are local, and those of neighbours are next hops and no more.
template <typename Address>
class RouteTable {
 public:
  using Prefix = BasicPrefix<Address>;
  using Lookup = std::conditional_t<std::is_same_v<Address, Ipv4Address>, FibV4, FibV6>;

  RouteTable(std::uint32_t max_routes, Lookup& lookup, AdjacencyTable& adjacencies)
      : max_routes_(max_routes), lookup_(&lookup), adjacencies_(&adjacencies) {}

  [[nodiscard]] Refusal address_add(PortId port, const Prefix& address);
  [[nodiscard]] Refusal address_delete(PortId port, const Prefix& address);
  [[nodiscard]] Refusal route_add(const Prefix& prefix, const Address& via, PortId port);
  [[nodiscard]] Refusal route_add_blackhole(const Prefix& prefix);
  [[nodiscard]] Refusal route_delete(const Prefix& prefix);
  [[nodiscard]] Refusal neighbor_set(PortId port, const Address& address, MacAddress mac);
  [[nodiscard]] Refusal neighbor_delete(PortId port, const Address& address);

  [[nodiscard]] std::optional<MacAddress> neighbor(PortId port, const Address& address) const;
  // The port's first address that hosts elsewhere may answer to, by number.
  [[nodiscard]] std::optional<Address> own_address(PortId port) const;

 private:
  struct Route {
    AdjacencyKind kind = AdjacencyKind::on_link;  // or blackhole, or unresolved: by way of `via`
    PortId port;
    Address via{};
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
    std::uint32_t users = 0;  // routes by way of it, and its neighbour entry
    bool is_neighbor = false;
  };
  using PortList = std::vector<PortId> Sources::*;

  [[nodiscard]] static Refusal validate(const Prefix& prefix, PortId port);

  // What applies to a prefix, neighbours aside; kNoRoute: nothing of its own.
  [[nodiscard]] AdjacencyIndex base_of(const Prefix& prefix) const;
  [[nodiscard]] AdjacencyIndex covering_base_of(const Address& address) const;
  [[nodiscard]] AdjacencyIndex desired(const Prefix& prefix) const;
  [[nodiscard]] AdjacencyIndex adjacency_of(const Route& route) const;

  [[nodiscard]] bool refresh(const Prefix& prefix);
  void refresh_neighbors_in(const Prefix& prefix);
  void add_port(const Prefix& prefix, PortList list, PortId port);
  void remove_port(const Prefix& prefix, PortList list, PortId port);
  [[nodiscard]] Sources& sources_at(const Prefix& prefix);
  void drop_if_empty(const Prefix& prefix);
  [[nodiscard]] Refusal set_route(const Prefix& prefix, const Route& route);

  [[nodiscard]] bool use_next_hop(const NextHopKey& key);
  void release_next_hop(const NextHopKey& key);

  std::uint32_t max_routes_;
  Lookup* lookup_;
  AdjacencyTable* adjacencies_;
  std::set<OwnAddress> own_addresses_;
  std::map<Prefix, Sources> sources_;
  std::array<std::uint32_t, kHostBits<Address> + 1> sources_of_length_{};
  std::map<Prefix, AdjacencyIndex> installed_;  // in `lookup`, or on the way there
  std::map<NextHopKey, NextHop> next_hops_;
};

}  // namespace culvert
