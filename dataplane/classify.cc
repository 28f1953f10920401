// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/classify.h"

#include <rte_prefetch.h>

#include "dataplane/nat_t.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/ip_parse.h"

namespace culvert {
namespace {

constexpr std::uint8_t kMaxRounds = 4;

// Neighbour discovery and what else never leaves its link: the built-in bypass of the SPD.
bool is_link_local(const Ipv6Header& header) {
  const auto& to = header.destination;
  const bool is_link_local_unicast = to[0] == 0xfe && (to[1] & 0xc0) == 0x80;
  const bool is_link_local_multicast = to[0] == 0xff && (to[1] & 0x0f) == 0x02;
  return is_link_local_unicast || is_link_local_multicast;
}

// Neighbour solicitations and advertisements may also go between global addresses (RFC 4861 4.3).
bool is_neighbor_discovery(const Ipv6Header& header, std::span<const std::byte> packet) {
  if (header.next_header != IpProtocol::icmpv6 || header.hop_limit != 255) return false;
  const auto* type = header_at<std::uint8_t>(packet, sizeof(Ipv6Header));
  constexpr std::uint8_t kRouterSolicitation = 133;
  constexpr std::uint8_t kRedirect = 137;
  return type != nullptr && *type >= kRouterSolicitation && *type <= kRedirect;
}

}  // namespace

DropReason reason_for(Ipv4Validity validity) {
  switch (validity) {
    case Ipv4Validity::ok:
    case Ipv4Validity::too_short:
      return DropReason::ip_in_truncated;
    case Ipv4Validity::bad_version:
      return DropReason::ip_in_bad_version;
    case Ipv4Validity::bad_header_length:
      return DropReason::ip_in_bad_header_length;
    case Ipv4Validity::bad_total_length:
      return DropReason::ip_in_bad_total_length;
    case Ipv4Validity::bad_checksum:
      return DropReason::ip_in_bad_checksum;
  }
  return DropReason::ip_in_truncated;
}

std::optional<DropReason> why_not_link_local(std::span<const std::byte> packet) {
  const auto* header = header_at<Ipv6Header>(packet, 0);
  if (header == nullptr) return DropReason::ip_in_truncated;
  if (header->version() != 6) return DropReason::ip_in_bad_version;
  if (is_link_local(*header) || is_neighbor_discovery(*header, packet)) return std::nullopt;
  return DropReason::ip_in_ipv6;
}

// 1. The frame is whole, in one segment and no longer than the port allows.
// 2. It is for us, or for everyone.
// 3. By EtherType: IPv4 is checked as a router must (RFC 1812 5.2.2); what we do not speak goes to
//    Linux.
[[gnu::flatten]] void Classify::received(std::span<Packet> frames, Lanes& lanes) {
  constexpr std::size_t kAhead = 4;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (i + kAhead < frames.size()) rte_prefetch0(frames[i + kAhead].data());
    frame(frames[i], lanes);
  }
}

void Classify::frame(Packet packet, Lanes& lanes) {
  const Port& port = ports_[packet.meta().in_port];
  if (packet.mbuf()->nb_segs != 1 || packet.length() > port.max_frame_bytes()) {
    return drops_->drop(packet, DropReason::rx_oversized);
  }
  const auto* ethernet = packet.header<EthernetHeader>(0);
  if (ethernet == nullptr) return drops_->drop(packet, DropReason::classify_runt);
  const bool is_to_many = ethernet->destination.is_multicast();
  if (ethernet->destination != port.mac && !is_to_many) {
    return drops_->drop(packet, DropReason::classify_other_host);
  }
  const EtherType type = ethernet->type();
  if (type == EtherType::ipv6) return ipv6_frame(packet, lanes);
  if (type != EtherType::ipv4) return lanes.punt.push(packet);

  const auto ip = packet.bytes().subspan(sizeof(EthernetHeader));
  const Ipv4Validity validity = validate_ipv4(ip);
  if (validity != Ipv4Validity::ok) return drops_->drop(packet, reason_for(validity));
  const auto& header = *packet.header<Ipv4Header>(sizeof(EthernetHeader));
  // A frame to many with a packet for one other host would be multiplied (RFC 1812 5.3.4).
  if (is_to_many) {
    const Ipv4Address destination = host_address(header.destination);
    if (!is_for_many(destination) && !fib_->is_local(destination)) {
      return drops_->drop(packet, DropReason::forward_broadcast);
    }
  }
  packet.crop(sizeof(EthernetHeader), header.total_length.host());
  ipv4(packet, header, lanes);
}

void Classify::ipv6_frame(Packet packet, Lanes& lanes) {
  const auto reason = why_not_link_local(packet.bytes().subspan(sizeof(EthernetHeader)));
  if (reason) return drops_->drop(packet, *reason);
  lanes.punt.push(packet);
}

void Classify::ipv4(Packet packet, const Ipv4Header& header, Lanes& lanes) {
  if (header.protocol == IpProtocol::esp) return esp(packet, header, lanes);
  if (header.protocol == IpProtocol::udp) {
    const auto datagram = packet.bytes().subspan(header.header_length_bytes());
    if (transport_ports(header, datagram).destination == kNatTPort) {
      return nat_t(packet, header, lanes);
    }
  }
  lanes.inner.push(packet);
}

void Classify::esp(Packet packet, const Ipv4Header& header, Lanes& lanes) {
  if (!header.is_fragment()) {
    packet.meta().esp_offset = static_cast<std::uint16_t>(header.header_length_bytes());
    packet.meta().is_udp_encapsulated = 0;
    return lanes.esp.push(packet);
  }
  if (!fib_->is_local(host_address(header.destination))) return lanes.inner.push(packet);
  drops_->drop(packet, DropReason::esp_in_fragment);
}

// RFC 3948 2. Of a fragmented datagram the first fragment shows whether it is IKE, which Linux
// reassembles; ESP is not taken in pieces.
void Classify::nat_t(Packet packet, const Ipv4Header& header, Lanes& lanes) {
  const auto datagram = packet.bytes().subspan(header.header_length_bytes());
  const NatTKind kind = nat_t_kind(datagram);
  if (kind == NatTKind::esp && !header.is_fragment()) {
    packet.meta().esp_offset =
        static_cast<std::uint16_t>(header.header_length_bytes() + sizeof(UdpHeader));
    packet.meta().is_udp_encapsulated = 1;
    return lanes.esp.push(packet);
  }
  if (!fib_->is_local(host_address(header.destination))) return lanes.inner.push(packet);
  if (header.is_fragment()) {
    const auto* marker = header_at<Be32>(datagram, sizeof(UdpHeader));
    if (marker != nullptr && *marker == Be32{}) return lanes.inner.push(packet);
    return drops_->drop(packet, DropReason::esp_in_fragment);
  }
  if (kind == NatTKind::ike) return lanes.inner.push(packet);
  drops_->drop(packet,
               kind == NatTKind::keepalive ? DropReason::nat_t_keepalive : DropReason::nat_t_runt);
}

void Classify::again(Lane<Packet>& lane, Lanes& lanes) {
  for (const Packet packet : lane.packets()) {
    if (++packet.meta().rounds > kMaxRounds) {
      drops_->drop(packet, DropReason::classify_nesting);
      continue;
    }
    ipv4(packet, *packet.header<Ipv4Header>(0), lanes);
  }
  lane.clear();
}

}  // namespace culvert
