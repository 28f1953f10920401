// SPDX-License-Identifier: BSD-3-Clause
#include "control/config_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "control/address_text.h"
#include "control/policy_text.h"
#include "crypto/transform.h"

namespace culvert {
namespace {

enum class TakesEffect : std::uint8_t { at_once, at_start };

struct Entry {
  std::string line;
  TakesEffect when;
};

void add_port_entries(const ConfigPort& port, std::vector<Entry>& entries) {
  const auto add = [&](TakesEffect when, std::string text) {
    entries.push_back({fmt::format("port {}: {}", port.name, text), when});
  };
  constexpr auto kAtStart = TakesEffect::at_start;
  add(kAtStart, fmt::format("device {}", port.device));
  if (port.vlan != 0) add(kAtStart, fmt::format("vlan {}", port.vlan));
  add(kAtStart, fmt::format("mtu {}", port.mtu));
  if (port.mac) add(kAtStart, fmt::format("mac {}", mac_text(*port.mac)));
  if (port.rx_queues != 0) add(kAtStart, fmt::format("rx_queues {}", port.rx_queues));
  if (port.ring_size != 0) add(kAtStart, fmt::format("ring_size {}", port.ring_size));
  for (const AddressPrefix& prefix : port.addresses) {
    add(TakesEffect::at_once,
        fmt::format("address {}", prefix_text(prefix.family, prefix.address, prefix.prefix_bits)));
  }
}

std::string hop_text(const Config& config, Family family, const RouteHop& hop) {
  const std::string via =
      hop.via == IpAddress{} ? "" : "via " + address_text(family, hop.via) + " ";
  return fmt::format("{}port {}", via, config.ports[hop.port].name);
}

std::string route_line(const Config& config, const ConfigRoute& route) {
  const Family family = route.prefix.family;
  const std::string prefix = prefix_text(family, route.prefix.address, route.prefix.prefix_bits);
  if (route.kind == RouteKind::blackhole) return fmt::format("route {}: blackhole", prefix);
  if (route.hops.size() == 1) {
    return fmt::format("route {}: {}", prefix, hop_text(config, family, route.hops.front()));
  }
  // In no order: it has no meaning.
  std::vector<std::string> hops;
  for (const RouteHop& hop : route.hops) {
    hops.push_back(fmt::format("{} weight {}", hop_text(config, family, hop), hop.weight));
  }
  std::ranges::sort(hops);
  return fmt::format("route {}: {}", prefix, fmt::join(hops, ", "));
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

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warn:
      return "warn";
    case LogLevel::error:
      return "error";
  }
  return "";
}

std::vector<Entry> start_entries(const Config& config) {
  std::vector<Entry> entries;
  const auto add = [&entries](std::string line) {
    entries.push_back({std::move(line), TakesEffect::at_start});
  };
  add(fmt::format("dataplane: cores {}", fmt::join(config.cores, ", ")));
  add(fmt::format("dataplane: max_sas {}", config.max_sas));
  add(fmt::format("dataplane: max_policies {}", config.max_policies));
  add(fmt::format("dataplane: poll {}", config.poll == PollMode::busy ? "busy" : "adaptive"));
  add(fmt::format("dataplane: huge_pages {}", config.huge_pages));
  add(fmt::format("dataplane: af_xdp {}", config.af_xdp));
  add(config.mbufs == 0 ? "dataplane: mbufs chosen at start, from ports and queues"
                        : fmt::format("dataplane: mbufs {}", config.mbufs));
  add(fmt::format("esp: large_window_slots {}", config.window_slots));
  add(fmt::format("esp: fragment_timeout {}", config.fragment_patience_ms));
  add(fmt::format("xfrm: spread {}", config.spreads_xfrm_policies));
  add(fmt::format("control: group {}", config.group.empty() ? "none" : config.group));
  add(fmt::format("control: state_dir {}", config.state_dir.empty()
                                               ? "of the instance's name in /var/lib/culvert"
                                               : config.state_dir.string()));
  return entries;
}

std::vector<Entry> entries_of(const Config& config) {
  std::vector<Entry> entries = start_entries(config);
  const auto add = [&entries](std::string line) {
    entries.push_back({std::move(line), TakesEffect::at_once});
  };
  add(fmt::format("esp: replay_window {}", config.replay_window));
  add(fmt::format("esp: fragment {}", config.splits_after_esp ? "after" : "before"));
  add(fmt::format("esp: clamp_mss {}", config.mss));
  add(fmt::format("esp: df {}", df_text(config.df)));
  add(fmt::format("esp: nat_keepalive {}", config.nat_keepalive_seconds));
  add(fmt::format("esp: follow_peers {}", config.follows_peers));
  add(fmt::format("esp: dummies {}", config.dummies_per_second));
  add(fmt::format("esp: idle_timeout {}", config.idle_timeout_seconds));
  add(fmt::format("esp: allow {}", allowed_text(config.allowed_transforms)));
  add(fmt::format("policy: default {}",
                  config.default_policy == PolicyAction::bypass ? "bypass" : "discard"));
  add(fmt::format("log: audit {}", config.audits));
  add(fmt::format("log: level {}", level_name(config.log_level)));
  for (const ConfigPort& port : config.ports) add_port_entries(port, entries);
  for (const ConfigRoute& route : config.routes) add(route_line(config, route));
  for (const ConfigNeighbor& neighbor : config.neighbors) {
    add(fmt::format("neighbor {}: {} port {}", address_text(neighbor.family, neighbor.address),
                    mac_text(neighbor.mac), config.ports[neighbor.port].name));
  }
  for (const Policy& policy : config.policies) add(policy_text(policy));
  return entries;
}

}  // namespace

std::vector<std::string> config_lines(const Config& config) {
  std::vector<std::string> lines;
  for (Entry& entry : entries_of(config)) lines.push_back(std::move(entry.line));
  return lines;
}

std::vector<std::string> start_lines(const Config& config) {
  std::vector<std::string> lines;
  for (Entry& entry : entries_of(config)) {
    if (entry.when == TakesEffect::at_start) lines.push_back(std::move(entry.line));
  }
  return lines;
}

Config with_ports_as_in(Config config, const Config& running) {
  std::vector<ConfigPort> ports;
  std::vector<std::uint16_t> places(config.ports.size());
  for (const ConfigPort& port : running.ports) {
    const auto same = std::ranges::find(config.ports, port.name, &ConfigPort::name);
    if (same == config.ports.end()) return config;
    places[static_cast<std::size_t>(same - config.ports.begin())] =
        static_cast<std::uint16_t>(ports.size());
    ports.push_back(*same);
  }
  if (ports.size() != config.ports.size()) return config;
  config.ports = std::move(ports);
  for (ConfigPort& port : config.ports) {
    if (port.vlan != 0) port.parent = places[port.parent];
  }
  for (ConfigRoute& route : config.routes) {
    for (RouteHop& hop : route.hops) hop.port = places[hop.port];
  }
  for (ConfigNeighbor& neighbor : config.neighbors) neighbor.port = places[neighbor.port];
  return config;
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
