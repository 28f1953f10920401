// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/net/ip_parse.h"
#include "dataplane/net/types.h"

namespace culvert {

// What a policy's selector looks at in an IPv4 packet, all in host byte order. Ports are those of
// transport_ports() (net/ip_parse.h): of ICMP, type and code; 0 where there are none.
// IPv6 flows will be a type of their own, 40 bytes, with look-ups of their own.
struct FlowKey {
  Ipv4Address src;
  Ipv4Address dst;
  std::uint16_t src_port = 0;
  std::uint16_t dst_port = 0;
  IpProtocol protocol{};
};

// A flow, or what a selector leaves of it, as two words to mask, hash and compare.
struct FlowWords {
  std::uint64_t addresses = 0;  // source << 32 | destination
  // In the SPD tuple << 40 |, protocol << 32 | source port << 16 | destination port.
  std::uint64_t rest = 0;

  friend constexpr auto operator<=>(const FlowWords&, const FlowWords&) = default;
};

[[nodiscard]] constexpr FlowWords words_of(const FlowKey& flow) {
  return {std::uint64_t{flow.src.raw()} << 32 | flow.dst.raw(),
          std::uint64_t{static_cast<std::uint8_t>(flow.protocol)} << 32 |
              std::uint64_t{flow.src_port} << 16 | flow.dst_port};
}

// The flow of an IPv4 packet whose header validate_ipv4 found ok, from its first to its last byte.
[[nodiscard]] inline FlowWords flow_of(std::span<const std::byte> packet) {
  const auto& header = *header_at<Ipv4Header>(packet, 0);
  const TransportPorts ports =
      transport_ports(header, packet.subspan(header.header_length_bytes()));
  const auto addresses = std::bit_cast<Be64>(std::array{header.source, header.destination});
  return {addresses.host(), std::uint64_t{static_cast<std::uint8_t>(header.protocol)} << 32 |
                                std::uint64_t{ports.source} << 16 | ports.destination};
}

}  // namespace culvert
