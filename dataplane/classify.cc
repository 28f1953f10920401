// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/classify.h"

#include <algorithm>
#include <cstring>

#include <rte_prefetch.h>

#include <optional>

#include "dataplane/ip_packet.h"
#include "dataplane/nat_t.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/icmpv6.h"
#include "dataplane/net/ip_parse.h"

namespace culvert {
namespace {

constexpr std::uint8_t kMaxRounds = 4;

// Neighbour solicitations and advertisements may also go between global addresses (RFC 4861 4.3).
bool is_neighbor_discovery(const Ipv6Header& header, std::span<const std::byte> packet) {
  if (header.next_header != IpProtocol::icmpv6 || header.hop_limit != 255) return false;
  const auto* icmp = header_at<Icmpv6Header>(packet, sizeof(Ipv6Header));
  return icmp != nullptr && is_neighbor_discovery(icmp->type);
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

DropReason reason_for(Ipv6Validity validity) {
  switch (validity) {
    case Ipv6Validity::ok:
    case Ipv6Validity::too_short:
      return DropReason::ip_in_truncated;
    case Ipv6Validity::bad_version:
      return DropReason::ip_in_bad_version;
    case Ipv6Validity::bad_payload_length:
    case Ipv6Validity::jumbogram:
      return DropReason::ip_in_bad_total_length;
    case Ipv6Validity::bad_source:
      return DropReason::ip_in_bad_source;
  }
  return DropReason::ip_in_truncated;
}

bool stays_on_link(std::span<const std::byte> packet) {
  const auto& header = *header_at<Ipv6Header>(packet, 0);
  return is_link_local(header.destination) || is_link_local_multicast(header.destination) ||
         is_neighbor_discovery(header, packet);
}

// 1. The frame is whole, in one segment and no longer than the port allows.
// 2. It is for us, or for everyone.
// 3. By EtherType: IPv4 and IPv6 are checked as a router must (RFC 1812 5.2.2, RFC 8200); what we
//    do not speak, and IPv6 that stays on its link, goes to Linux.
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
  if (type == EtherType::ipv4) return ipv4_frame(packet, is_to_many, lanes);
  if (type == EtherType::ipv6) return ipv6_frame(packet, is_to_many, lanes);
  if (type == EtherType::vlan) return tagged_frame(packet, lanes);
  lanes.punt.push(packet);
}

// A frame of a port that is a VLAN of this one becomes that port's, without the tag; one with a
// priority alone is this port's own (IEEE 802.1Q 9.6). Other VLANs are Linux' business.
void Classify::tagged_frame(Packet packet, Lanes& lanes) {
  const auto* tag = packet.header<VlanTag>(sizeof(EthernetHeader));
  if (tag == nullptr) return drops_->drop(packet, DropReason::classify_runt);
  PacketMeta& meta = packet.meta();
  const std::uint16_t vlan = tag->vlan_id();
  if (vlan != 0) {
    const auto port = std::ranges::find_if(ports_, [&](const Port& candidate) {
      return candidate.vlan == vlan && candidate.parent == meta.in_port;
    });
    if (port == ports_.end()) return lanes.punt.push(packet);
    meta.in_port = static_cast<std::uint8_t>(port->id);
    port_counters_[port->id].rx_packets.add(1);
    port_counters_[port->id].rx_bytes.add(packet.length());
  } else if (tag->type() == EtherType::vlan) {
    return lanes.punt.push(packet);
  }
  std::memmove(packet.data() + sizeof(VlanTag), packet.data(), 2 * sizeof(MacAddress));
  packet.pull_front(sizeof(VlanTag));
  frame(packet, lanes);
}

// A frame to many with a packet for one other host would be multiplied (RFC 1812 5.3.4); the same
// in IPv6.
void Classify::ipv4_frame(Packet packet, bool is_to_many, Lanes& lanes) {
  const auto ip = packet.bytes().subspan(sizeof(EthernetHeader));
  const Ipv4Validity validity = validate_ipv4(ip);
  if (validity != Ipv4Validity::ok) return drops_->drop(packet, reason_for(validity));
  const auto& header = *packet.header<Ipv4Header>(sizeof(EthernetHeader));
  if (is_to_many) {
    const Ipv4Address destination = host_address(header.destination);
    if (!is_for_many(destination) && !fib_->is_local(destination)) {
      return drops_->drop(packet, DropReason::forward_broadcast);
    }
  }
  packet.crop(sizeof(EthernetHeader), header.total_length.host());
  ipv4(packet, header, lanes);
}

void Classify::ipv6_frame(Packet packet, bool is_to_many, Lanes& lanes) {
  const auto ip = packet.bytes().subspan(sizeof(EthernetHeader));
  const Ipv6Validity validity = validate_ipv6(ip);
  if (validity != Ipv6Validity::ok) return drops_->drop(packet, reason_for(validity));
  if (stays_on_link(ip)) return lanes.punt.push(packet);
  const auto& header = *packet.header<Ipv6Header>(sizeof(EthernetHeader));
  if (is_to_many && !is_multicast(header.destination) && !fib_->is_local(header.destination)) {
    return drops_->drop(packet, DropReason::forward_broadcast);
  }
  packet.crop(sizeof(EthernetHeader), static_cast<std::uint32_t>(header.total_bytes()));
  ipv6(packet, lanes);
}

void Classify::ipv4(Packet packet, const Ipv4Header& header, Lanes& lanes) {
  const Payload payload{static_cast<std::uint16_t>(header.header_length_bytes()),
                        header.is_fragment()};
  if (payload.is_fragment && Reassembly::takes(header.protocol)) {
    return ipv4_fragment(packet, lanes);
  }
  if (header.protocol == IpProtocol::esp) return esp(packet, payload, lanes);
  if (header.protocol == IpProtocol::udp) {
    const auto datagram = packet.bytes().subspan(payload.offset);
    if (transport_ports(header, datagram).destination == kNatTPort) {
      return nat_t(packet, payload, lanes);
    }
  }
  if (header.protocol == IpProtocol::icmp) {
    if (const auto end = path_mtu_->learn_ipv4(packet)) return drops_->drop(packet, *end);
  }
  lanes.inner.push(packet);
}

void Classify::ipv4_fragment(Packet fragment, Lanes& lanes) {
  if (!is_for_us(*fib_, fragment)) return lanes.inner.push(fragment);
  const std::optional<Packet> whole = reassembly_->add_ipv4(fragment);
  if (whole) ipv4(*whole, *whole->header<Ipv4Header>(0), lanes);
}

// A router need not look at extension headers; a gateway with policies must (RFC 4301 4.4.1.1).
void Classify::ipv6(Packet packet, Lanes& lanes) {
  const Ipv6Chain chain = walk_ipv6(packet.bytes());
  if (chain.end != Ipv6ChainEnd::upper_layer) {
    return drops_->drop(packet, DropReason::ip_in_bad_extension);
  }
  if (chain.has_fragment_header() && Reassembly::takes_ipv6(packet, chain)) {
    return ipv6_fragment(packet, chain, lanes);
  }
  const Payload payload{chain.payload_offset, chain.is_fragment()};
  if (chain.protocol == IpProtocol::esp) return esp(packet, payload, lanes);
  if (chain.protocol == IpProtocol::udp &&
      transport_ports(chain, packet.bytes()).destination == kNatTPort) {
    return nat_t(packet, payload, lanes);
  }
  if (chain.protocol == IpProtocol::icmpv6) {
    if (const auto end = path_mtu_->learn_ipv6(packet, chain)) return drops_->drop(packet, *end);
  }
  lanes.inner6.push(packet);
}

void Classify::ipv6_fragment(Packet fragment, const Ipv6Chain& chain, Lanes& lanes) {
  if (!is_for_us(*fib_, fragment)) return lanes.inner6.push(fragment);
  const std::optional<Packet> whole = reassembly_->add_ipv6(fragment, chain);
  if (whole) ipv6(*whole, lanes);
}

// Fragments that come this far are for another host.
void Classify::esp(Packet packet, Payload payload, Lanes& lanes) {
  if (payload.is_fragment) return lanes.onward(packet);
  packet.meta().esp_offset = payload.offset;
  packet.meta().is_udp_encapsulated = 0;
  lanes.esp.push(packet);
}

// RFC 3948 2.
void Classify::nat_t(Packet packet, Payload payload, Lanes& lanes) {
  if (payload.is_fragment) return lanes.onward(packet);
  const NatTKind kind = nat_t_kind(packet.bytes().subspan(payload.offset));
  if (kind == NatTKind::esp) {
    packet.meta().esp_offset = static_cast<std::uint16_t>(payload.offset + sizeof(UdpHeader));
    packet.meta().is_udp_encapsulated = 1;
    return lanes.esp.push(packet);
  }
  if (kind == NatTKind::ike || !is_for_us(*fib_, packet)) return lanes.onward(packet);
  drops_->drop(packet,
               kind == NatTKind::keepalive ? DropReason::nat_t_keepalive : DropReason::nat_t_runt);
}

void Classify::again(Lane<Packet>& lane, Lanes& lanes) {
  for (const Packet packet : lane.packets()) {
    if (++packet.meta().rounds > kMaxRounds) {
      drops_->drop(packet, DropReason::classify_nesting);
      continue;
    }
    if (is_ipv6(packet)) {
      ipv6(packet, lanes);
    } else {
      ipv4(packet, *packet.header<Ipv4Header>(0), lanes);
    }
  }
  lane.clear();
}

}  // namespace culvert
