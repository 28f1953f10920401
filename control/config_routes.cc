// SPDX-License-Identifier: BSD-3-Clause
#include "control/config_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "control/address_text.h"
#include "control/config_next_hops.h"
#include "control/config_ports.h"

namespace culvert {
namespace {

std::string_view family_name(Family family) {
  return family == Family::v6 ? "IPv6" : "IPv4";
}

class RouteReader {
 public:
  RouteReader(ConfigErrors& errors, Config& config) : errors_(errors), config_(config) {}

  void read_route(const toml::table& section);
  void read_neighbor(const toml::table& section);
  // What is known once all of them are read.
  void finish() const { next_hops_.finish(config_, errors_); }

 private:
  void read_prefix(const ConfigText& text, ConfigRoute& route);
  void read_single_hop(ConfigTable& table, ConfigRoute& route);
  void read_hops(ConfigTable& table, ConfigRoute& route);
  void read_hop(const toml::table& section, ConfigRoute& route);
  [[nodiscard]] std::optional<std::uint16_t> port_of(const ConfigText& text);
  [[nodiscard]] std::optional<ParsedAddress> host_of(std::string_view key, const ConfigText& text);
  [[nodiscard]] std::optional<ParsedAddress> via_of(const ConfigText& text,
                                                    const ConfigRoute& route);

