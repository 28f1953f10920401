// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "control/route_hop.h"
#include "dataplane/shm/messages.h"

// What Linux says about addresses, routes and neighbours, and what of it the dataplane is to do.
// Plain data, no netlink here.

namespace culvert {

using InterfaceIndex = int;  // Linux's, 0: none
using PortNumber = std::uint16_t;

struct RoutePrefix {
  IpAddress network;  // bits right of the prefix are 0
  std::uint8_t bits = 0;
  Family family = Family::v4;
  friend auto operator<=>(const RoutePrefix&, const RoutePrefix&) = default;
};

struct NextHop {
  InterfaceIndex interface = 0;
  IpAddress gateway;  // all zero: the destinations are on the link
  std::uint16_t weight = 1;
  friend bool operator==(const NextHop&, const NextHop&) = default;
};

// One route of the main table.
struct LinuxRoute {
  RoutePrefix prefix;
  std::uint32_t metric = 0;   // lower wins
  std::vector<NextHop> hops;  // none: blackhole, unreachable, prohibit or throw
  friend bool operator==(const LinuxRoute&, const LinuxRoute&) = default;
};

// How a new route stands to those with the same prefix and metric (`ip route add|append|replace`).
enum class RoutePlace { first, last, instead };

// An address of a mirror.
struct PortAddress {
  PortNumber port = 0;
  IpAddress address;
  std::uint8_t bits = 0;  // 32 or 128 where Linux has no connected route from the address
  Family family = Family::v4;
  friend auto operator<=>(const PortAddress&, const PortAddress&) = default;
};

struct PortNeighbor {
  PortNumber port = 0;
  IpAddress address;
  Family family = Family::v4;
  friend auto operator<=>(const PortNeighbor&, const PortNeighbor&) = default;
};

// What the dataplane has for a prefix.
struct ForwardingRoute {
  RouteKind kind = RouteKind::unicast;
  std::vector<RouteHop> hops;  // in order; at least one, of a blackhole none
  friend bool operator==(const ForwardingRoute&, const ForwardingRoute&) = default;
};

using HardwareAddress = std::array<std::uint8_t, 6>;

struct LinuxState {
  std::map<InterfaceIndex, PortNumber> mirrors;
  std::set<PortAddress> addresses;
  std::map<PortNeighbor, HardwareAddress> neighbors;
  std::map<RoutePrefix, std::vector<LinuxRoute>> routes;  // each list as Linux would try it

  [[nodiscard]] std::optional<PortNumber> port_of(InterfaceIndex interface) const;
  // A route that is there already stays where it is.
  void add_route(LinuxRoute route, RoutePlace place);
  // Removes the first route that equals it. False: there is none.
  bool remove_route(const LinuxRoute& route);

  // What the dataplane needs to be told about a prefix. Nothing if Linux has no route, or if the
  // route is the one that the dataplane derives from a port's address by itself.
  // Of several routes the best through a port counts, of several next hops those through ports; the
  // same one again adds its weight, up to kMaxHopWeight. Limit: after kMaxRouteHops the rest is
  // left out. A prefix that Linux reaches only through interfaces that are not ours is a blackhole:
  // were it left out, its packets would follow a shorter prefix instead.
  [[nodiscard]] std::optional<ForwardingRoute> forwarding_route(const RoutePrefix& prefix) const;

 private:
  [[nodiscard]] std::vector<RouteHop> hops_through_ports(const LinuxRoute& route) const;
  // Whether a port has an address in the prefix, whose network the dataplane then knows by itself.
  [[nodiscard]] bool is_connected(const RoutePrefix& prefix, PortNumber port) const;
};

}  // namespace culvert
