// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "control/netlink/linux_state.h"
#include "dataplane/shm/messages.h"

// Requests about addresses, routes and neighbours.

namespace culvert {

enum class RequestKind { set, remove };

[[nodiscard]] Request address_request(RequestKind kind, const PortAddress& address);
// In this order: of several next hops each has one, and the route itself comes last.
[[nodiscard]] std::vector<Request> route_requests(const RoutePrefix& prefix,
                                                  const ForwardingRoute& route);
[[nodiscard]] Request route_delete_request(const RoutePrefix& prefix);
[[nodiscard]] Request neighbor_request(const PortNeighbor& neighbor, const HardwareAddress& mac);
[[nodiscard]] Request neighbor_delete_request(const PortNeighbor& neighbor);

}  // namespace culvert
