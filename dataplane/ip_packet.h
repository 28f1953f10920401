// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "dataplane/flow_key.h"
#include "dataplane/net/ip_parse.h"
#include "dataplane/net/ipv6_parse.h"
#include "dataplane/net/tcp.h"
#include "dataplane/packet.h"

// What stages ask of a packet of either family. Its bytes start at the IP header, which
// validate_ipv4 or validate_ipv6 found ok.

namespace culvert {

[[nodiscard]] inline bool is_ipv6(Packet packet) {
  constexpr auto kVersion6 = std::byte{6};
  return (packet.data()[0] >> 4) == kVersion6;
}

// What follows the IP header and IPv6's extension headers.
struct UpperLayer {
  IpProtocol protocol{};
  std::uint16_t offset = 0;  // from the IP header on
  bool is_fragment = false;
  TransportPorts ports;
};

[[nodiscard]] inline UpperLayer upper_layer(Packet packet) {
  const auto bytes = packet.bytes();
  if (is_ipv6(packet)) {
    const Ipv6Chain chain = walk_ipv6(bytes);
    return {chain.protocol, chain.payload_offset, chain.is_fragment(),
            transport_ports(chain, bytes)};
  }
  const auto& header = *packet.header<Ipv4Header>(0);
  const std::size_t header_bytes = header.header_length_bytes();
  return {header.protocol, static_cast<std::uint16_t>(header_bytes), header.is_fragment(),
          transport_ports(header, bytes.subspan(header_bytes))};
}

// DSCP and ECN, as IPv4 has them in one byte and IPv6 in its Traffic Class.
[[nodiscard]] inline std::uint8_t dscp_and_ecn(const Ipv4Header& header) {
  return header.dscp_and_ecn;
}
[[nodiscard]] inline std::uint8_t dscp_and_ecn(const Ipv6Header& header) {
  return static_cast<std::uint8_t>(header.version_class_and_flow.host() >> 20);
}

// Cheap, and never wrong when it says no: of fragments, and behind extension headers, it guesses.
[[nodiscard]] inline bool may_be_tcp_syn(Packet packet) {
  std::size_t offset = sizeof(Ipv6Header);
  IpProtocol protocol;
  if (is_ipv6(packet)) {
    protocol = packet.header<Ipv6Header>(0)->next_header;
    if (is_ipv6_extension(protocol)) return true;
  } else {
    const auto& header = *packet.header<Ipv4Header>(0);
    protocol = header.protocol;
    offset = header.header_length_bytes();
  }
  if (protocol != IpProtocol::tcp) return false;
  const auto* tcp = packet.header<TcpHeader>(offset);
  return tcp != nullptr && tcp->is_syn();
}

// IPv6 is never fragmented on its way (RFC 8200 5).
[[nodiscard]] inline bool may_be_fragmented(Packet packet) {
  return !is_ipv6(packet) && !packet.header<Ipv4Header>(0)->dont_fragment();
}

}  // namespace culvert
