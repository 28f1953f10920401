// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/forwarding_requests.h"

namespace culvert {

Request address_request(RequestKind kind, const PortAddress& address) {
  return Request{
      .op = kind == RequestKind::set ? RequestOp::address_add : RequestOp::address_delete,
      .family = address.family,
      .prefix_bits = address.bits,
      .port = address.port,
      .address = address.address};
}

std::vector<Request> route_requests(const RoutePrefix& prefix, const ForwardingRoute& route) {
  std::vector<Request> requests;
  Request add{.op = RequestOp::route_add,
              .family = prefix.family,
              .prefix_bits = prefix.bits,
              .route_kind = route.kind,
              .address = prefix.network};
  if (route.hops.size() == 1) {
    add.port = route.hops.front().port;
    add.via = route.hops.front().via;
  } else {
    for (const RouteHop& hop : route.hops) {
      requests.push_back(Request{.op = RequestOp::route_hop,
                                 .family = prefix.family,
                                 .port = hop.port,
                                 .index = static_cast<std::uint32_t>(requests.size()),
                                 .weight = hop.weight,
                                 .via = hop.via});
    }
    add.index = static_cast<std::uint32_t>(requests.size());
  }
  requests.push_back(add);
  return requests;
}

Request route_delete_request(const RoutePrefix& prefix) {
  return Request{.op = RequestOp::route_delete,
                 .family = prefix.family,
                 .prefix_bits = prefix.bits,
                 .address = prefix.network};
}

Request neighbor_request(const PortNeighbor& neighbor, const HardwareAddress& mac) {
  return Request{.op = RequestOp::neighbor_set,
                 .family = neighbor.family,
                 .port = neighbor.port,
                 .mac = mac,
                 .address = neighbor.address};
}

Request neighbor_delete_request(const PortNeighbor& neighbor) {
  return Request{.op = RequestOp::neighbor_delete,
                 .family = neighbor.family,
                 .port = neighbor.port,
                 .address = neighbor.address};
}

}  // namespace culvert
