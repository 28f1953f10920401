// SPDX-License-Identifier: BSD-3-Clause
// What SAs send by themselves.
#include <cstring>

#include "dataplane/esp_outbound.h"
#include "dataplane/net/udp.h"

namespace culvert {

void EspOutbound::send_own(Packet packet, Lanes& lanes) {
  const Sa* const sa = context_.sad.sa(SaIndex{packet.meta().sa});
  if (sa == nullptr || sa->direction != Direction::out) {
    return context_.drops.drop(packet, DropReason::esp_out_no_sa);
  }
  begin_burst();
  if (packet.meta().origin == Origin::keepalive) return send_keepalive(packet, *sa, lanes);
  outgoing_ = outgoing_by(*sa, nullptr, 0, packet.meta().time_ns);
  if (packet.length() > outgoing_.fitting) {
    return context_.drops.drop(packet, DropReason::esp_out_too_big, *sa);
  }
  admit(packet, 0);
  finish_burst(lanes);
  sa->state->dummies.add(static_cast<std::uint32_t>(candidate_count_));
}

// It is never fragmented, and needs no identification.
void EspOutbound::send_keepalive(Packet packet, const Sa& sa, Lanes& lanes) {
  if (!sa.is_udp_encapsulated()) return context_.drops.drop(packet, DropReason::esp_out_no_sa);
  const std::size_t ip_bytes = sa.family == Family::v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
  packet.grow(static_cast<std::uint16_t>(ip_bytes + sizeof(UdpHeader)), 0);
  const InnerTraits traits{.keeps_whole = true};
  std::byte* const at = sa.family == Family::v6 ? put_outer_ipv6(packet, sa, traits)
                                                : put_outer_ipv4(packet, sa, SeqNum{}, traits);
  UdpHeader udp = sa.udp;
  udp.length = Be16(static_cast<std::uint16_t>(packet.length() - ip_bytes));
  std::memcpy(at, &udp, sizeof udp);
  if (sa.has_udp_checksum()) put_udp_checksum(packet);
  sa.state->keepalives.add(1);
  to_next_hop(packet, AdjacencyIndex{sa.adjacency.load(std::memory_order_relaxed)}, lanes);
}

}  // namespace culvert
