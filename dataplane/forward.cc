// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/forward.h"

#include <algorithm>
#include <bit>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ip_parse.h"
#include "dataplane/net/udp.h"

namespace culvert {
namespace {

bool is_unset(const IpAddress& address) {
  const auto words = std::bit_cast<std::array<std::uint64_t, 2>>(address);
  return (words[0] | words[1]) == 0;
}

// IKE to us (the non-ESP marker was checked on port 4500) is for the daemon, whatever policies say.
bool is_ike(const FlowKey& flow) {
  return flow.protocol == IpProtocol::udp &&
         (flow.dst_port == kIkePort || flow.dst_port == kNatTPort);
}

}  // namespace

void Forward::operator()(Lane<Packet>& lane, Lanes& lanes) {
  const auto packets = lane.packets();
  for (std::size_t done = 0; done < packets.size(); done += kBurst) {
    forward_burst(packets.subspan(done, std::min(kBurst, packets.size() - done)), lanes);
  }
  lane.clear();
}

// 1. Inbound policy, before the packet goes anywhere, Linux included (RFC 4301 5.2).
// 2. Next hop of the destination (RFC 1812 5.2.4.3).
// 3. One hop less (RFC 1812 5.3.1).
void Forward::forward_burst(std::span<Packet> packets, Lanes& lanes) {
  for (std::size_t i = 0; i < packets.size(); ++i) read_flow(packets[i], flows_[i]);
  const auto flows = std::span(flows_).first(packets.size());
  spd_->lookup_burst(Direction::in, flows, std::span(policies_).first(flows.size()));

  std::size_t count = 0;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (!is_admitted(packets[i], flows_[i], policies_[i])) continue;
    destinations_[count] = flows_[i].dst;
    packets[count++] = packets[i];
  }
  policy_counts_.flush();
  fib_->lookup_burst(std::span(destinations_).first(count), std::span(adjacencies_).first(count));
  for (std::size_t i = 0; i < count; ++i) fib_->prefetch(adjacencies_[i]);
  for (std::size_t i = 0; i < count; ++i) {
    packets[i].meta().adjacency = adjacencies_[i].raw();
    route(packets[i], fib_->packed(adjacencies_[i]), lanes);
  }
}

// Step 1 for what came in clear; false: it was dropped. The default is for packets that no policy
// matches in either direction: what goes on to another host, from the protected side for example,
// may still have one outbound.
bool Forward::is_admitted(Packet packet, const FlowKey& flow, const PolicyEntry* policy) {
  if (packet.meta().sa != kNoSa.raw()) return is_admitted_opened(packet, policy);
  PolicyAction action = default_policy_->load(std::memory_order_relaxed);
  if (policy != nullptr) {
    action = policy->action;
    if (action == PolicyAction::protect && policy->is_optional) action = PolicyAction::bypass;
    policy_counts_.add(policy->index, packet);
  }
  if (action == PolicyAction::bypass) return true;
  if (is_ike(flow) && fib_->is_local(flow.dst)) return true;
  if (policy == nullptr) {
    packet.meta().wants_policy = 1;
    return true;
  }
  drops_->drop(packet, action == PolicyAction::protect ? DropReason::spd_in_clear_protected
                                                       : DropReason::spd_in_discard);
  return false;
}

// Step 1 for what an SA carried: the policy must ask for protection, by this SA.
bool Forward::is_admitted_opened(Packet packet, const PolicyEntry* policy) {
  const SaIndex index{packet.meta().sa};
  const Sa* sa = sad_->sa(index);
  const bool is_covered =
      sa != nullptr && policy != nullptr && policy->action == PolicyAction::protect &&
      (policy->reqid == 0 || policy->reqid == sa->reqid) &&
      (is_unset(policy->template_src) || policy->template_src.v4() == sa->outer.source) &&
      (is_unset(policy->template_dst) || policy->template_dst.v4() == sa->outer.destination);
  if (!is_covered) {
    drops_->drop(packet, DropReason::esp_in_policy, sad_->state(index));
    return false;
  }
  policy_counts_.add(policy->index, packet);
  return true;
}

// Step 3 and the verdict. The MTU of the next hop is looked at once it is known whether the packet
// will be sealed.
void Forward::route(Packet packet, PackedAdjacency adjacency, Lanes& lanes) {
  auto* header = packet.header<Ipv4Header>(0);
  const Ipv4Address destination = host_address(header->destination);
  if (is_for_many(destination) && packet.meta().sa == kNoSa.raw()) {
    return punt(packet, packet.meta().in_port, lanes);
  }
  // Not to be forwarded (RFC 1812 5.2.1, 5.3.7).
  if (!is_one_host(destination) || !is_one_host(host_address(header->source))) {
    return drops_->drop(packet, DropReason::forward_broadcast);
  }
  switch (adjacency.kind()) {
    case AdjacencyKind::no_route:
    case AdjacencyKind::blackhole:
      return drops_->drop(packet, DropReason::forward_no_route);
    case AdjacencyKind::broadcast:
      return drops_->drop(packet, DropReason::forward_broadcast);
    case AdjacencyKind::local:
      return punt(packet, adjacency.port().raw(), lanes);
    case AdjacencyKind::on_link:
    case AdjacencyKind::unresolved:
    case AdjacencyKind::resolved:
      break;
  }
  if (header->ttl <= 1) {
    if (packet.meta().wants_policy != 0 && !has_outbound_policy(packet)) {
      return drops_->drop(packet, DropReason::spd_out_discard);
    }
    icmp_errors_->time_exceeded(packet, lanes);
    return drops_->drop(packet, DropReason::forward_ttl);
  }
  decrement_ttl(*header);
  lanes.clear.push(packet);
}

bool Forward::has_outbound_policy(Packet packet) {
  FlowKey flow;
  read_flow(packet, flow);
  return spd_->lookup(Direction::out, flow) != nullptr;
}

// To the mirror of `port`. What came in clear still has its Ethernet header in front; what was
// opened gets one.
void Forward::punt(Packet packet, std::uint16_t port, Lanes& lanes) {
  if (packet.meta().wants_policy != 0) return drops_->drop(packet, DropReason::spd_in_discard);
  const bool was_opened = packet.meta().sa != kNoSa.raw();
  auto* front = packet.push_front(sizeof(EthernetHeader));
  if (front == nullptr) return drops_->drop(packet, DropReason::punt_no_mirror);
  auto* ethernet = packet.header<EthernetHeader>(0);
  if (was_opened || port != packet.meta().in_port) {
    // The mirror takes what is addressed to it; its MAC is filled in where it is written.
    *ethernet = {.destination = {}, .source = {}, .ether_type = wire_ether_type(EtherType::ipv4)};
  }
  packet.meta().in_port = port;
  lanes.punt.push(packet);
}

}  // namespace culvert
