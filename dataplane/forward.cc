// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/forward.h"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "dataplane/ip_packet.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ip_parse.h"
#include "dataplane/net/udp.h"
#include "dataplane/spread_hash.h"

namespace culvert {
namespace {

// Whether an SA's end is what the policy's template asks for; all zero asks for nothing. As words:
// comparing arrays would call memcmp.
bool is_as_asked(const IpAddress& asked, const IpAddress& end) {
  const auto words = std::bit_cast<std::array<std::uint64_t, 2>>(asked);
  const auto others = std::bit_cast<std::array<std::uint64_t, 2>>(end);
  return (words[0] | words[1]) == 0 || ((words[0] ^ others[0]) | (words[1] ^ others[1])) == 0;
}

bool has_mode_and_spi(const Sa& sa, const PolicyEntry& asked) {
  const unsigned mode = 1u + static_cast<unsigned>(sa.mode);
  return (asked.template_mode == 0 || asked.template_mode == mode) &&
         (asked.template_spi() == 0 || asked.template_spi() == sa.spi.raw());
}

// IKE to us (the non-ESP marker was checked on port 4500) is for the daemon, whatever policies say.
bool is_ike(Packet packet) {
  const UpperLayer upper = upper_layer(packet);
  const std::uint16_t port = upper.ports.destination;
  return upper.protocol == IpProtocol::udp && (port == kIkePort || port == kNatTPort);
}

FlowWords words_of(Packet packet, const Ipv4Header&) {
  return flow_of(packet.bytes());
}
FlowWords6 words_of(Packet packet, const Ipv6Header&) {
  return flow_of(packet.bytes(), walk_ipv6(packet.bytes()));
}

std::uint8_t hops_left(const Ipv4Header& header) {
  return header.ttl;
}
std::uint8_t hops_left(const Ipv6Header& header) {
  return header.hop_limit;
}
void take_hop(Ipv4Header& header) {
  decrement_ttl(header);
}
void take_hop(Ipv6Header& header) {
  --header.hop_limit;
}

// The next hop of a packet's flow among several. Out of line: most routes have one.
[[gnu::noinline]] AdjacencyIndex hop_of_group(const Fib& fib, AdjacencyIndex group, Packet packet) {
  return fib.next_hop(group, spread_hash(packet));
}

template <FamilyWords Words>
using HeaderOf = std::conditional_t<std::is_same_v<Words, FlowWords>, Ipv4Header, Ipv6Header>;

}  // namespace

template <FamilyWords Words>
void Forward::forward(Lane<Packet>& lane, Flows<Words>& flows, Lanes& lanes) {
  const auto packets = lane.packets();
  for (std::size_t done = 0; done < packets.size(); done += kBurst) {
    forward_burst(packets.subspan(done, std::min(kBurst, packets.size() - done)), flows, lanes);
  }
  lane.clear();
}
template void Forward::forward(Lane<Packet>&, Flows<FlowWords>&, Lanes&);
template void Forward::forward(Lane<Packet>&, Flows<FlowWords6>&, Lanes&);

// 1. Inbound policy, before the packet goes anywhere, Linux included (RFC 4301 5.2).
// 2. Next hop of the destination (RFC 1812 5.2.4.3); of several the flow's.
// 3. One hop less (RFC 1812 5.3.1, RFC 8200 3).
template <FamilyWords Words>
[[gnu::flatten]] void Forward::forward_burst(std::span<Packet> packets, Flows<Words>& flows,
                                             Lanes& lanes) {
  using Header = HeaderOf<Words>;
  admitting_policy_ = nullptr;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    flows[i] = words_of(packets[i], *packets[i].header<Header>(0));
  }
  context_.flow_cache.lookup_burst(std::span<const Words>(flows).first(packets.size()),
                                   std::span(verdicts_).first(packets.size()));
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (!is_admitted(packets[i], verdicts_[i].inbound)) continue;
    route(packets[i], *packets[i].header<Header>(0), verdicts_[i], lanes);
  }
  policy_counts_.flush();
}

// Step 1 for what came in clear; false: it was dropped. The default is for packets that no policy
// matches in either direction: what goes on to another host, from the protected side for example,
// may still have one outbound.
bool Forward::is_admitted(Packet packet, const PolicyEntry* policy) {
  if (packet.meta().sa != kNoSa.raw()) return is_admitted_opened(packet, policy);
  PolicyAction action = context_.default_policy.load(std::memory_order_relaxed);
  if (policy != nullptr) {
    action = policy->action;
    if (action == PolicyAction::protect && policy->is_optional) action = PolicyAction::bypass;
    policy_counts_.add(policy->index, packet);
  }
  if (action == PolicyAction::bypass) return true;
  if (is_ike(packet) && is_for_us(context_.fib, packet)) return true;
  if (policy == nullptr) {
    packet.meta().wants_policy = 1;
    return true;
  }
  context_.drops.drop(packet, action == PolicyAction::protect ? DropReason::spd_in_clear_protected
                                                              : DropReason::spd_in_discard);
  return false;
}

