// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/esp_headers.h"

#include "dataplane/net/udp.h"

namespace culvert {

std::byte* put_outer_ipv6(Packet packet, const Sa& sa, const InnerTraits& inner) {
  std::memcpy(packet.data(), &sa.outer_ipv6, sizeof sa.outer_ipv6);
  auto& outer = *packet.header<Ipv6Header>(0);
  const Ipv4Header seen{.dscp_and_ecn = outer_dscp_and_ecn(inner.dscp_and_ecn, sa.flags)};
  outer.set_dscp_and_ecn(seen.dscp(), seen.ecn());
  outer.payload_length = Be16(static_cast<std::uint16_t>(packet.length() - sizeof outer));
  return packet.data() + sizeof outer;
}

OwnHeader own_header_of(Packet packet) {
  if (is_ipv6(packet)) {
    const Ipv6Chain chain = walk_ipv6(packet.bytes());
    return {chain.esp_offset, chain.esp_next_header_offset,
            static_cast<IpProtocol>(packet.data()[chain.esp_next_header_offset])};
  }
  const auto& header = *packet.header<Ipv4Header>(0);
  return {static_cast<std::uint16_t>(header.header_length_bytes()), 0, header.protocol};
}

std::byte* move_own_header(Packet packet, const Sa& sa, const OwnHeader& own) {
  std::memmove(packet.data(), packet.data() + sa.outer_bytes, own.bytes);
  const IpProtocol protocol = sa.is_udp_encapsulated() ? IpProtocol::udp : IpProtocol::esp;
  if (is_ipv6(packet)) {
    packet.data()[own.protocol_offset] = static_cast<std::byte>(protocol);
    packet.header<Ipv6Header>(0)->payload_length =
        Be16(static_cast<std::uint16_t>(packet.length() - sizeof(Ipv6Header)));
  } else {
    rewrite_protocol_and_length(*packet.header<Ipv4Header>(0), protocol,
                                Be16(static_cast<std::uint16_t>(packet.length())));
  }
  return packet.data() + own.bytes;
}

void put_udp_checksum(Packet packet) {
  const UpperLayer upper = upper_layer(packet);
  const auto& ip = *packet.header<Ipv6Header>(0);
  auto& udp = *packet.header<UdpHeader>(upper.offset);
  udp.checksum = Be16{};
  udp.checksum = udp_checksum_field(transport_checksum(ip.source, ip.destination, IpProtocol::udp,
                                                       packet.bytes().subspan(upper.offset)));
}

}  // namespace culvert
