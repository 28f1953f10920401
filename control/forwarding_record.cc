// SPDX-License-Identifier: BSD-3-Clause
#include "control/forwarding_record.h"

#include <algorithm>
#include <string>

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
      routes_[prefix] = {request.route_kind, request.port, request.via};
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
                      {"port", port_name(config, place.port)}});
  }
  for (const auto& [place, route] : routes_) {
    const bool is_blackhole = route.kind == RouteKind::blackhole;
    const bool is_on_link = route.via == IpAddress{};
    routes.push_back(
        {{"prefix", prefix_text(place.family, place.address, place.prefix_bits)},
         {"type", is_blackhole ? "blackhole" : "unicast"},
         {"via", is_blackhole || is_on_link ? Json() : Json(address_text(place.family, route.via))},
         {"port", is_blackhole ? Json() : Json(port_name(config, route.port))}});
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