  ConfigErrors& errors_;
  Config& config_;
  NextHopCheck next_hops_;
};

std::optional<std::uint16_t> RouteReader::port_of(const ConfigText& text) {
  const auto found = std::ranges::find(config_.ports, text.value, &ConfigPort::name);
  if (found != config_.ports.end()) {
    return static_cast<std::uint16_t>(found - config_.ports.begin());
  }
  std::vector<std::string> names;
  for (const ConfigPort& port : config_.ports) {
    if (!port.name.empty()) names.push_back(port.name);
  }
  errors_.add(*text.node,
              fmt::format("port \"{}\": no [[port]] has this name; there are {}", text.value,
                          names.empty() ? "none" : fmt::to_string(fmt::join(names, ", "))));
  return std::nullopt;
}

std::optional<ParsedAddress> RouteReader::host_of(std::string_view key, const ConfigText& text) {
  const auto address = parse_address(text.value);
  if (address && is_host_address(address->family, address->address)) return address;
  errors_.add(*text.node, fmt::format("{} \"{}\": must be a unicast IPv4 or IPv6 address, such as "
                                      "\"192.0.2.2\" or \"2001:db8::2\"",
                                      key, text.value));
  return std::nullopt;
}

// Empty when it has a fault.
std::optional<ParsedAddress> RouteReader::via_of(const ConfigText& text, const ConfigRoute& route) {
  const auto via = host_of("via", text);
  if (!via) return std::nullopt;
  if (route.prefix.family != Family::none && via->family != route.prefix.family) {
    errors_.add(*text.node, fmt::format("via \"{}\": must be an {} address, as the prefix is",
                                        text.value, family_name(route.prefix.family)));
    return std::nullopt;
  }
  if (is_own_address(config_, via->family, via->address)) {
    errors_.add(*text.node, fmt::format("via \"{}\": is an address of this gateway", text.value));
    return std::nullopt;
  }
  return via;
}

void RouteReader::read_prefix(const ConfigText& text, ConfigRoute& route) {
  const auto prefix = parse_prefix(text.value);
  if (!prefix) {
    errors_.add(*text.node, fmt::format("prefix \"{}\": must be an IPv4 or IPv6 prefix, such as "
                                        "\"10.2.0.0/16\" or \"2001:db8::/32\"",
                                        text.value));
    return;
  }
  const IpAddress network = network_of(prefix->address, prefix->prefix_bits);
  route.prefix = {prefix->family, prefix->prefix_bits, network};
  if (network != prefix->address) {
    errors_.add(*text.node,
                fmt::format("prefix \"{}\": has bits set right of the prefix; did you mean \"{}\"?",
                            text.value, prefix_text(prefix->family, network, prefix->prefix_bits)));
  }
  for (const ConfigRoute& other : config_.routes) {
    if (other.prefix != route.prefix) continue;
    errors_.add(*text.node, fmt::format("prefix \"{}\": given twice", text.value));
  }
}

void RouteReader::read_route(const toml::table& section) {
  ConfigTable table(section, "[[route]]", errors_);
  ConfigRoute route;
  if (const auto text = table.required_text("prefix")) read_prefix(*text, route);
  if (table.word("type", {"unicast", "blackhole"}) == "blackhole") {
    route.kind = RouteKind::blackhole;
  }
  if (section.contains("nexthops")) {
    read_hops(table, route);
  } else {
    read_single_hop(table, route);
  }
  table.finish();
  config_.routes.push_back(std::move(route));
}

void RouteReader::read_single_hop(ConfigTable& table, ConfigRoute& route) {
  const bool is_blackhole = route.kind == RouteKind::blackhole;
  table.mention({"nexthops"});
  const auto text = table.text("via");
  const auto via = text ? via_of(*text, route) : std::nullopt;
  const auto name = is_blackhole ? table.text("port") : table.required_text("port");
  const auto port = name ? port_of(*name) : std::nullopt;
  if (is_blackhole) return;
  route.hops = {{.via = via ? via->address : IpAddress{}, .port = port.value_or(0)}};
  if (name && !port) return;
  if (via) {
    next_hops_.add(*text, *via, port);
  } else if (!text && port) {
    next_hops_.add_on_link(route.prefix, *port);
  }
}

// nexthops = [{ via, port, weight }, ...]
void RouteReader::read_hops(ConfigTable& table, ConfigRoute& route) {
  const toml::node& list = *table.node("nexthops");
  for (const char* const key : {"via", "port"}) {
    if (const toml::node* const beside = table.node(key)) {
      errors_.add(*beside, fmt::format("{}: stands in each of nexthops, not beside them", key));
    }
  }
  if (route.kind == RouteKind::blackhole) errors_.add(list, "nexthops: a blackhole has none");
  const toml::array* const hops = list.as_array();
  if (hops == nullptr || hops->empty()) {
    errors_.add(list, fmt::format("nexthops {}: must be a list of 1 to {} tables, such as {{ via = "
                                  "\"192.0.2.2\", port = \"wan\", weight = 2 }}",
                                  shown(list), kMaxRouteHops));
    return;
  }
  if (hops->size() > kMaxRouteHops) {
    errors_.add(list, fmt::format("nexthops: has {}, a route has 1 to {} of them", hops->size(),
                                  kMaxRouteHops));
    return;
  }
  for (const toml::node& hop : *hops) {
    if (const toml::table* const section = hop.as_table()) {
      read_hop(*section, route);
    } else {
      errors_.add(hop, fmt::format("nexthops {}: must be a table, such as {{ via = \"192.0.2.2\", "
                                   "port = \"wan\" }}",
                                   shown(hop)));
    }
  }
}

// Several need a `via` each: the link of a destination is one.
void RouteReader::read_hop(const toml::table& section, ConfigRoute& route) {
  ConfigTable table(section, "nexthops", errors_);
  RouteHop hop;
  const auto via = table.required_text("via");
  const auto address = via ? via_of(*via, route) : std::nullopt;
  if (address) hop.via = address->address;
  const auto port = table.required_text("port");
  const auto number = port ? port_of(*port) : std::nullopt;
  if (address && (number || !port)) next_hops_.add(*via, *address, number);
  hop.port = number.value_or(0);
  if (const auto weight = table.integer("weight", {1, kMaxHopWeight, "as a share"})) {
    hop.weight = static_cast<std::uint16_t>(*weight);
  }
  table.finish();
  const bool is_known = std::ranges::any_of(route.hops, [&](const RouteHop& other) {
    return other.via == hop.via && other.port == hop.port;
  });
  if (is_known && via && number) {
    errors_.add(section, fmt::format("nexthops: via \"{}\" on port \"{}\" is given twice; a larger "
                                     "share is asked for by weight",
                                     via->value, port->value));
  }
  route.hops.push_back(hop);
}

void RouteReader::read_neighbor(const toml::table& section) {
  ConfigTable table(section, "[[neighbor]]", errors_);
  ConfigNeighbor neighbor{.family = Family::v4, .address = {}, .mac = {}, .port = 0};
  const auto address = table.required_text("address");
  if (address) {
    const ParsedAddress parsed = host_of("address", *address).value_or(ParsedAddress{});
    neighbor.family = parsed.family;
    neighbor.address = parsed.address;
  }
  if (const auto mac = table.required_text("mac")) {
    neighbor.mac = unicast_mac(*mac, errors_).value_or(MacBytes{});
  }
  if (const auto port = table.required_text("port")) neighbor.port = port_of(*port).value_or(0);
  table.finish();
  for (const ConfigNeighbor& other : config_.neighbors) {
    if (!address || other.family != neighbor.family || other.address != neighbor.address ||
        other.port != neighbor.port) {
      continue;
    }
    errors_.add(*address->node, fmt::format("address \"{}\": given twice", address->value));
  }
  config_.neighbors.push_back(neighbor);
}

}  // namespace

void read_routes(ConfigTable& file, ConfigErrors& errors, Config& config) {
  RouteReader reader(errors, config);
  for (const toml::table* section : file.sections("route")) reader.read_route(*section);
  for (const toml::table* section : file.sections("neighbor")) reader.read_neighbor(*section);
  reader.finish();
}

}  // namespace culvert
