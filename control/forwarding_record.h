// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "control/api/protocol.h"
#include "control/config.h"
#include "control/route_hop.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// The addresses, routes and neighbours that the dataplane was told, kept by listening to what it is
// told: for `show routes`, and to know which addresses are ours.
class ForwardingRecord {
 public:
  // Other requests than those about addresses, routes and neighbours are ignored.
  void apply(const Request& request);

  [[nodiscard]] bool is_our_address(Family family, const IpAddress& address) const;

  // {"addresses":[...],"routes":[...],"neighbors":[...]}. Each route has "nexthops", its "via" and
  // "port" are those of the only one.
  [[nodiscard]] Json view(const Config& config) const;

 private:
  struct Place {
    Family family = Family::none;
    IpAddress address;
    std::uint8_t prefix_bits = 0;
    std::uint16_t port = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  struct Route {
    RouteKind kind = RouteKind::unicast;
    std::vector<RouteHop> hops;
  };
  void add_route(const Place& prefix, const Request& request);

  std::set<Place> addresses_;
  std::vector<RouteHop> hops_;     // of the route to come
  std::map<Place, Route> routes_;  // their ports are in the value
  std::map<Place, MacBytes> neighbors_;
};

}  // namespace culvert
