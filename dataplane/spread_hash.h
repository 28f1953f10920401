// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "dataplane/flow_key.h"
#include "dataplane/ip_packet.h"
#include "dataplane/keyed_hash.h"

// By what flows are spread over the SAs of a policy and the next hops of a route. All workers, and
// a culvertd that was started anew, come to the same.

namespace culvert {

inline constexpr std::uint64_t kSpreadSeed = 0x9e3779b97f4a7c15;

// Of a flow.
[[nodiscard]] constexpr std::uint64_t spread_hash(const FlowWords& flow) {
  return keyed_hash(flow.addresses, flow.rest, 0, kSpreadSeed);
}
[[nodiscard]] constexpr std::uint64_t spread_hash(const FlowWords6& flow) {
  return keyed_hash(
      {flow.source_high, flow.rest, flow.source_low, flow.destination_high, flow.destination_low},
      kSpreadSeed);
}

// Of a packet's. Ports are not in all fragments of a packet, so they count in none: all fragments
// go one way, which may be another one than that of the rest of the flow.
[[nodiscard]] inline std::uint64_t spread_hash(Packet packet) {
  constexpr std::uint64_t kPorts = kHiddenPortsBit | 0xffffffff;
  const auto bytes = packet.bytes();
  if (is_ipv6(packet)) {
    const Ipv6Chain chain = walk_ipv6(bytes);
    FlowWords6 flow = flow_of(bytes, chain);
    if (chain.is_fragment()) flow.rest &= ~kPorts;
    return spread_hash(flow);
  }
  FlowWords flow = flow_of(bytes);
  if (packet.header<Ipv4Header>(0)->is_fragment()) flow.rest &= ~kPorts;
  return spread_hash(flow);
}

}  // namespace culvert
