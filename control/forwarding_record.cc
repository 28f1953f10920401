// SPDX-License-Identifier: BSD-3-Clause
#include "control/forwarding_record.h"

#include <algorithm>
#include <string>
#include <utility>

#include "control/address_text.h"
#include "dataplane/net/ip.h"

namespace culvert {
namespace {

std::string port_name(const Config& config, std::uint16_t port) {
  return port < config.ports.size() ? config.ports[port].name : std::to_string(port);
}

}  // namespace

void ForwardingRecord::apply(const Request& request) {
  const Place place{request.family, request.address, request.prefix_bits, request.port};
  const Place prefix{request.family, request.address, request.prefix_bits, 0};
  const Place neighbor{request.family, request.address, 0, request.port};
  switch (request.op) {
    case RequestOp::address_add:
      addresses_.insert(place);
      break;
    case RequestOp::address_delete:
      addresses_.erase(place);
      break;
    case RequestOp::route_add:
      add_route(prefix, request);
      break;
    case RequestOp::route_hop:
      if (request.index == 0) hops_.clear();
      hops_.push_back({request.via, request.port, request.weight});
      break;
    case RequestOp::route_delete:
      routes_.erase(prefix);
      break;
    case RequestOp::neighbor_set:
      neighbors_[neighbor] = request.mac;
      break;
    case RequestOp::neighbor_delete:
      neighbors_.erase(neighbor);
      break;
    case RequestOp::none:
    case RequestOp::sa_add:
    case RequestOp::sa_update:
    case RequestOp::sa_delete:
    case RequestOp::policy_set:
    case RequestOp::policy_delete:
    case RequestOp::policy_default:
    case RequestOp::commit:
    case RequestOp::esp_options:
    case RequestOp::trace:
      break;
  }
}

void ForwardingRecord::add_route(const Place& prefix, const Request& request) {
  Route& route = routes_[prefix];
  route = {.kind = request.route_kind, .hops = {}};
  if (route.kind == RouteKind::blackhole) return;
  route.hops = request.index != 0 ? std::exchange(hops_, {})
                                  : std::vector{RouteHop{request.via, request.port}};
}

bool ForwardingRecord::is_our_address(Family family, const IpAddress& address) const {
  return std::any_of(addresses_.begin(), addresses_.end(), [&](const Place& place) {
    return place.family == family && place.address == address;
  });
}

Json ForwardingRecord::view(const Config& config) const {
  Json addresses = Json::array();
  for (const Place& place : addresses_) {
    addresses.push_back({{"address", prefix_text(place.family, place.address, place.prefix_bits)},
                         {"port", port_name(config, place.port)}});
  }
  Json routes = Json::array();
  // A port's addresses bring the routes to their subnets along, but for the one every link has.
  std::set<Place> subnets;
  for (const Place& place : addresses_) {
    const bool is_v6 = place.family == Family::v6;
    if (place.prefix_bits >= (is_v6 ? 128 : 32)) continue;
    if (is_v6 && is_link_local(place.address.bytes)) continue;
    subnets.insert({place.family, network_of(place.address, place.prefix_bits), place.prefix_bits,
                    place.port});
  }
  for (const Place& place : subnets) {
    routes.push_back({{"prefix", prefix_text(place.family, place.address, place.prefix_bits)},
                      {"type", "connected"},
                      {"via", nullptr},
                      {"port", port_name(config, place.port)},
                      {"nexthops", Json::array()}});
  }
  for (const auto& [place, route] : routes_) {
    Json hops = Json::array();
    for (const RouteHop& hop : route.hops) {
      const bool is_on_link = hop.via == IpAddress{};
      hops.push_back({{"via", is_on_link ? Json() : Json(address_text(place.family, hop.via))},
                      {"port", port_name(config, hop.port)},
                      {"weight", hop.weight}});
    }
    const bool has_one = hops.size() == 1;
    routes.push_back({{"prefix", prefix_text(place.family, place.address, place.prefix_bits)},
                      {"type", route.kind == RouteKind::blackhole ? "blackhole" : "unicast"},
                      {"via", has_one ? hops.front()["via"] : Json()},
                      {"port", has_one ? hops.front()["port"] : Json()},
                      {"nexthops", hops}});
  }
  Json neighbors = Json::array();
  for (const auto& [place, mac] : neighbors_) {
    neighbors.push_back({{"address", address_text(place.family, place.address)},
                         {"mac", mac_text(mac)},
                         {"port", port_name(config, place.port)}});
  }
  return {{"addresses", addresses}, {"routes", routes}, {"neighbors", neighbors}};
}

}  // namespace culvert
