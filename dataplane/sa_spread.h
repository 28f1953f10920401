// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/flow_key.h"
#include "dataplane/ip_packet.h"
#include "dataplane/keyed_hash.h"
#include "dataplane/sad.h"
#include "dataplane/spd.h"

// How a policy's flows are spread over its SAs: each SA has a weight for each flow, and the
// heaviest that is installed takes it (highest random weight). So a flow stays where it is while
// the set does; an SA that comes takes an equal share from all others, and of one that goes only
// its own flows move. All workers, and a culvertd that was started anew, choose alike.

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

// Of a packet's. Ports are not in all fragments of a packet, so they count in none (and what comes
// in fragments may go another way than the rest of its flow).
[[nodiscard]] inline std::uint64_t spread_hash(Packet packet) {
  constexpr std::uint64_t kPorts = 0xffffffff;
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

// The place in the policy's set of the SA that takes the flow; 0 when none is installed.
[[nodiscard]] inline std::uint8_t spread_place(const PolicyEntry& policy, const Sad& sad,
                                               std::uint64_t flow_hash) {
  std::uint8_t chosen = 0;
  std::uint64_t heaviest = 0;
  for (std::uint8_t place = 0; place < policy.sa_count; ++place) {
    const SaIndex index = policy.sas[place];
    const Sa* const sa = sad.sa(index);
    if (sa == nullptr || sa->direction != Direction::out) continue;
    const std::uint64_t weight =
        multiply_and_fold(flow_hash ^ kHashSalt[0], (index.raw() + 1) * kHashSalt[2]) | 1;
    if (weight <= heaviest) continue;
    heaviest = weight;
    chosen = place;
  }
  return chosen;
}

}  // namespace culvert
