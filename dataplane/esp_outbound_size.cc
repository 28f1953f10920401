// SPDX-License-Identifier: BSD-3-Clause
// What becomes of packets that are too long once they are sealed.
#include <algorithm>

#include "dataplane/esp_outbound.h"
#include "dataplane/ip_packet.h"

namespace culvert {

// Whether the packet may go through the SA as it is (RFC 4301 8.2.1). In transport mode the SA
// takes no fragments (RFC 4303 3.3.4), and the packet's own options leave less room. An IPv6 packet
// that every link must carry is not refused for its size (RFC 8200 5): its ESP is split.
EspOutbound::Fit EspOutbound::fit_closely(Packet packet, Lanes& lanes) {
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
  context_.drops.counters().split_before.add(1);
  split_place_ = outgoing_.place;
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
  context_.drops.counters().split_after.add(1);
  for (const Packet piece : pieces) to_next_hop(piece, next, lanes);
}

}  // namespace culvert
