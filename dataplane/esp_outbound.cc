// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/esp_outbound.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "dataplane/esp_decap.h"
#include "dataplane/ip_packet.h"
#include "dataplane/mss_clamp.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/icmpv6.h"
#include "dataplane/net/tcp.h"
#include "dataplane/net/udp.h"
#include "dataplane/path_mtu.h"
#include "dataplane/sa_spread.h"

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
  begin_burst();
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
  finish_burst(lanes);
  return taken;
}

void EspOutbound::begin_burst() {
  candidate_count_ = 0;
  outgoing_ = {};
  next_hop_ = {};
  groups_.reset();
}

// Steps 3 to 6.
void EspOutbound::finish_burst(Lanes& lanes) {
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
    if (sa != nullptr) prefetch(*sa);
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
  if (packet.meta().sa != kNoSa.raw()) clamp_answers(packet);
  const AdjacencyIndex index{packet.meta().adjacency};
  find_next_hop(index);
  const std::uint32_t mtu = next_hop_.mtu;
  if (packet.length() > mtu && mtu != 0) {
    if (may_be_fragmented(packet)) {
      if (!lanes.wire.has_room_for(Fragmenter::kMaxPieces) ||
          !lanes.held.has_room_for(Fragmenter::kMaxPieces)) {
        return context_.drops.drop(packet, DropReason::fragment_too_many);
      }
      context_.drops.counters().split_in_clear.add(1);
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

// Step 2. From where on in the policy's set the packet's SA is looked for: the newest is the first.
std::uint8_t EspOutbound::place_of(Packet packet, const PolicyEntry& policy) const {
  if (!policy.spreads) return 0;
  if (packet.meta().is_piece != 0) return split_place_;
  return spread_place(policy, context_.sad, spread_hash(packet));
}

// An SA that was just removed counts as none.
EspOutbound::Outgoing EspOutbound::outgoing_of(const PolicyEntry& policy, std::uint8_t place,
                                               std::uint64_t now_ns) const {
  for (std::size_t i = place; i < policy.sa_count; ++i) {
    const SaIndex index = policy.sas[i];
    const Sa* sa = context_.sad.sa(index);
    if (sa == nullptr || sa->direction != Direction::out) continue;
    return outgoing_by(*sa, &policy, place, now_ns);
  }
  return {.policy = &policy, .time_ns = now_ns, .place = place};
}

EspOutbound::Outgoing EspOutbound::outgoing_by(const Sa& sa, const PolicyEntry* policy,
                                               std::uint8_t place, std::uint64_t now_ns) const {
  const std::uint32_t mtu = effective_mtu(sa, now_ns);
  return {policy, now_ns, &sa, place, mtu, largest_inner(sa, mtu)};
}

void EspOutbound::protect(Packet packet, const PolicyEntry& policy, Lanes& lanes) {
  const std::uint64_t now_ns = packet.meta().time_ns;
  const std::uint8_t place = place_of(packet, policy);
  if (outgoing_.policy != &policy || outgoing_.time_ns != now_ns || outgoing_.place != place) {
    outgoing_ = outgoing_of(policy, place, now_ns);
  }
  const Sa* const sa = outgoing_.sa;
  if (sa == nullptr) {
    if (policy.is_optional) return bypass(packet, lanes);
    return context_.drops.drop(packet, DropReason::esp_out_no_sa);
  }
  // As for the kernel, an SA serves only what its own selector covers.
  if (sa->has_selector != 0 && !covers(sa->selector, packet, upper_layer(packet))) {
    return context_.drops.drop(packet, DropReason::esp_out_no_sa);
  }
  const Fit how = fit(packet, lanes);
  if (how == Fit::gone) return;
  clamp_mss(packet);
  admit(packet, how == Fit::split_after ? outgoing_.mtu : 0);
}

// The packet will be sealed by the SA of outgoing_, if there is room for it and the SA may.
void EspOutbound::admit(Packet packet, std::uint32_t split_mtu) {
  const Sa* const sa = outgoing_.sa;
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
  candidates_[candidate_count_++] = {packet,
                                     sa,
                                     SeqNum{},
                                     group.packets,
                                     static_cast<std::uint16_t>(groups_.last_index()),
                                     static_cast<std::uint16_t>(padded_length - length),
                                     split_mtu};
  ++group.packets;
  group.bytes += length;
  group.time_ns = packet.meta().time_ns;
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
  inner.keeps_whole = candidate.split_mtu == 0 && outer_df(inner.keeps_whole, sa.flags);
  if (packet.meta().origin == Origin::dummy) inner.protocol = IpProtocol::no_next_header;
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
  // The IV is the 64-bit sequence number, which is never given out twice under one key. Where it is
  // longer, in AES-CBC, the SPI comes first: there SAs may share a key. The engine makes of it what
  // the transform wants.
  const Be64 iv(sequence.raw());
  if (sa.iv_bytes > sizeof iv) {
    const Be64 sa_part(sa.spi.raw());
    std::memcpy(at + sizeof esp, &sa_part, sa.iv_bytes - sizeof iv);
  }
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
    case AdjacencyKind::group:  // never: of a group one was chosen
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

}  // namespace culvert
