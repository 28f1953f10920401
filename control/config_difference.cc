// SPDX-License-Identifier: BSD-3-Clause
#include "control/config_difference.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "control/address_text.h"
#include "control/policy_text.h"
#include "crypto/transform.h"

namespace culvert {
namespace {

void add_port_lines(const ConfigPort& port, std::vector<std::string>& lines) {
  const auto add = [&](std::string text) {
    lines.push_back(fmt::format("port {}: {}", port.name, text));
  };
  add(fmt::format("device {}", port.device));
  if (port.vlan != 0) add(fmt::format("vlan {}", port.vlan));
  add(fmt::format("mtu {}", port.mtu));
  if (port.mac) add(fmt::format("mac {}", mac_text(*port.mac)));
  if (port.rx_queues != 0) add(fmt::format("rx_queues {}", port.rx_queues));
  if (port.ring_size != 0) add(fmt::format("ring_size {}", port.ring_size));
  for (const AddressPrefix& prefix : port.addresses) {
    add(fmt::format("address {}", prefix_text(prefix.family, prefix.address, prefix.prefix_bits)));
  }
}

std::string route_line(const Config& config, const ConfigRoute& route) {
  const std::string prefix =
      prefix_text(route.prefix.family, route.prefix.address, route.prefix.prefix_bits);
  if (route.kind == RouteKind::blackhole) return fmt::format("route {}: blackhole", prefix);
  const std::string via =
      route.via == IpAddress{} ? "" : " via " + address_text(route.prefix.family, route.via);
  return fmt::format("route {}:{} port {}", prefix, via, config.ports[route.port].name);
}

std::string allowed_text(std::uint8_t allowed) {
  std::vector<std::string_view> names;
  for (std::size_t bit = 0; bit < kPermissionNames.size(); ++bit) {
    if ((allowed >> bit & 1) != 0) names.push_back(kPermissionNames[bit]);
  }
  return names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "));
}

const char* df_text(DfBit df) {
  if (df == DfBit::set) return "set";
  return df == DfBit::clear ? "clear" : "copy";
}

}  // namespace

std::vector<std::string> config_lines(const Config& config) {
  std::vector<std::string> lines{
      fmt::format("dataplane: cores {}", fmt::join(config.cores, ", ")),
      fmt::format("dataplane: max_sas {}", config.max_sas),
      fmt::format("dataplane: max_policies {}", config.max_policies),
      fmt::format("dataplane: poll {}", config.poll == PollMode::busy ? "busy" : "adaptive"),
      fmt::format("dataplane: huge_pages {}", config.huge_pages),
      fmt::format("dataplane: af_xdp {}", config.af_xdp),
      fmt::format("dataplane: mbufs {}", config.mbufs),
      fmt::format("esp: replay_window {}", config.replay_window),
      fmt::format("esp: fragment {}", config.splits_after_esp ? "after" : "before"),
      fmt::format("esp: fragment_timeout {}", config.fragment_patience_ms),
      fmt::format("esp: clamp_mss {}", config.mss),
      fmt::format("esp: df {}", df_text(config.df)),
      fmt::format("esp: nat_keepalive {}", config.nat_keepalive_seconds),
      fmt::format("esp: follow_peers {}", config.follows_peers),
      fmt::format("esp: dummies {}", config.dummies_per_second),
      fmt::format("esp: idle_timeout {}", config.idle_timeout_seconds),
      fmt::format("esp: allow {}", allowed_text(config.allowed_transforms)),
      fmt::format("esp: large_window_slots {}", config.window_slots),
      fmt::format("xfrm: spread {}", config.spreads_xfrm_policies),
      fmt::format("policy: default {}",
                  config.default_policy == PolicyAction::bypass ? "bypass" : "discard"),
      fmt::format("log: audit {}", config.audits),
      fmt::format("control: group {}", config.group.empty() ? "none" : config.group),
      fmt::format("control: state_dir {}",
                  config.state_dir.empty() ? "default" : config.state_dir.string()),
  };
  for (const ConfigPort& port : config.ports) add_port_lines(port, lines);
  for (const ConfigRoute& route : config.routes) lines.push_back(route_line(config, route));
  for (const ConfigNeighbor& neighbor : config.neighbors) {
    lines.push_back(fmt::format("neighbor {}: {} port {}",
                                address_text(neighbor.family, neighbor.address),
                                mac_text(neighbor.mac), config.ports[neighbor.port].name));
  }
  for (const Policy& policy : config.policies) lines.push_back(policy_text(policy));
  return lines;
}

std::vector<std::string> changed_lines(const std::vector<std::string>& before,
                                       const std::vector<std::string>& after) {
  const std::set<std::string> old_lines(before.begin(), before.end());
  const std::set<std::string> new_lines(after.begin(), after.end());
  std::vector<std::string> changes;
  for (const std::string& line : before) {
    if (!new_lines.contains(line)) changes.push_back("- " + line);
  }
  for (const std::string& line : after) {
    if (!old_lines.contains(line)) changes.push_back("+ " + line);
  }
  return changes;
}

bool is_configured_address(const Config& config, Family family, const IpAddress& address) {
  for (const ConfigPort& port : config.ports) {
    for (const AddressPrefix& own : port.addresses) {
      if (own.family == family && own.address == address) return true;
    }
  }
  return false;
}

}  // namespace culvert