// Step 1 for what an SA carried: the policy must ask for protection, by this SA.
bool Forward::is_admitted_opened(Packet packet, const PolicyEntry* policy) {
  const SaIndex index{packet.meta().sa};
  if (policy != nullptr && policy == admitting_policy_ && index.raw() == admitted_sa_) {
    policy_counts_.add(policy->index, packet);
    return true;
  }
  const Sa* sa = context_.sad.sa(index);
  const bool is_covered =
      sa != nullptr && policy != nullptr && policy->action == PolicyAction::protect &&
      (policy->reqid == 0 || policy->reqid == sa->reqid) && has_mode_and_spi(*sa, *policy) &&
      is_as_asked(policy->template_src, sa->outer_source()) &&
      is_as_asked(policy->template_dst, sa->outer_destination());
  if (!is_covered) {
    context_.drops.drop(packet, DropReason::esp_in_policy, index, context_.sad.state(index));
    return false;
  }
  admitting_policy_ = policy;
  admitted_sa_ = index.raw();
  policy_counts_.add(policy->index, packet);
  return true;
}

// Steps 2 and 3. The MTU of the next hop is looked at once it is known whether the packet will be
// sealed.
template <typename Header>
void Forward::route(Packet packet, Header& header, const FlowVerdict& verdict, Lanes& lanes) {
  PacketMeta& meta = packet.meta();
  if (verdict.scope != FlowScope::one_host) {
    if (verdict.scope == FlowScope::for_many && meta.sa == kNoSa.raw()) {
      return punt(packet, meta.in_port, lanes);
    }
    // Not to be forwarded (RFC 1812 5.2.1, 5.3.7).
    return context_.drops.drop(packet, DropReason::forward_broadcast);
  }
  const PackedAdjacency adjacency = context_.fib.packed(verdict.adjacency);
  AdjacencyIndex next_hop = verdict.adjacency;
  switch (adjacency.kind()) {
    case AdjacencyKind::no_route:
    case AdjacencyKind::blackhole:
      return context_.drops.drop(packet, DropReason::forward_no_route);
    case AdjacencyKind::broadcast:
      return context_.drops.drop(packet, DropReason::forward_broadcast);
    case AdjacencyKind::local:
      return punt(packet, adjacency.port().raw(), lanes);
    case AdjacencyKind::on_link:
    case AdjacencyKind::unresolved:
    case AdjacencyKind::resolved:
      break;
    case AdjacencyKind::group:
      next_hop = hop_of_group(context_.fib, next_hop, packet);
      break;
  }
  meta.adjacency = next_hop.raw();
  if (hops_left(header) <= 1) {
    if (meta.wants_policy != 0 && verdict.outbound == nullptr) {
      return context_.drops.drop(packet, DropReason::spd_out_discard);
    }
    context_.icmp_errors.time_exceeded(packet, lanes);
    return context_.drops.drop(packet, DropReason::forward_ttl);
  }
  take_hop(header);
  lanes.clear.push({packet, verdict.outbound});
}

// To the mirror of `port`. What came in clear still has its Ethernet header in front; what was
// opened gets one.
void Forward::punt(Packet packet, std::uint16_t port, Lanes& lanes) {
  if (packet.meta().wants_policy != 0)
    return context_.drops.drop(packet, DropReason::spd_in_discard);
  const bool was_opened = packet.meta().sa != kNoSa.raw();
  const EtherType type = is_ipv6(packet) ? EtherType::ipv6 : EtherType::ipv4;
  auto* front = packet.push_front(sizeof(EthernetHeader));
  if (front == nullptr) return context_.drops.drop(packet, DropReason::punt_no_mirror);
  auto* ethernet = packet.header<EthernetHeader>(0);
  if (was_opened || port != packet.meta().in_port) {
    // The mirror takes what is addressed to it; its MAC is filled in where it is written.
    *ethernet = {.destination = {}, .source = {}, .ether_type = wire_ether_type(type)};
  }
  packet.meta().in_port = static_cast<std::uint8_t>(port);
  lanes.punt.push(packet);
}

}  // namespace culvert
