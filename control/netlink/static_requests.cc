// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/static_requests.h"

#include <cstddef>

#include "control/netlink/forwarding_requests.h"

namespace culvert {

std::vector<Request> static_requests(const Config& config) {
  std::vector<Request> requests;
  for (std::size_t i = 0; i < config.ports.size(); ++i) {
    const auto port = static_cast<PortNumber>(i);
    for (const AddressPrefix& prefix : config.ports[i].addresses) {
      const PortAddress address{.port = port,
                                .address = prefix.address,
                                .bits = prefix.prefix_bits,
                                .family = prefix.family};
      requests.push_back(address_request(RequestKind::set, address));
    }
  }
  for (const ConfigRoute& route : config.routes) {
    const RoutePrefix prefix{.network = route.prefix.address,
                             .bits = route.prefix.prefix_bits,
                             .family = route.prefix.family};
    const auto added = route_requests(prefix, {.kind = route.kind, .hops = route.hops});
    requests.insert(requests.end(), added.begin(), added.end());
  }
  for (const ConfigNeighbor& neighbor : config.neighbors) {
    const PortNeighbor key{
        .port = neighbor.port, .address = neighbor.address, .family = neighbor.family};
    requests.push_back(neighbor_request(key, neighbor.mac));
  }
  return requests;
}

}  // namespace culvert
