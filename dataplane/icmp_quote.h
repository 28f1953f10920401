// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dataplane/net/esp.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/icmpv6.h"
#include "dataplane/net/ipv6_parse.h"
#include "dataplane/net/udp.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// What an ICMP "fragmentation needed" (RFC 1191 4) or ICMPv6 "packet too big" (RFC 4443 3.2) says
// about an ESP packet, and how that packet names its SA. Nobody has vouched for any of it.
struct QuotedEsp {
  Family family = Family::none;
  IpAddress source;
  IpAddress destination;
  Spi spi;
  bool is_udp_encapsulated = false;
  Be16 source_port;  // of UDP encapsulation
  Be16 destination_port;
  std::uint32_t mtu = 0;

  // Other UDP may be any, until an SA is found that it belongs to.
  [[nodiscard]] constexpr bool is_surely_esp() const {
    return !is_udp_encapsulated || source_port.host() == kNatTPort ||
           destination_port.host() == kNatTPort;
  }
};

namespace detail {

// ESP, or UDP that may have ESP in it, at the start of a quoted packet's payload; false: it is
// neither, or is cut before its SPI. An SPI of 0 is the marker of IKE (RFC 3948 2.2).
[[nodiscard]] inline bool read_quoted_esp(IpProtocol protocol, std::span<const std::byte> payload,
                                          QuotedEsp& quoted) {
  std::size_t esp_offset = 0;
  if (protocol == IpProtocol::udp) {
    const auto* udp = header_at<UdpHeader>(payload, 0);
    if (udp == nullptr) return false;
    quoted.is_udp_encapsulated = true;
    quoted.source_port = udp->source_port;
    quoted.destination_port = udp->destination_port;
    esp_offset = sizeof(UdpHeader);
  } else if (protocol != IpProtocol::esp) {
    return false;
  }
  const auto* spi = header_at<Be32>(payload, esp_offset);
  if (spi == nullptr) return false;
  quoted.spi = Spi{spi->host()};
  return quoted.spi != Spi{};
}

}  // namespace detail

// `message` starts at the ICMP header. RFC 792 quotes 8 bytes behind the IP header: enough for
// ESP; where there is UDP, most routers quote more.
[[nodiscard]] inline std::optional<QuotedEsp> quoted_esp(std::span<const std::byte> message) {
  const auto* icmp = header_at<IcmpHeader>(message, 0);
  if (icmp == nullptr || icmp->type != IcmpType::destination_unreachable ||
      icmp->code != kIcmpFragmentationNeeded) {
    return std::nullopt;
  }
  const auto packet = message.subspan(sizeof(IcmpHeader));
  const auto* ip = header_at<Ipv4Header>(packet, 0);
  if (ip == nullptr || ip->version() != 4 || ip->fragment_offset_bytes() != 0) return std::nullopt;
  const std::size_t header_bytes = ip->header_length_bytes();
  if (header_bytes < sizeof(Ipv4Header) || header_bytes > packet.size()) return std::nullopt;
  QuotedEsp quoted{.family = Family::v4,
                   .source = IpAddress::v4(ip->source),
                   .destination = IpAddress::v4(ip->destination),
                   .mtu = icmp->next_hop_mtu()};
  if (!detail::read_quoted_esp(ip->protocol, packet.subspan(header_bytes), quoted)) {
    return std::nullopt;
  }
  return quoted;
}

// The same of ICMPv6.
[[nodiscard]] inline std::optional<QuotedEsp> quoted_esp_ipv6(std::span<const std::byte> message) {
  const auto* icmp = header_at<Icmpv6Header>(message, 0);
  if (icmp == nullptr || icmp->type != Icmpv6Type::packet_too_big) return std::nullopt;
  const auto packet = message.subspan(sizeof(Icmpv6Header));
  const auto* ip = header_at<Ipv6Header>(packet, 0);
  if (ip == nullptr || ip->version() != 6) return std::nullopt;
  const Ipv6Chain chain = walk_ipv6(packet);
  if (chain.end != Ipv6ChainEnd::upper_layer || chain.fragment_offset_bytes != 0) {
    return std::nullopt;
  }
  QuotedEsp quoted{.family = Family::v6,
                   .source = {ip->source},
                   .destination = {ip->destination},
                   .mtu = icmp->mtu()};
  if (!detail::read_quoted_esp(chain.protocol, packet.subspan(chain.payload_offset), quoted)) {
    return std::nullopt;
  }
  return quoted;
}

}  // namespace culvert
