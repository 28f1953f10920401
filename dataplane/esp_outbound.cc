// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/esp_outbound.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "dataplane/ip_packet.h"
#include "dataplane/mss_clamp.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/icmpv6.h"
#include "dataplane/net/tcp.h"
#include "dataplane/net/udp.h"
#include "dataplane/path_mtu.h"

namespace culvert {
namespace {

constexpr std::uint64_t kLastSequenceWithoutEsn = 0xffffffff;

// RFC 4303 2.4. Copied as a whole; what is too much is overwritten.
constexpr auto kPadding = [] {
  std::array<std::uint8_t, 16> padding{};
  for (std::size_t i = 0; i < padding.size(); ++i) padding[i] = esp_pad_byte(i);
  return padding;
}();

// IKE sent by Linux (RFC 4301 4.4.1 wants an entry for it): UDP 500, and 4500 with the non-ESP
// marker, so that nobody here can send ESP that culvert did not make.
bool is_ike(Packet packet) {
  const UpperLayer upper = upper_layer(packet);
  if (upper.protocol != IpProtocol::udp) return false;
  if (upper.ports.source != kNatTPort) return upper.ports.source == kIkePort;
  const auto* marker = packet.header<Be32>(upper.offset + sizeof(UdpHeader));
  return marker != nullptr && *marker == Be32{};
}

// IPv6 is never fragmented on its way (RFC 8200 5).
bool may_be_fragmented(Packet packet) {
  return !is_ipv6(packet) && !packet.header<Ipv4Header>(0)->dont_fragment();
}

}  // namespace

// An ICMP error about a packet of this lane, and the pieces of one that is split, come to its end
// and are taken to the front of those that are left: they leave before them however the packets
// fell into bursts. There are no errors about errors, nor pieces of pieces.
void EspOutbound::operator()(Lane<ClearPacket>& lane, Lanes& lanes) {
  for (std::size_t done = 0; done < lane.packets().size();) {
    const auto packets = lane.packets().subspan(done);
    const std::size_t before = lane.packets().size();
    done += send_burst(packets.first(std::min(kBurst, packets.size())), lanes);
    const auto added = static_cast<std::ptrdiff_t>(lane.packets().size() - before);
    if (added != 0) {
      const auto left = lane.packets().subspan(done);
      std::rotate(left.begin(), left.end() - added, left.end());
    }
  }
  lane.clear();
}

// 1. What the policy says (RFC 4301 5.1 step 2): discard, bypass or protect.
// 2. To be protected: find the SA, and see that the sealed packet fits (RFC 4301 8.2.1).
// 3. Take sequence numbers, once per SA (RFC 4303 3.3.3).
// 4. Write headers, padding and nonces of all packets.
// 5. Encrypt and make the ICVs (RFC 4303 3.3.2).
// 6. Next hop.
// Ends behind a packet that an ICMP error is made about, or that is split. Returns how many it
// took.
[[gnu::flatten]] std::size_t EspOutbound::send_burst(std::span<ClearPacket> packets, Lanes& lanes) {
  candidate_count_ = 0;
  outgoing_ = {};
  next_hop_ = {};
  groups_.reset();
  fetch_sas(packets);
  const std::size_t lane_before = lanes.clear.packets().size();
  std::size_t taken = 0;
  for (; taken < packets.size() && lanes.clear.packets().size() == lane_before; ++taken) {
    const auto [packet, policy] = packets[taken];
    switch (verdict(packet, policy)) {
      case PolicyAction::none:
        break;
      case PolicyAction::bypass:
        bypass(packet, lanes);
        break;
      case PolicyAction::discard:
        context_.drops.drop(packet, DropReason::spd_out_discard);
        break;
      case PolicyAction::protect:
        protect(packet, *policy, lanes);
        break;
    }
  }
  take_sequence_numbers();
  for (std::size_t i = 0; i < candidate_count_; ++i) prepare(i);
  context_.engine.seal(std::span(jobs_).first(candidate_count_));
  for (std::size_t i = 0; i < candidate_count_; ++i) {
    const Candidate& candidate = candidates_[i];
    if (candidate.sa->has_udp_checksum()) put_udp_checksum(candidate.packet);
    if (candidate.split_mtu != 0) {
      send_pieces(candidate, lanes);
      continue;
    }
    to_next_hop(candidate.packet,
                AdjacencyIndex{candidate.sa->adjacency.load(std::memory_order_relaxed)}, lanes);
  }
  for (const SaGroups::Group& group : groups_.groups())
    group.count(context_.writers, context_.events);
  policy_counts_.flush();
  return taken;
}

// Has the cache lines of the SAs that the policies lead to on their way, a link of the chain at a
// time for the whole burst. A policy has as a rule one SA, and the first is the one that serves.
void EspOutbound::fetch_sas(std::span<const ClearPacket> packets) const {
  std::array<SaIndex, kBurst> indices;
  std::size_t count = 0;
  const PolicyEntry* last = nullptr;
  for (const ClearPacket& clear : packets) {
    if (clear.policy == nullptr || clear.policy == last) continue;
    last = clear.policy;
    if (last->sa_count == 0) continue;
    indices[count++] = last->sas.front();
    context_.sad.prefetch(last->sas.front());
  }
  for (const SaIndex index : std::span(indices).first(count)) {
    const Sa* sa = context_.sad.sa(index);
    if (sa == nullptr) continue;
    prefetch(*sa);
    prefetch(context_.sad.state(index));
  }
}

// Step 1. The default is for what no policy speaks of in either direction: what an SA carried was
// admitted by an inbound policy, and goes on to the protected side (RFC 4301 5.2).
PolicyAction EspOutbound::verdict(Packet packet, const PolicyEntry* policy) {
  const PacketMeta& meta = packet.meta();
  PolicyAction action = context_.default_policy.load(std::memory_order_relaxed);
  if (policy != nullptr) {
    action = policy->action;
    if (meta.is_piece == 0) policy_counts_.add(policy->index, packet);
  } else if (meta.answers_clear != 0 || meta.sa != kNoSa.raw()) {
    return PolicyAction::bypass;
  }
  if (action != PolicyAction::bypass && meta.origin == Origin::linux_ && is_ike(packet)) {
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
  find_next_hop(index);
  const std::uint32_t mtu = next_hop_.mtu;
  if (packet.length() > mtu && mtu != 0) {
    if (may_be_fragmented(packet)) {
      if (!lanes.wire.has_room_for(Fragmenter::kMaxPieces) ||
          !lanes.held.has_room_for(Fragmenter::kMaxPieces)) {
        return context_.drops.drop(packet, DropReason::fragment_too_many);
      }
      for (const Packet piece : context_.fragmenter.split_ipv4(packet, mtu)) {
        to_next_hop(piece, index, lanes);
      }
      return;
    }
    context_.icmp_errors.too_big(packet, mtu, lanes);
    return context_.drops.drop(packet, DropReason::forward_too_big);
  }
  to_next_hop(packet, index, lanes);
}

// Step 2. An SA that was just removed counts as none.
EspOutbound::Outgoing EspOutbound::outgoing_of(const PolicyEntry& policy,
                                               std::uint64_t now_ns) const {
  for (const SaIndex index : policy.sa_set()) {
    const Sa* sa = context_.sad.sa(index);
    if (sa == nullptr || sa->direction != Direction::out) continue;
    const std::uint32_t mtu =
        effective_mtu(*sa, media_mtu(*sa, context_.fib, context_.ports), now_ns);
    return {&policy, now_ns, sa, mtu, largest_inner(*sa, mtu)};
  }
  return {.policy = &policy, .time_ns = now_ns};
}

void EspOutbound::protect(Packet packet, const PolicyEntry& policy, Lanes& lanes) {
  const std::uint64_t now_ns = packet.meta().time_ns;
  if (outgoing_.policy != &policy || outgoing_.time_ns != now_ns) {
    outgoing_ = outgoing_of(policy, now_ns);
  }
  const Sa* const sa = outgoing_.sa;
  if (sa == nullptr) {
    if (policy.is_optional) return bypass(packet, lanes);
    return context_.drops.drop(packet, DropReason::esp_out_no_sa);
  }
  const Fit how = fit(packet, lanes);
  if (how == Fit::gone) return;
  const std::uint32_t length = packet.length();
  const std::uint32_t padded_length =
      std::max(length, std::min<std::uint32_t>(sa->tfc_bytes, outgoing_.fitting));
  if (rte_pktmbuf_headroom(packet.mbuf()) < sa->outer_bytes + sizeof(EthernetHeader) ||
      rte_pktmbuf_tailroom(packet.mbuf()) <
          padded_length - length + sizeof kPadding + sizeof(EspTrailer) + sa->icv_bytes) {
    return context_.drops.drop(packet, DropReason::esp_out_no_room);
  }
  SaGroups::Group& group = groups_.of(sa);
  if (is_past_hard_limit(*sa, group.packets, group.bytes)) {
    return context_.drops.drop(packet, DropReason::esp_out_expired, *sa);
  }
  clamp_mss(packet);
  candidates_[candidate_count_++] = {packet,
                                     sa,
                                     SeqNum{},
                                     group.packets,
                                     static_cast<std::uint16_t>(groups_.last_index()),
                                     static_cast<std::uint16_t>(padded_length - length),
                                     how == Fit::split_after ? outgoing_.mtu : 0};
  ++group.packets;
  group.bytes += length;
  group.time_ns = packet.meta().time_ns;
  if (padded_length > group.prefetched_bytes) {
    context_.engine.prefetch_key(*sa->key, sa->transform, padded_length);
    group.prefetched_bytes = padded_length;
  }
}

// Whether the packet may go through the SA as it is (RFC 4301 8.2.1). In transport mode the SA
// takes no fragments (RFC 4303 3.3.4), and the packet's own options leave less room. An IPv6 packet
// that every link must carry is not refused for its size (RFC 8200 5): its ESP is split.
EspOutbound::Fit EspOutbound::fit(Packet packet, Lanes& lanes) {
  const Sa& sa = *outgoing_.sa;
  std::uint32_t fitting = outgoing_.fitting;
  if (sa.is_transport()) {
    if (upper_layer(packet).is_fragment) {
      context_.drops.drop(packet, DropReason::esp_out_fragment);
      return Fit::gone;
    }
    fitting = largest_inner(sa, outgoing_.mtu, own_header_of(packet).bytes);
  }
  if (packet.length() <= fitting) return Fit::fits;
  const bool is_small_ipv6 = is_ipv6(packet) && packet.length() <= kMinIpv6MtuBytes;
  const bool may_be_split = may_be_fragmented(packet);
  const bool is_after_esp = context_.splitting.is_after_esp.load(std::memory_order_relaxed);
  if (is_small_ipv6 || (may_be_split && (sa.is_transport() || is_after_esp))) {
    return Fit::split_after;
  }
  if (may_be_split) {
    split_before(packet, lanes);
    return Fit::gone;
  }
  context_.icmp_errors.too_big(packet, fitting, lanes);
  context_.drops.drop(packet, DropReason::esp_out_too_big, sa);
  return Fit::gone;
}

// The pieces take the packet's place in the lane; each is sealed by itself (RFC 4301 7).
void EspOutbound::split_before(Packet packet, Lanes& lanes) {
  if (!lanes.clear.has_room_for(Fragmenter::kMaxPieces)) {
    return context_.drops.drop(packet, DropReason::fragment_too_many);
  }
  for (const Packet piece : context_.fragmenter.split_ipv4(packet, outgoing_.fitting)) {
    piece.meta().is_piece = 1;
    lanes.clear.push({piece, outgoing_.policy});
  }
}

// What is sealed was counted; its pieces leave by the same next hop.
void EspOutbound::send_pieces(const Candidate& candidate, Lanes& lanes) {
  const Packet packet = candidate.packet;
  if (!lanes.wire.has_room_for(Fragmenter::kMaxPieces) ||
      !lanes.held.has_room_for(Fragmenter::kMaxPieces)) {
    return context_.drops.drop(packet, DropReason::fragment_too_many);
  }
  const AdjacencyIndex next{candidate.sa->adjacency.load(std::memory_order_relaxed)};
  const auto pieces = is_ipv6(packet) ? context_.fragmenter.split_ipv6(packet, candidate.split_mtu)
                                      : context_.fragmenter.split_ipv4(packet, candidate.split_mtu);
  for (const Packet piece : pieces) to_next_hop(piece, next, lanes);
}

void EspOutbound::clamp_mss(Packet packet) const {
  const std::uint32_t set = context_.splitting.mss.load(std::memory_order_relaxed);
  if (set == kMssUntouched || outgoing_.sa->is_transport()) return;
  if (is_ipv6(packet)) {
    constexpr std::uint32_t kHeaders = sizeof(Ipv6Header) + sizeof(TcpHeader);
    const std::uint32_t most = set == kMssAuto ? outgoing_.fitting : set + kHeaders;
    clamp_mss_ipv6(packet.bytes(), walk_ipv6(packet.bytes()), std::min(most, outgoing_.fitting));
  } else if (packet.header<Ipv4Header>(0)->protocol == IpProtocol::tcp) {
    constexpr std::uint32_t kHeaders = sizeof(Ipv4Header) + sizeof(TcpHeader);
    const std::uint32_t most = set == kMssAuto ? outgoing_.fitting : set + kHeaders;
    clamp_mss_ipv4(packet.bytes(), std::min(most, outgoing_.fitting));
  }
}

// Step 3. One atomic add per SA reserves the burst's numbers before anything is sealed, so that
// what is stored is never behind what was sent. Relaxed: only that each number is given out once
// counts. Without ESN what lies beyond 2^32 - 1 must not be sent.
void EspOutbound::take_sequence_numbers() {
  for (SaGroups::Group& group : groups_.groups()) {
    group.sequence = group.sa->state->sequence.fetch_add(group.packets, std::memory_order_relaxed);
    if (!group.sa->has_esn() && group.sequence >= kSoftSequence) {
      reach_soft_limit(*group.sa, group.time_ns, context_.events);
    }
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < candidate_count_; ++i) {
    Candidate& candidate = candidates_[i];
    SaGroups::Group& group = groups_.groups()[candidate.group];
    candidate.sequence = SeqNum{group.sequence + candidate.order + 1};
    if (!candidate.sa->has_esn() && candidate.sequence.raw() > kLastSequenceWithoutEsn) {
      --group.packets;
      group.bytes -= candidate.packet.length();
      context_.drops.drop(candidate.packet, DropReason::esp_out_seq_overflow, *candidate.sa);
      continue;
    }
    if (kept != i) candidates_[kept] = candidate;
    ++kept;
  }
  candidate_count_ = kept;
}

// Step 4 for one packet: trailer, headers, IV, and the job for step 5.
void EspOutbound::prepare(std::size_t i) {
  const Candidate& candidate = candidates_[i];
  const Packet packet = candidate.packet;
  const Sa& sa = *candidate.sa;
  const SeqNum sequence = candidate.sequence;
  InnerTraits inner = traits_of(packet);
  if (candidate.split_mtu != 0) inner.keeps_whole = false;
  const OwnHeader own =
      sa.is_transport() ? own_header_of(packet) : OwnHeader{.protocol = inner.protocol};
  std::byte* const payload = packet.data() + own.bytes;

  // The encrypted part ends on a multiple of pad_alignment (RFC 4303 2.4).
  const std::uint32_t clear_bytes = packet.length() - own.bytes + candidate.tfc_bytes;
  if (candidate.tfc_bytes != 0) {
    std::memset(packet.data() + packet.length(), 0, candidate.tfc_bytes);
  }
  const std::uint32_t pad_bytes =
      (0u - (clear_bytes + static_cast<std::uint32_t>(sizeof(EspTrailer)))) &
      (sa.pad_alignment - 1u);
  const std::uint32_t payload_bytes =
      clear_bytes + pad_bytes + static_cast<std::uint32_t>(sizeof(EspTrailer));
  packet.grow(sa.outer_bytes,
              candidate.tfc_bytes + payload_bytes - clear_bytes + std::uint32_t{sa.icv_bytes});
  std::memcpy(payload + clear_bytes, kPadding.data(), sizeof kPadding);
  const EspTrailer trailer{static_cast<std::uint8_t>(pad_bytes), own.protocol};
  std::memcpy(payload + clear_bytes + pad_bytes, &trailer, sizeof trailer);

  std::byte* at = put_ip_header(candidate, inner, own);
  if (sa.is_udp_encapsulated()) {
    UdpHeader udp = sa.udp;  // over IPv4 the checksum stays 0 (RFC 3948 2.1)
    udp.length = Be16(static_cast<std::uint16_t>(packet.data() + packet.length() - at));
    std::memcpy(at, &udp, sizeof udp);
    at += sizeof udp;
  }
  const EspHeader esp{wire_spi(sa.spi), wire_sequence(sequence)};
  std::memcpy(at, &esp, sizeof esp);
  // The IV is the 64-bit sequence number, which is never given out twice under one key, behind
  // zeroes where the transform has a longer one; the engine makes of it what the transform wants.
  const Be64 iv(sequence.raw());
  if (sa.iv_bytes > sizeof iv) std::memset(at + sizeof esp, 0, sa.iv_bytes - sizeof iv);
  if (sa.iv_bytes != 0) std::memcpy(payload - sizeof iv, &iv, sizeof iv);

  CryptoJob& job = jobs_[i];
  job.key = sa.key;
  job.payload = payload;
  job.payload_bytes = payload_bytes;
  job.icv = payload + payload_bytes;
  set_nonce(job, std::bit_cast<std::array<std::byte, sizeof iv>>(iv));
  set_aad(job, sa, sequence);
}

std::byte* EspOutbound::put_ip_header(const Candidate& candidate, const InnerTraits& inner,
                                      const OwnHeader& own) {
  const Sa& sa = *candidate.sa;
  if (sa.is_transport()) return move_own_header(candidate.packet, sa, own);
  if (sa.family == Family::v6) return put_outer_ipv6(candidate.packet, sa, inner);
  return put_outer_ipv4(candidate.packet, sa, candidate.sequence, inner);
}

EspOutbound::NextHop EspOutbound::next_hop_of(AdjacencyIndex index) const {
  const PackedAdjacency adjacency = context_.fib.packed(index);
  NextHop next_hop{.index = index, .kind = adjacency.kind(), .port = adjacency.port().raw()};
  if (next_hop.port < context_.ports.size()) {
    next_hop.mtu = context_.ports[next_hop.port].mtu;
    next_hop.header = {adjacency.mac(), context_.ports[next_hop.port].mac,
                       wire_ether_type(EtherType::ipv4)};
  }
  return next_hop;
}

// Step 6. The Ethernet header; a packet whose neighbour is not known waits with the housekeeper.
void EspOutbound::to_next_hop(Packet packet, AdjacencyIndex index, Lanes& lanes) {
  find_next_hop(index);
  switch (next_hop_.kind) {
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
  const bool is_v6 = is_ipv6(packet);
  std::byte* const front = packet.push_front(sizeof(EthernetHeader));
  if (front == nullptr) return context_.drops.drop(packet, DropReason::rx_oversized);
  std::memcpy(front, &next_hop_.header, sizeof(EthernetHeader));
  if (is_v6) packet.header<EthernetHeader>(0)->ether_type = wire_ether_type(EtherType::ipv6);
  if (next_hop_.kind != AdjacencyKind::resolved) {
    PacketMeta& meta = packet.meta();
    meta.out_port = static_cast<std::uint8_t>(next_hop_.port);
    meta.held = 1;
    meta.adjacency = index.raw();
    return lanes.held.push(packet);
  }
  lanes.wire.push(WirePacket(packet, next_hop_.port));
}

void EspOutbound::bypass_frame(Packet packet, Lanes& lanes) {
  lanes.wire.push(WirePacket(packet, packet.meta().in_port));
}

}  // namespace culvert
