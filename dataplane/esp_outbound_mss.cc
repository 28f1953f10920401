// SPDX-License-Identifier: BSD-3-Clause
// The MSS of TCP that goes through tunnels.
#include <algorithm>

#include "dataplane/esp_outbound.h"
#include "dataplane/ip_packet.h"
#include "dataplane/mss_clamp.h"
#include "dataplane/net/tcp.h"
#include "dataplane/sa_spread.h"

namespace culvert {
namespace {

bool is_syn(Packet packet) {
  const UpperLayer upper = upper_layer(packet);
  if (upper.protocol != IpProtocol::tcp || upper.is_fragment) return false;
  const auto* tcp = packet.header<TcpHeader>(upper.offset);
  return tcp != nullptr && tcp->is_syn();
}

}  // namespace

void EspOutbound::clamp_syn(Packet packet, const Outgoing& outgoing) const {
  const std::uint32_t set = context_.splitting.mss.load(std::memory_order_relaxed);
  if (set == kMssUntouched) return;
  const std::uint32_t headers =
      static_cast<std::uint32_t>(sizeof(TcpHeader)) +
      static_cast<std::uint32_t>(is_ipv6(packet) ? sizeof(Ipv6Header) : sizeof(Ipv4Header));
  const std::uint32_t most =
      set == kMssAuto ? outgoing.fitting : std::min(set + headers, outgoing.fitting);
  if (is_ipv6(packet)) {
    clamp_mss_ipv6(packet.bytes(), walk_ipv6(packet.bytes()), most);
  } else {
    clamp_mss_ipv4(packet.bytes(), most);
  }
}

// Only one packet of each connection comes as far as the policies.
void EspOutbound::clamp_syn_for_answers(Packet packet) const {
  if (context_.splitting.mss.load(std::memory_order_relaxed) == kMssUntouched) return;
  if (!is_syn(packet)) return;
  const PolicyEntry* policy = nullptr;
  std::uint64_t flow_hash = 0;
  const auto look_up = [&](const auto& flow) {
    policy = context_.spd.lookup(Direction::out, flow);
    flow_hash = spread_hash(flow);
  };
  const auto bytes = packet.bytes();
  if (is_ipv6(packet)) {
    look_up(reversed(flow_of(bytes, walk_ipv6(bytes))));
  } else {
    look_up(reversed(flow_of(bytes)));
  }
  if (policy == nullptr || policy->action != PolicyAction::protect) return;
  const std::uint8_t place =
      policy->spreads ? spread_place(*policy, context_.sad, flow_hash) : std::uint8_t{0};
  const Outgoing answers = outgoing_of(*policy, place, packet.meta().time_ns);
  if (answers.sa == nullptr || answers.sa->is_transport()) return;
  clamp_syn(packet, answers);
}

}  // namespace culvert
