// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "control/address_text.h"
#include "control/config_table.h"

namespace culvert {

// Whether each next hop of a file's routes lies on a network of its port: Linux takes no other.
// That is known once all routes are read, as one of them may put a network onto a port's link.
class NextHopCheck {
 public:
  // A next hop; without a port, which has its own fault then, every port's networks count.
  void add(const ConfigText& via, const ParsedAddress& address, std::optional<std::uint16_t> port);
  // A route without a next hop.
  void add_on_link(const AddressPrefix& prefix, std::uint16_t port);
  // Says which of them lie on none. IPv6 link-local addresses are on every link.
  void finish(const Config& config, ConfigErrors& errors) const;

 private:
  struct NextHop {
    ConfigText via;
    ParsedAddress address;
    std::optional<std::uint16_t> port;
  };
  struct Link {
    AddressPrefix network;
    std::uint16_t port = 0;
  };

  std::vector<NextHop> hops_;
  std::vector<Link> links_;
};

}  // namespace culvert
