// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/linux_state.h"

#include <algorithm>

#include "control/address_text.h"

namespace culvert {

std::optional<PortNumber> LinuxState::port_of(InterfaceIndex interface) const {
  const auto found = mirrors.find(interface);
  if (found == mirrors.end()) return {};
  return found->second;
}

void LinuxState::add_route(LinuxRoute route, RoutePlace place) {
  std::vector<LinuxRoute>& list = routes[route.prefix];
  const auto first = std::find_if(list.begin(), list.end(), [&](const LinuxRoute& other) {
    return other.metric >= route.metric;
  });
  if (place == RoutePlace::instead && first != list.end() && first->metric == route.metric) {
    *first = std::move(route);
    list.erase(std::remove(first + 1, list.end(), *first), list.end());
    return;
  }
  // A change that happened around a dump is in the dump and comes as an event once more.
  if (std::find(first, list.end(), route) != list.end()) return;
  const auto beyond = std::find_if(
      first, list.end(), [&](const LinuxRoute& other) { return other.metric > route.metric; });
  list.insert(place == RoutePlace::last ? beyond : first, std::move(route));
}

bool LinuxState::remove_route(const LinuxRoute& route) {
  const auto found = routes.find(route.prefix);
  if (found == routes.end()) return false;
  std::vector<LinuxRoute>& list = found->second;
  const auto same = std::find(list.begin(), list.end(), route);
  if (same == list.end()) return false;
  list.erase(same);
  if (list.empty()) routes.erase(found);
  return true;
}

bool LinuxState::is_connected(const RoutePrefix& prefix, PortNumber port) const {
  return std::any_of(addresses.begin(), addresses.end(), [&](const PortAddress& address) {
    return address.port == port && address.family == prefix.family && address.bits == prefix.bits &&
           network_of(address.address, address.bits) == prefix.network;
  });
}

std::optional<ForwardingRoute> LinuxState::forwarding_route(const RoutePrefix& prefix) const {
  const auto found = routes.find(prefix);
  if (found == routes.end()) return {};
  for (const LinuxRoute& route : found->second) {
    if (route.hops.empty()) return ForwardingRoute{.kind = RouteKind::blackhole};
    for (const NextHop& hop : route.hops) {
      const auto port = port_of(hop.interface);
      if (!port) continue;
      if (hop.gateway == IpAddress{} && is_connected(prefix, *port)) return {};
      return ForwardingRoute{.port = *port, .via = hop.gateway};
    }
  }
  return ForwardingRoute{.kind = RouteKind::blackhole};
}

}  // namespace culvert
