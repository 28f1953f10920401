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

std::vector<RouteHop> LinuxState::hops_through_ports(const LinuxRoute& route) const {
  std::vector<RouteHop> hops;
  for (const NextHop& hop : route.hops) {
    const auto port = port_of(hop.interface);
    if (!port) continue;
    const auto same = std::ranges::find_if(hops, [&](const RouteHop& other) {
      return other.via == hop.gateway && other.port == *port;
    });
    if (same != hops.end()) {
      const int weight = std::min<int>(same->weight + hop.weight, kMaxHopWeight);
      same->weight = static_cast<std::uint16_t>(weight);
    } else if (hops.size() < kMaxRouteHops) {
      hops.push_back({.via = hop.gateway, .port = *port, .weight = hop.weight});
    }
  }
  if (hops.size() == 1) hops.front().weight = 1;
  std::ranges::sort(hops);
  return hops;
}

std::optional<ForwardingRoute> LinuxState::forwarding_route(const RoutePrefix& prefix) const {
  const auto found = routes.find(prefix);
  if (found == routes.end()) return {};
  for (const LinuxRoute& route : found->second) {
    if (route.hops.empty()) return ForwardingRoute{.kind = RouteKind::blackhole};
    std::vector<RouteHop> hops = hops_through_ports(route);
    if (hops.empty()) continue;
    const RouteHop& first = hops.front();
    const bool is_on_link = hops.size() == 1 && first.via == IpAddress{};
    if (is_on_link && is_connected(prefix, first.port)) return {};
    return ForwardingRoute{.hops = std::move(hops)};
  }
  return ForwardingRoute{.kind = RouteKind::blackhole};
}

}  // namespace culvert
