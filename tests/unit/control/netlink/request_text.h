// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "control/address_text.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// A request about forwarding as one line, for tests to compare.
inline std::string text_of(const Request& request) {
  const std::string port = " " + std::to_string(request.port) + " ";
  const std::string address = address_text(request.family, request.address);
  const std::string prefix = prefix_text(request.family, request.address, request.prefix_bits);
  switch (request.op) {
    case RequestOp::address_add:
      return "address_add" + port + prefix;
    case RequestOp::address_delete:
      return "address_delete" + port + prefix;
    case RequestOp::route_add:
      if (request.route_kind == RouteKind::blackhole) return "route_add blackhole " + prefix;
      if (request.index != 0) return "route_add " + prefix + " " + std::to_string(request.index);
      return "route_add" + port + prefix + " via " + address_text(request.family, request.via);
    case RequestOp::route_hop:
      return "route_hop " + std::to_string(request.index) + port + "via " +
             address_text(request.family, request.via) + " weight " +
             std::to_string(request.weight);
    case RequestOp::route_delete:
      return "route_delete " + prefix;
    case RequestOp::neighbor_set:
      return "neighbor_set" + port + address + " " + mac_text(request.mac);
    case RequestOp::neighbor_delete:
      return "neighbor_delete" + port + address;
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
  return "another operation";
}

}  // namespace culvert
