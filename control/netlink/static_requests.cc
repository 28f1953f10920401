// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/static_requests.h"

#include <cstddef>

#include "control/netlink/forwarding_requests.h"

namespace culvert {

std::vector<Request> static_requests(const Config& config) {
  std::vector<Request> requests;
  const auto add = [&](Request request, Family family) {
    request.family = family;
    requests.push_back(request);
  };
  for (std::size_t i = 0; i < config.ports.size(); ++i) {
    const auto port = static_cast<PortNumber>(i);
    for (const AddressPrefix& prefix : config.ports[i].addresses) {
      const PortAddress address{
          .port = port, .address = prefix.address, .bits = prefix.prefix_bits};
      add(address_request(RequestKind::set, address), prefix.family);
    }
  }
  for (const ConfigRoute& route : config.routes) {
    const RoutePrefix prefix{.network = route.prefix.address, .bits = route.prefix.prefix_bits};
    add(route_request(prefix, {.kind = route.kind, .port = route.port, .via = route.via}),
        route.prefix.family);
  }
  for (const ConfigNeighbor& neighbor : config.neighbors) {
    const PortNeighbor key{.port = neighbor.port, .address = neighbor.address};
    add(neighbor_request(key, neighbor.mac), neighbor.family);
  }
  return requests;
}

}  // namespace culvert
