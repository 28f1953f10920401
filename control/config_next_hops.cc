// SPDX-License-Identifier: BSD-3-Clause
#include "control/config_next_hops.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "dataplane/net/ip.h"

namespace culvert {
namespace {

std::string_view family_name(Family family) {
  return family == Family::v6 ? "IPv6" : "IPv4";
}

}  // namespace

void NextHopCheck::add(const ConfigText& via, const ParsedAddress& address,
                       std::optional<std::uint16_t> port) {
  hops_.push_back({via, address, port});
}

void NextHopCheck::add_on_link(const AddressPrefix& prefix, std::uint16_t port) {
  links_.push_back({prefix, port});
}

void NextHopCheck::finish(const Config& config, ConfigErrors& errors) const {
  std::vector<Link> links = links_;
  for (std::size_t port = 0; port < config.ports.size(); ++port) {
    for (const AddressPrefix& own : config.ports[port].addresses) {
      const IpAddress network = network_of(own.address, own.prefix_bits);
      links.push_back({{own.family, own.prefix_bits, network}, static_cast<std::uint16_t>(port)});
    }
  }
  for (const NextHop& hop : hops_) {
    const auto& [family, address] = hop.address;
    if (family == Family::v6 && is_link_local(address.bytes)) continue;
    std::vector<std::string> networks;
    bool is_reached = false;
    for (const Link& link : links) {
      const auto& [network_family, bits, network] = link.network;
      if (network_family != family || (hop.port && link.port != *hop.port)) continue;
      is_reached = is_reached || network_of(address, bits) == network;
      networks.push_back(prefix_text(family, network, bits));
    }
    if (is_reached) continue;
    const std::string whose = hop.port ? fmt::format("port \"{}\"", config.ports[*hop.port].name)
                                       : std::string("any port");
    errors.add(*hop.via.node,
               networks.empty()
                   ? fmt::format("via \"{}\": {} has no {} network that it could be on",
                                 hop.via.value, whose, family_name(family))
                   : fmt::format("via \"{}\": must be on a network of {}: {}", hop.via.value, whose,
                                 fmt::join(networks, ", ")));
  }
}

}  // namespace culvert
