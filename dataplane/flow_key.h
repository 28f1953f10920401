// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "dataplane/net/ip.h"
#include "dataplane/net/types.h"

namespace culvert {

// What a policy's selector looks at in an IPv4 packet, all in host byte order. Ports are those of
// transport_ports() (net/ip_parse.h): of ICMP, type and code; 0 where there are none.
// IPv6 flows will be a type of their own, 40 bytes, with look-ups of their own.
struct FlowKey {
  Ipv4Address src;
  Ipv4Address dst;
  std::uint16_t src_port = 0;
  std::uint16_t dst_port = 0;
  IpProtocol protocol{};

  friend constexpr bool operator==(const FlowKey&, const FlowKey&) = default;
};
static_assert(sizeof(FlowKey) == 16);

}  // namespace culvert
