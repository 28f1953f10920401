// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/net/ip_parse.h"
#include "dataplane/net/ipv6_parse.h"
#include "dataplane/net/types.h"

namespace culvert {

// What a policy's selector looks at in an IPv4 packet, all in host byte order. Ports are those of
// transport_ports() (net/ip_parse.h): of ICMP, type and code; 0 where there are none.
struct FlowKey {
  Ipv4Address src;
  Ipv4Address dst;
  std::uint16_t src_port = 0;
  std::uint16_t dst_port = 0;
  IpProtocol protocol{};
};

// The same in an IPv6 packet; protocol and ports are those behind the extension headers (RFC 4301
// 4.4.1.1, Next Layer Protocol).
struct FlowKey6 {
  Ipv6Address src{};
  Ipv6Address dst{};
  std::uint16_t src_port = 0;
  std::uint16_t dst_port = 0;
  IpProtocol protocol{};
};

// A flow, or what a selector leaves of it, as two words to mask, hash and compare.
struct FlowWords {
  std::uint64_t addresses = 0;  // source << 32 | destination
  // kHiddenPortsBit, in the SPD tuple << 40 |, protocol << 32 | source port << 16 | destination
  // port.
  std::uint64_t rest = 0;

  friend constexpr auto operator<=>(const FlowWords&, const FlowWords&) = default;
};

// The same of IPv6, 40 bytes, or of either family: `rest` lies where FlowWords has it, so that
// widened() IPv4 words differ from IPv6 words of another tuple.
struct FlowWords6 {
  std::uint64_t source_high = 0;  // host byte order, as all
  std::uint64_t rest = 0;         // as in FlowWords
  std::uint64_t source_low = 0;
  std::uint64_t destination_high = 0;
  std::uint64_t destination_low = 0;

  friend constexpr auto operator<=>(const FlowWords6&, const FlowWords6&) = default;
};

[[nodiscard]] constexpr FlowWords6 widened(const FlowWords& words) {
  return {words.addresses, words.rest, 0, 0, 0};
}

// Of a flow whose ports are not known; under the mask of whatever names ports.
inline constexpr int kHiddenPortsShift = 63;
inline constexpr std::uint64_t kHiddenPortsBit = std::uint64_t{1} << kHiddenPortsShift;

// No flow has it: what asks for it matches none.
inline constexpr std::uint64_t kNoFlowBit = std::uint64_t{1} << 62;

[[nodiscard]] constexpr std::uint64_t rest_word(IpProtocol protocol, std::uint16_t src_port,
                                                std::uint16_t dst_port) {
  return std::uint64_t{static_cast<std::uint8_t>(protocol)} << 32 | std::uint64_t{src_port} << 16 |
         dst_port;
}

[[nodiscard]] constexpr std::uint64_t rest_word(IpProtocol protocol, const TransportPorts& ports) {
  return rest_word(protocol, ports.source, ports.destination) | std::uint64_t{ports.are_hidden}
                                                                    << kHiddenPortsShift;
}

// The flow of the answers. For ICMP, whose ports are type and code, there is none.
[[nodiscard]] constexpr std::uint64_t reversed_rest(std::uint64_t rest) {
  return (rest & ~std::uint64_t{0xffffffff}) | std::rotl(static_cast<std::uint32_t>(rest), 16);
}
[[nodiscard]] constexpr FlowWords reversed(const FlowWords& flow) {
  return {std::rotl(flow.addresses, 32), reversed_rest(flow.rest)};
}
[[nodiscard]] constexpr FlowWords6 reversed(const FlowWords6& flow) {
  return {flow.destination_high, reversed_rest(flow.rest), flow.destination_low, flow.source_high,
          flow.source_low};
}

[[nodiscard]] constexpr FlowWords words_of(const FlowKey& flow) {
  return {std::uint64_t{flow.src.raw()} << 32 | flow.dst.raw(),
          rest_word(flow.protocol, flow.src_port, flow.dst_port)};
}

[[nodiscard]] constexpr FlowWords6 words_of(const FlowKey6& flow) {
  const auto source = std::bit_cast<std::array<Be64, 2>>(flow.src);
  const auto destination = std::bit_cast<std::array<Be64, 2>>(flow.dst);
  return {source[0].host(), rest_word(flow.protocol, flow.src_port, flow.dst_port),
          source[1].host(), destination[0].host(), destination[1].host()};
}

[[nodiscard]] constexpr Ipv6Address destination_of(const FlowWords6& flow) {
  return std::bit_cast<Ipv6Address>(
      std::array{Be64{flow.destination_high}, Be64{flow.destination_low}});
}
[[nodiscard]] constexpr Ipv6Address source_of(const FlowWords6& flow) {
  return std::bit_cast<Ipv6Address>(std::array{Be64{flow.source_high}, Be64{flow.source_low}});
}

// The flow of an IPv4 packet whose header validate_ipv4 found ok, from its first to its last byte.
[[nodiscard]] inline FlowWords flow_of(std::span<const std::byte> packet) {
  const auto& header = *header_at<Ipv4Header>(packet, 0);
  const TransportPorts ports =
      transport_ports(header, packet.subspan(header.header_length_bytes()));
  const auto addresses = std::bit_cast<Be64>(std::array{header.source, header.destination});
  return {addresses.host(), rest_word(header.protocol, ports)};
}

// The flow of an IPv6 packet that validate_ipv6 found ok, from its first to its last byte; `chain`
// is what walk_ipv6() says of it. Behind a routing header the destination is the next stop, as
// everywhere on the way.
[[nodiscard]] inline FlowWords6 flow_of(std::span<const std::byte> packet, const Ipv6Chain& chain) {
  const auto& header = *header_at<Ipv6Header>(packet, 0);
  FlowWords6 flow = words_of(
      FlowKey6{.src = header.source, .dst = header.destination, .protocol = chain.protocol});
  flow.rest = rest_word(chain.protocol, transport_ports(chain, packet));
  return flow;
}

}  // namespace culvert
