// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/net/checksum.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/ip.h"
#include "dataplane/net/wire.h"

namespace culvert {

// What validate_ipv4 found.
enum class Ipv4Validity : std::uint8_t {
  ok,
  too_short,          // fewer bytes than a header, or than the header says it has
  bad_version,        // not 4
  bad_header_length,  // IHL below 5
  bad_total_length,   // less than the header, or more than the bytes there are
  bad_checksum,
};

// What a router must check before it looks further (RFC 1812 5.2.2), cheapest first. `packet`
// starts at the IPv4 header; bytes beyond the total length are link padding and allowed.
[[nodiscard]] inline Ipv4Validity validate_ipv4(std::span<const std::byte> packet) {
  const Ipv4Header* const header = header_at<Ipv4Header>(packet, 0);
  if (header == nullptr) return Ipv4Validity::too_short;
  InternetSum sum;
  sum.add(*header);
  std::size_t header_bytes = sizeof(Ipv4Header);
  if (header->version_and_ihl != Ipv4Header::kVersion4WithoutOptions) {
    if (header->version() != 4) return Ipv4Validity::bad_version;
    header_bytes = header->header_length_bytes();
    if (header_bytes < sizeof(Ipv4Header)) return Ipv4Validity::bad_header_length;
    if (header_bytes > packet.size()) return Ipv4Validity::too_short;
    sum.add(packet.subspan(sizeof(Ipv4Header), header_bytes - sizeof(Ipv4Header)));
  }
  const std::size_t total_bytes = header->total_length.host();
  if (total_bytes < header_bytes || total_bytes > packet.size()) {
    return Ipv4Validity::bad_total_length;
  }
  return sum.is_right() ? Ipv4Validity::ok : Ipv4Validity::bad_checksum;
}

// The two numbers that selectors look at behind the IP header, in host byte order: ports, or an
// ICMP message's type as source and code as destination, as XFRM selectors have them (RFC 4301
// 4.4.1.1 packs them into one port number instead). 0 and 0 where there are none.
struct TransportPorts {
  std::uint16_t source = 0;
  std::uint16_t destination = 0;
  // The protocol has such numbers, but this packet, a fragment, does not: OPAQUE in RFC 4301
  // 4.4.1.1, which no selector that names ports matches.
  bool are_hidden = false;

  friend constexpr bool operator==(const TransportPorts&, const TransportPorts&) = default;
};

inline constexpr TransportPorts kHiddenPorts{.are_hidden = true};

// Those of a payload that starts at the transport header; hidden when it is too short.
[[nodiscard]] inline TransportPorts transport_ports(IpProtocol protocol,
                                                    std::span<const std::byte> payload) {
  // TCP (RFC 9293 3.1), UDP (RFC 768), SCTP (RFC 9260 3.1), DCCP (RFC 4340 5.1) and UDP-Lite (RFC
  // 3828 3.1) all start with two ports, which are loaded as one word.
  // ICMP (RFC 792) and ICMPv6 (RFC 4443 2.1) start with these.
  struct TypeAndCode {
    std::uint8_t type;
    std::uint8_t code;
  };
  switch (protocol) {
    case IpProtocol::tcp:
    case IpProtocol::udp:
    case IpProtocol::sctp:
    case IpProtocol::dccp:
    case IpProtocol::udp_lite: {
      const Be32* const ports = header_at<Be32>(payload, 0);
      if (ports == nullptr) return kHiddenPorts;
      const std::uint32_t both = ports->host();
      return {static_cast<std::uint16_t>(both >> 16), static_cast<std::uint16_t>(both)};
    }
    case IpProtocol::icmp:
    case IpProtocol::icmpv6: {
      const TypeAndCode* const icmp = header_at<TypeAndCode>(payload, 0);
      if (icmp == nullptr) return kHiddenPorts;
      return {icmp->type, icmp->code};
    }
    case IpProtocol::hop_by_hop:
    case IpProtocol::igmp:
    case IpProtocol::ipip:
    case IpProtocol::ipv6:
    case IpProtocol::ipv6_routing:
    case IpProtocol::ipv6_fragment:
    case IpProtocol::gre:
    case IpProtocol::esp:
    case IpProtocol::ah:
    case IpProtocol::no_next_header:
    case IpProtocol::ipv6_destination_options:
    case IpProtocol::ospf:
    case IpProtocol::ipcomp:
    case IpProtocol::l2tp:
      break;
  }
  return {};
}

// Those of an IPv4 packet whose header validate_ipv4 found ok; `payload` is what follows it. A
// fragment that is not the first has none.
[[nodiscard]] inline TransportPorts transport_ports(const Ipv4Header& header,
                                                    std::span<const std::byte> payload) {
  if (header.fragment_offset_bytes() != 0) return kHiddenPorts;
  return transport_ports(header.protocol, payload);
}

}  // namespace culvert
