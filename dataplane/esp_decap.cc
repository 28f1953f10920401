// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/esp_decap.h"

#include <array>
#include <bit>
#include <cstring>

#include "dataplane/net/tcp.h"
#include "dataplane/net/udp.h"

namespace culvert {
namespace {

bool covers_prefix(const IpAddress& prefix, std::uint8_t bits, Be32 address) {
  if (bits == 0) return true;
  return ((prefix.v4().host() ^ address.host()) >> (32 - bits)) == 0;
}

bool covers_prefix(const IpAddress& prefix, std::uint8_t bits, const Ipv6Address& address) {
  const auto wanted = std::bit_cast<std::array<Be64, 2>>(prefix);
  const auto seen = std::bit_cast<std::array<Be64, 2>>(address);
  const auto differ = [&](std::size_t word, unsigned count) {
    return count != 0 && ((wanted[word].host() ^ seen[word].host()) >> (64 - count)) != 0;
  };
  if (bits <= 64) return !differ(0, bits);
  return !differ(0, 64) && !differ(1, bits - 64u);
}

// A NAT on the way changed the addresses that this checksum covers (RFC 3948 3.1.2); the ICV has
// shown that the payload is whole.
template <typename Header>
void mend_transport_checksum(const Header& header, IpProtocol protocol,
                             std::span<std::byte> segment) {
  Be16* field = nullptr;
  if (protocol == IpProtocol::tcp) {
    if (auto* tcp = mutable_header_at<TcpHeader>(segment, 0)) field = &tcp->checksum;
  } else if (protocol == IpProtocol::udp) {
    auto* udp = mutable_header_at<UdpHeader>(segment, 0);
    if (udp != nullptr && udp->checksum != Be16{}) field = &udp->checksum;
  }
  if (field == nullptr) return;
  *field = Be16{};
  const Be16 checksum = transport_checksum(header.source, header.destination, protocol, segment);
  *field = protocol == IpProtocol::udp ? udp_checksum_field(checksum) : checksum;
}

}  // namespace

bool covers(const Selector& selector, Packet packet, const UpperLayer& upper) {
  const auto matches = [](Be16 port, Be16 mask, std::uint16_t seen) {
    return ((port.host() ^ seen) & mask.host()) == 0;
  };
  const bool names_ports = selector.src_port_mask != Be16{} || selector.dst_port_mask != Be16{};
  if (names_ports && upper.ports.are_hidden) return false;
  if ((selector.protocol != 0 && selector.protocol != static_cast<std::uint8_t>(upper.protocol)) ||
      !matches(selector.src_port, selector.src_port_mask, upper.ports.source) ||
      !matches(selector.dst_port, selector.dst_port_mask, upper.ports.destination)) {
    return false;
  }
  const auto covers_ends = [&selector](const auto& header) {
    return covers_prefix(selector.src, selector.src_prefix_bits, header.source) &&
           covers_prefix(selector.dst, selector.dst_prefix_bits, header.destination);
  };
  // A selector of no family is for all addresses of both.
  if (selector.family == Family::none) return true;
  if (is_ipv6(packet)) {
    return selector.family == Family::v6 && covers_ends(*packet.header<Ipv6Header>(0));
  }
  return selector.family == Family::v4 && covers_ends(*packet.header<Ipv4Header>(0));
}

std::optional<DropReason> take_out_ipv6(const OpenedPacket& opened) {
  const auto payload = opened.packet.bytes().subspan(opened.payload_offset, opened.payload_bytes);
  if (validate_ipv6(payload) != Ipv6Validity::ok) return DropReason::esp_in_inner_header;
  auto& inner = *opened.packet.header<Ipv6Header>(opened.payload_offset);
  const std::size_t inner_bytes = inner.total_bytes();
  if (walk_ipv6(payload.first(inner_bytes)).end != Ipv6ChainEnd::upper_layer) {
    return DropReason::esp_in_inner_header;
  }
  if (!cut_out(opened, inner, static_cast<std::uint32_t>(inner_bytes))) {
    return DropReason::esp_in_ecn;
  }
  return std::nullopt;
}

// The packet's own header, with options or extension headers, moves up to the payload (RFC 4303
// 3.1.1), over what was between them: UDP header, ESP header and IV.
std::optional<DropReason> take_out_transported(const OpenedPacket& opened) {
  const Packet packet = opened.packet;
  const UpperLayer outer = upper_layer(packet);
  const bool is_v6 = is_ipv6(packet);
  const std::uint16_t protocol_offset =
      is_v6 ? walk_ipv6(packet.bytes()).protocol_offset : std::uint16_t{0};
  const std::uint32_t front = opened.payload_offset - outer.offset;
  std::memmove(packet.data() + front, packet.data(), outer.offset);
  packet.crop(front, outer.offset + opened.payload_bytes);
  const auto segment = packet.bytes().subspan(outer.offset);
  const bool is_mended = opened.sa.is_udp_encapsulated();
  if (!is_v6) {
    auto& header = *packet.header<Ipv4Header>(0);
    rewrite_protocol_and_length(header, opened.protocol,
                                Be16(static_cast<std::uint16_t>(packet.length())));
    if (is_mended) mend_transport_checksum(header, opened.protocol, segment);
    return std::nullopt;
  }
  auto& header = *packet.header<Ipv6Header>(0);
  packet.data()[protocol_offset] = static_cast<std::byte>(opened.protocol);
  header.payload_length = Be16(static_cast<std::uint16_t>(packet.length() - sizeof(Ipv6Header)));
  if (walk_ipv6(packet.bytes()).end != Ipv6ChainEnd::upper_layer) {
    return DropReason::esp_in_inner_header;
  }
  if (is_mended) mend_transport_checksum(header, opened.protocol, segment);
  return std::nullopt;
}

}  // namespace culvert
