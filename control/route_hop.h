// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <compare>
#include <cstdint>

#include "dataplane/shm/messages.h"

namespace culvert {

// One of a route's next hops.
struct RouteHop {
  IpAddress via;             // all zero: the destinations are on the link
  std::uint16_t port = 0;    // PortId
  std::uint16_t weight = 1;  // its share of the flows, 1 to kMaxHopWeight
  friend auto operator<=>(const RouteHop&, const RouteHop&) = default;
};

}  // namespace culvert
