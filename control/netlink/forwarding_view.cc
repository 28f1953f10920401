// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/forwarding_view.h"

#include <utility>

#include "control/address_text.h"
#include "control/netlink/forwarding_requests.h"

namespace culvert {

void ForwardingView::mark_connected_route(const PortAddress& address) {
  changed_routes_.insert({network_of(address.address, address.bits), address.bits, address.family});
}

void ForwardingView::add_address(const PortAddress& address) {
  linux_.addresses.insert(address);
  changed_addresses_.insert(address);
  mark_connected_route(address);
}

void ForwardingView::remove_address(const PortAddress& address) {
  linux_.addresses.erase(address);
  changed_addresses_.insert(address);
  mark_connected_route(address);
}

void ForwardingView::add_route(const LinuxRoute& route, RoutePlace place) {
  linux_.add_route(route, place);
  changed_routes_.insert(route.prefix);
}

bool ForwardingView::remove_route(const LinuxRoute& route) {
  changed_routes_.insert(route.prefix);
  return linux_.remove_route(route);
}

void ForwardingView::set_neighbor(const PortNeighbor& neighbor, const HardwareAddress& mac) {
  linux_.neighbors[neighbor] = mac;
  changed_neighbors_.insert(neighbor);
}

void ForwardingView::remove_neighbor(const PortNeighbor& neighbor) {
  linux_.neighbors.erase(neighbor);
  changed_neighbors_.insert(neighbor);
}

void ForwardingView::repeat_neighbor(const PortNeighbor& neighbor) {
  pushed_neighbors_.erase(neighbor);
  changed_neighbors_.insert(neighbor);
}

void ForwardingView::replace(LinuxState state) {
  linux_ = std::move(state);
  changed_addresses_.insert(linux_.addresses.begin(), linux_.addresses.end());
  changed_addresses_.insert(pushed_addresses_.begin(), pushed_addresses_.end());
  for (const auto& [prefix, routes] : linux_.routes) changed_routes_.insert(prefix);
  for (const auto& [prefix, route] : pushed_routes_) changed_routes_.insert(prefix);
  for (const auto& [neighbor, mac] : linux_.neighbors) changed_neighbors_.insert(neighbor);
  for (const auto& [neighbor, mac] : pushed_neighbors_) changed_neighbors_.insert(neighbor);
}

void ForwardingView::settle() {
  const auto addresses = std::exchange(changed_addresses_, {});
  for (const PortAddress& address : addresses) {
    if (linux_.addresses.contains(address) && pushed_addresses_.insert(address).second) {
      push_(address_request(RequestKind::set, address));
    }
  }
  for (const RoutePrefix& prefix : std::exchange(changed_routes_, {})) settle_route(prefix);
  for (const PortNeighbor& neighbor : std::exchange(changed_neighbors_, {})) {
    settle_neighbor(neighbor);
  }
  for (const PortAddress& address : addresses) {
    if (!linux_.addresses.contains(address) && pushed_addresses_.erase(address) != 0) {
      push_(address_request(RequestKind::remove, address));
    }
  }
}

void ForwardingView::settle_route(const RoutePrefix& prefix) {
  const auto wanted = linux_.forwarding_route(prefix);
  const auto pushed = pushed_routes_.find(prefix);
  if (!wanted) {
    if (pushed == pushed_routes_.end()) return;
    pushed_routes_.erase(pushed);
    push_(route_delete_request(prefix));
    return;
  }
  if (pushed != pushed_routes_.end() && pushed->second == *wanted) return;
  pushed_routes_.insert_or_assign(prefix, *wanted);
  for (const Request& request : route_requests(prefix, *wanted)) push_(request);
}

void ForwardingView::settle_neighbor(const PortNeighbor& neighbor) {
  const auto wanted = linux_.neighbors.find(neighbor);
  const auto pushed = pushed_neighbors_.find(neighbor);
  if (wanted == linux_.neighbors.end()) {
    if (pushed == pushed_neighbors_.end()) return;
    pushed_neighbors_.erase(pushed);
    push_(neighbor_delete_request(neighbor));
    return;
  }
  if (pushed != pushed_neighbors_.end() && pushed->second == wanted->second) return;
  pushed_neighbors_[neighbor] = wanted->second;
  push_(neighbor_request(neighbor, wanted->second));
}

void ForwardingView::push_all() {
  pushed_addresses_.clear();
  pushed_routes_.clear();
  pushed_neighbors_.clear();
  replace(std::move(linux_));
  settle();
}

}  // namespace culvert
