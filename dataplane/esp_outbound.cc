// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/esp_outbound.h"

#include <algorithm>
#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ip_parse.h"

namespace culvert {
namespace {

constexpr std::uint64_t kLastSequenceWithoutEsn = 0xffffffff;

// IKE sent by Linux (RFC 4301 4.4.1 wants an entry for it): UDP 500, and 4500 with the non-ESP
// marker, so that nobody here can send ESP that culvert did not make.
bool is_ike(const FlowKey& flow, Packet packet) {
  if (flow.protocol != IpProtocol::udp) return false;
  if (flow.src_port == kIkePort) return true;
  if (flow.src_port != kNatTPort) return false;
  const auto& ip = *packet.header<Ipv4Header>(0);
  const auto* marker = packet.header<Be32>(ip.header_length_bytes() + sizeof(UdpHeader));
  return marker != nullptr && *marker == Be32{};
}

}  // namespace

// An ICMP error about a packet of this lane comes to its end, and is taken to the front of those
// that are left: it leaves before them however the packets fell into bursts. There are no errors
// about errors.
void EspOutbound::operator()(Lane<Packet>& lane, Lanes& lanes) {
  for (std::size_t done = 0; done < lane.packets().size();) {
    const auto packets = lane.packets().subspan(done);
    const std::size_t before = lane.packets().size();
    done += send_burst(packets.first(std::min(kBurst, packets.size())), lanes);
    if (lane.packets().size() != before) {
      const auto left = lane.packets().subspan(done);
      std::rotate(left.begin(), left.end() - 1, left.end());
    }
  }
  lane.clear();
}

// 1. Find the policy (RFC 4301 5.1 step 2): discard, bypass or protect.
// 2. To be protected: find the SA, and see that the sealed packet fits (RFC 4301 8.2.1).
// 3. Take sequence numbers, once per SA (RFC 4303 3.3.3).
// 4. Write headers, padding and nonces of all packets.
// 5. Encrypt and make the ICVs (RFC 4303 3.3.2).
// 6. Next hop.
// Ends behind a packet that an ICMP error is made about. Returns how many it took.
std::size_t EspOutbound::send_burst(std::span<Packet> packets, Lanes& lanes) {
  candidate_count_ = 0;
  groups_.reset();
  for (std::size_t i = 0; i < packets.size(); ++i) read_flow(packets[i], flows_[i]);
  context_.spd.lookup_burst(Direction::out, std::span(flows_).first(packets.size()),
                            std::span(policies_).first(packets.size()));
  const std::size_t lane_before = lanes.clear.packets().size();
  std::size_t taken = 0;
  for (; taken < packets.size() && lanes.clear.packets().size() == lane_before; ++taken) {
    const std::size_t i = taken;
    switch (verdict(packets[i], flows_[i], policies_[i])) {
      case PolicyAction::none:
        break;
      case PolicyAction::bypass:
        bypass(packets[i], lanes);
        break;
      case PolicyAction::discard:
        context_.drops.drop(packets[i], DropReason::spd_out_discard);
        break;
      case PolicyAction::protect:
        protect(packets[i], *policies_[i], lanes);
        break;
    }
  }
  take_sequence_numbers();
  for (std::size_t i = 0; i < candidate_count_; ++i) prepare(i);
  context_.engine.seal(std::span(jobs_).first(candidate_count_));
  for (std::size_t i = 0; i < candidate_count_; ++i) {
    const Candidate& candidate = candidates_[i];
    to_next_hop(candidate.packet,
                AdjacencyIndex{candidate.sa->adjacency.load(std::memory_order_relaxed)}, lanes);
  }
  for (const SaGroups::Group& group : groups_.groups()) group.count();
  policy_counts_.flush();
  return taken;
}

// Step 1. The default is for what no policy speaks of in either direction: what an SA carried was
// admitted by an inbound policy, and goes on to the protected side (RFC 4301 5.2).
PolicyAction EspOutbound::verdict(Packet packet, const FlowKey& flow, const PolicyEntry* policy) {
  PolicyAction action = context_.default_policy.load(std::memory_order_relaxed);
  if (policy != nullptr) {
    action = policy->action;
    policy_counts_.add(policy->index, packet);
  } else if (packet.meta().answers_clear != 0 || packet.meta().sa != kNoSa.raw()) {
    return PolicyAction::bypass;
  }
  if (action != PolicyAction::bypass && packet.meta().origin == Origin::linux_ &&
      is_ike(flow, packet)) {
    return PolicyAction::bypass;
  }
  return action;
}

// What leaves in clear. A frame from Linux has its Ethernet header already.
void EspOutbound::bypass(Packet packet, Lanes& lanes) {
  if (packet.meta().origin == Origin::linux_) {
    static_cast<void>(packet.push_front(sizeof(EthernetHeader)));
    lanes.wire.push(WirePacket(packet, packet.meta().in_port));
    return;
  }
  const AdjacencyIndex index{packet.meta().adjacency};
  const std::uint16_t port = context_.fib.packed(index).port().raw();
  const std::uint32_t mtu = port < context_.ports.size() ? context_.ports[port].mtu : 0;
  if (packet.length() > mtu && mtu != 0) {
    if (!packet.header<Ipv4Header>(0)->dont_fragment()) {
      return context_.drops.drop(packet, DropReason::forward_needs_fragments);
    }
    context_.icmp_errors.fragmentation_needed(packet, mtu, lanes);
    return context_.drops.drop(packet, DropReason::forward_too_big);
  }
  to_next_hop(packet, index, lanes);
}

// Step 2. An SA that was just removed counts as none.
void EspOutbound::protect(Packet packet, const PolicyEntry& policy, Lanes& lanes) {
  const Sa* sa = nullptr;
  for (const SaIndex index : policy.sa_set()) {
    sa = context_.sad.sa(index);
    if (sa != nullptr && sa->direction == Direction::out) break;
    sa = nullptr;
  }
  if (sa == nullptr) {
    if (policy.is_optional) return bypass(packet, lanes);
    return context_.drops.drop(packet, DropReason::esp_out_no_sa);
  }
  const std::uint32_t fitting = largest_inner(*sa, path_mtu(*sa));
  if (packet.length() > fitting) {
    if (!packet.header<Ipv4Header>(0)->dont_fragment()) {
      return context_.drops.drop(packet, DropReason::esp_out_needs_fragments, *sa->state);
    }
    context_.icmp_errors.fragmentation_needed(packet, fitting, lanes);
    return context_.drops.drop(packet, DropReason::esp_out_too_big, *sa->state);
  }
  const std::uint32_t behind = sa->pad_alignment + 1u + sa->icv_bytes;
  if (rte_pktmbuf_headroom(packet.mbuf()) < sa->outer_bytes + sizeof(EthernetHeader) ||
      rte_pktmbuf_tailroom(packet.mbuf()) < behind) {
    return context_.drops.drop(packet, DropReason::esp_out_no_room, *sa->state);
  }
  SaGroups::Group& group = groups_.of(sa);
  candidates_[candidate_count_++] = {packet, sa, SeqNum{}, group.packets,
                                     static_cast<std::uint16_t>(groups_.last_index())};
  ++group.packets;
  group.bytes += packet.length();
  group.time_ns = packet.meta().time_ns;
  if (packet.length() > group.prefetched_bytes) {
    context_.engine.prefetch_key(*sa->key, sa->transform, packet.length());
    group.prefetched_bytes = packet.length();
  }
}

std::uint32_t EspOutbound::path_mtu(const Sa& sa) const {
  const AdjacencyIndex index{sa.adjacency.load(std::memory_order_relaxed)};
  const std::uint16_t port = context_.fib.packed(index).port().raw();
  return port < context_.ports.size() ? context_.ports[port].mtu : context_.ports.front().mtu;
}

// Step 3. One atomic add per SA reserves the burst's numbers before anything is sealed, so that
// what is stored is never behind what was sent. Relaxed: only that each number is given out once
// counts. Without ESN what lies beyond 2^32 - 1 must not be sent.
void EspOutbound::take_sequence_numbers() {
  for (SaGroups::Group& group : groups_.groups()) {
    group.sequence = group.sa->state->sequence.fetch_add(group.packets, std::memory_order_relaxed);
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < candidate_count_; ++i) {
    Candidate& candidate = candidates_[i];
    SaGroups::Group& group = groups_.groups()[candidate.group];
    candidate.sequence = SeqNum{group.sequence + candidate.order + 1};
    if (!candidate.sa->has_esn() && candidate.sequence.raw() > kLastSequenceWithoutEsn) {
      --group.packets;
      group.bytes -= candidate.packet.length();
      context_.drops.drop(candidate.packet, DropReason::esp_out_seq_overflow, *candidate.sa->state);
      continue;
    }
    if (kept != i) candidates_[kept] = candidate;
    ++kept;
  }
  candidate_count_ = kept;
}

// Step 4 for one packet.
void EspOutbound::prepare(std::size_t i) {
  const Candidate& candidate = candidates_[i];
  const Packet packet = candidate.packet;
  const Sa& sa = *candidate.sa;
  const Ipv4Header inner = *packet.header<Ipv4Header>(0);

  // Trailer: the encrypted part ends on a multiple of pad_alignment (RFC 4303 2.4).
  const std::uint32_t inner_bytes = packet.length();
  const std::uint32_t pad_bytes =
      (0u - (inner_bytes + static_cast<std::uint32_t>(sizeof(EspTrailer)))) &
      (sa.pad_alignment - 1u);
  std::byte* tail =
      packet.push_back(static_cast<std::uint16_t>(pad_bytes + sizeof(EspTrailer) + sa.icv_bytes));
  for (std::uint32_t pad = 0; pad < pad_bytes; ++pad) *tail++ = std::byte{esp_pad_byte(pad)};
  const EspTrailer trailer{static_cast<std::uint8_t>(pad_bytes), IpProtocol::ipip};
  std::memcpy(tail, &trailer, sizeof trailer);

  // Outer header (RFC 4301 5.1.2.1): DSCP and ECN of the inner one (RFC 6040 4.1), DF as inside.
  // All is written straight into the packet and summed from registers: what was just stored in
  // parts must not be loaded as a whole.
  std::byte* front = packet.push_front(sa.outer_bytes);
  std::memcpy(front, &sa.outer, sizeof sa.outer);
  auto& outer = *packet.header<Ipv4Header>(0);
  outer.set_dscp_and_ecn(
      (sa.flags & kSaDontEncapDscp) != 0 ? Dscp{} : inner.dscp(),
      (sa.flags & kSaNoEcn) != 0 ? Ecn::not_ect : ecn_on_encapsulation(inner.ecn()));
  const std::uint32_t outer_length = sa.outer_bytes + inner_bytes + pad_bytes +
                                     static_cast<std::uint32_t>(sizeof(EspTrailer)) + sa.icv_bytes;
  outer.total_length = Be16(static_cast<std::uint16_t>(outer_length));
  InternetSum sum(sa.outer.checksum);
  sum.add(Be16(outer.dscp_and_ecn));
  sum.add(outer.total_length);
  if (inner.dont_fragment() && (sa.flags & kSaNoPathMtu) == 0) {
    outer.flags_and_fragment_offset = Be16(Ipv4Header::kDontFragment);
    sum.add(Be16(Ipv4Header::kDontFragment));
  } else {
    const Be16 identification(static_cast<std::uint16_t>(candidate.sequence.raw()));
    outer.identification = identification;
    sum.add(identification);
  }
  outer.checksum = sum.checksum();
  std::byte* at = front + sizeof outer;
  if (sa.is_udp_encapsulated()) {
    UdpHeader udp = sa.udp;  // the checksum stays 0 (RFC 3948 2.1)
    udp.length = Be16(static_cast<std::uint16_t>(outer_length - sizeof outer));
    std::memcpy(at, &udp, sizeof udp);
    at += sizeof udp;
  }
  const EspHeader esp{wire_spi(sa.spi), wire_sequence(candidate.sequence)};
  std::memcpy(at, &esp, sizeof esp);
  at += sizeof esp;
  // The IV is the 64-bit sequence number, which is never given out twice under one key.
  const Be64 iv(candidate.sequence.raw());
  std::memcpy(at, &iv, sizeof iv);

  CryptoJob& job = jobs_[i];
  job.key = sa.key;
  job.payload = front + sa.outer_bytes;
  job.payload_bytes = inner_bytes + pad_bytes + static_cast<std::uint32_t>(sizeof(EspTrailer));
  job.icv = job.payload + job.payload_bytes;
  set_nonce(job, std::span<const std::byte, sizeof(Be64)>(at, sizeof(Be64)));
  set_aad(job, sa, candidate.sequence);
}

// Step 6. The Ethernet header; a packet whose neighbour is not known waits with the housekeeper.
void EspOutbound::to_next_hop(Packet packet, AdjacencyIndex index, Lanes& lanes) {
  const PackedAdjacency adjacency = context_.fib.packed(index);
  switch (adjacency.kind()) {
    case AdjacencyKind::no_route:
    case AdjacencyKind::blackhole:
    case AdjacencyKind::local:
    case AdjacencyKind::broadcast:
      return context_.drops.drop(packet, DropReason::forward_no_route);
    case AdjacencyKind::on_link:
    case AdjacencyKind::unresolved:
    case AdjacencyKind::resolved:
      break;
  }
  const Port& port = context_.ports[adjacency.port().raw()];
  packet.meta().out_port = static_cast<std::uint8_t>(port.id);
  if (packet.push_front(sizeof(EthernetHeader)) == nullptr) {
    return context_.drops.drop(packet, DropReason::rx_oversized);
  }
  auto& ethernet = *packet.header<EthernetHeader>(0);
  adjacency.write_mac(ethernet.destination);
  ethernet.source = port.mac;
  ethernet.ether_type = wire_ether_type(EtherType::ipv4);
  if (adjacency.kind() != AdjacencyKind::resolved) {
    packet.meta().held = 1;
    packet.meta().adjacency = index.raw();
    return lanes.held.push(packet);
  }
  lanes.wire.push(WirePacket(packet, port.id));
}

void EspOutbound::bypass_frame(Packet packet, Lanes& lanes) {
  lanes.wire.push(WirePacket(packet, packet.meta().in_port));
}

}  // namespace culvert
