// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/net/be.h"
#include "dataplane/net/ip.h"
#include "dataplane/net/ip_parse.h"
#include "dataplane/net/wire.h"

namespace culvert {

// What validate_ipv6 found.
enum class Ipv6Validity : std::uint8_t {
  ok,
  too_short,           // fewer bytes than a header
  bad_version,         // not 6
  bad_payload_length,  // more than the bytes there are
  jumbogram,           // its length is in an option (RFC 2675 2), which is not carried here
  bad_source,          // multicast (RFC 4291 2.7)
};

// What must hold before anything else of a packet is looked at, cheapest first. `packet` starts at
// the IPv6 header; bytes beyond the payload length are link padding and allowed.
[[nodiscard]] inline Ipv6Validity validate_ipv6(std::span<const std::byte> packet) {
  const Ipv6Header* const header = header_at<Ipv6Header>(packet, 0);
  if (header == nullptr) return Ipv6Validity::too_short;
  if (header->version() != 6) return Ipv6Validity::bad_version;
  const std::size_t payload_bytes = header->payload_length.host();
  if (payload_bytes > packet.size() - sizeof(Ipv6Header)) return Ipv6Validity::bad_payload_length;
  if (payload_bytes == 0 && header->next_header == IpProtocol::hop_by_hop) {
    return Ipv6Validity::jumbogram;
  }
  return is_multicast(header->source) ? Ipv6Validity::bad_source : Ipv6Validity::ok;
}

// RFC 8200 4.3, 4.4, 4.6: what hop-by-hop options, routing headers and destination options start
// with.
struct Ipv6Extension {
  IpProtocol next_header{};
  std::uint8_t length = 0;  // in 8 bytes, without the first 8
  std::array<std::uint8_t, 6> data{};

  [[nodiscard]] constexpr std::size_t length_bytes() const { return (std::size_t{length} + 1) * 8; }
};
static_assert(WireFormat<Ipv6Extension> && sizeof(Ipv6Extension) == 8);

// RFC 8200 4.5:
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +---------------+---------------+-------------------------+---+-+
//   |  Next Header  |   Reserved    |     Fragment Offset     |Res|M|
//   +---------------+---------------+-------------------------+---+-+
//   |                         Identification                        |
//   +---------------------------------------------------------------+
struct Ipv6FragmentHeader {
  IpProtocol next_header{};
  std::uint8_t reserved = 0;
  Be16 offset_and_more;
  Be32 identification;

  [[nodiscard]] constexpr std::size_t offset_bytes() const {
    return offset_and_more.host() & 0xfff8u;
  }
  [[nodiscard]] constexpr bool more_fragments() const { return (offset_and_more.host() & 1u) != 0; }
};
static_assert(WireFormat<Ipv6FragmentHeader> && sizeof(Ipv6FragmentHeader) == 8);

// What the walk along a packet's extension headers ended with.
enum class Ipv6ChainEnd : std::uint8_t {
  upper_layer,       // all is known
  truncated,         // an extension header does not lie wholly within the packet
  too_many_headers,  // more than kMaxIpv6Extensions
  misplaced,         // hop-by-hop options elsewhere than behind the IPv6 header, or two fragment
                     // headers (RFC 8200 4.1)
};

// Senders have no use for more than seven (RFC 8200 4.1).
inline constexpr std::size_t kMaxIpv6Extensions = 8;

// Where things lie in an IPv6 packet; offsets count from its IPv6 header, in bytes.
struct Ipv6Chain {
  static constexpr std::uint16_t kIpv6NextHeaderOffset = 6;

  Ipv6ChainEnd end = Ipv6ChainEnd::upper_layer;
  // What follows the extension headers, and where. AH and ESP are upper layers here. Of a fragment
  // that is not the first, what its fragment header names: it may be an extension header.
  IpProtocol protocol{};
  std::uint16_t payload_offset = sizeof(Ipv6Header);
  std::uint16_t protocol_offset = kIpv6NextHeaderOffset;  // of the byte that names `protocol`
  // Where an ESP header in transport mode goes: behind hop-by-hop options, routing and fragment
  // header, and the destination options that come before one of those (RFC 4303 3.1.1). And where
  // the byte is that names what comes there now.
  std::uint16_t esp_offset = sizeof(Ipv6Header);
  std::uint16_t esp_next_header_offset = kIpv6NextHeaderOffset;
  std::uint16_t fragment_header_offset = 0;  // 0: there is none
  std::uint16_t fragment_offset_bytes = 0;
  std::uint32_t fragment_identification = 0;
  bool more_fragments = false;

  [[nodiscard]] constexpr bool has_fragment_header() const { return fragment_header_offset != 0; }
  // Part of a datagram. One with a fragment header may be whole: an atomic fragment (RFC 6946 2).
  [[nodiscard]] constexpr bool is_fragment() const {
    return more_fragments || fragment_offset_bytes != 0;
  }
};

[[nodiscard]] constexpr bool is_ipv6_extension(IpProtocol protocol) {
  return protocol == IpProtocol::hop_by_hop || protocol == IpProtocol::ipv6_routing ||
         protocol == IpProtocol::ipv6_fragment || protocol == IpProtocol::ipv6_destination_options;
}

namespace detail {

// The walk of a packet that has extension headers, header by header.
class Ipv6Walk {
 public:
  explicit Ipv6Walk(std::span<const std::byte> packet) : packet_(packet) {}

  [[nodiscard]] Ipv6Chain run() {
    chain_.protocol = header_at<Ipv6Header>(packet_, 0)->next_header;
    for (std::size_t count = 0; is_ipv6_extension(chain_.protocol); ++count) {
      if (count == kMaxIpv6Extensions) return ended(Ipv6ChainEnd::too_many_headers);
      const Ipv6ChainEnd end = chain_.protocol == IpProtocol::ipv6_fragment ? fragment() : other();
      if (end != Ipv6ChainEnd::upper_layer) return ended(end);
      if (chain_.fragment_offset_bytes != 0) break;
    }
    return chain_;
  }

 private:
  [[nodiscard]] Ipv6Chain ended(Ipv6ChainEnd end) {
    chain_.end = end;
    return chain_;
  }

  [[nodiscard]] Ipv6ChainEnd fragment() {
    if (chain_.has_fragment_header()) return Ipv6ChainEnd::misplaced;
    const auto* const header = header_at<Ipv6FragmentHeader>(packet_, chain_.payload_offset);
    if (header == nullptr) return Ipv6ChainEnd::truncated;
    chain_.fragment_header_offset = chain_.payload_offset;
    chain_.fragment_offset_bytes = static_cast<std::uint16_t>(header->offset_bytes());
    chain_.fragment_identification = header->identification.host();
    chain_.more_fragments = header->more_fragments();
    step(header->next_header, sizeof(*header));
    esp_comes_here();
    return Ipv6ChainEnd::upper_layer;
  }

  [[nodiscard]] Ipv6ChainEnd other() {
    const IpProtocol kind = chain_.protocol;
    if (kind == IpProtocol::hop_by_hop && chain_.payload_offset != sizeof(Ipv6Header)) {
      return Ipv6ChainEnd::misplaced;
    }
    const auto* const header = header_at<Ipv6Extension>(packet_, chain_.payload_offset);
    if (header == nullptr) return Ipv6ChainEnd::truncated;
    if (header->length_bytes() > packet_.size() - chain_.payload_offset) {
      return Ipv6ChainEnd::truncated;
    }
    step(header->next_header, header->length_bytes());
    if (kind != IpProtocol::ipv6_destination_options) esp_comes_here();
    return Ipv6ChainEnd::upper_layer;
  }

  void step(IpProtocol next_header, std::size_t header_bytes) {
    chain_.protocol_offset = chain_.payload_offset;  // every extension header starts with it
    chain_.protocol = next_header;
    chain_.payload_offset = static_cast<std::uint16_t>(chain_.payload_offset + header_bytes);
  }

  void esp_comes_here() {
    chain_.esp_offset = chain_.payload_offset;
    chain_.esp_next_header_offset = chain_.protocol_offset;
  }

  std::span<const std::byte> packet_;
  Ipv6Chain chain_;
};

}  // namespace detail

// Walks the extension headers of a packet that validate_ipv6 found ok, from its first to its last
// byte. Most packets have none.
[[nodiscard]] inline Ipv6Chain walk_ipv6(std::span<const std::byte> packet) {
  const IpProtocol first = header_at<Ipv6Header>(packet, 0)->next_header;
  if (!is_ipv6_extension(first)) return Ipv6Chain{.protocol = first};
  return detail::Ipv6Walk(packet).run();
}

// The ports of a packet whose headers walk_ipv6 knows. A fragment that is not the first has none.
[[nodiscard]] inline TransportPorts transport_ports(const Ipv6Chain& chain,
                                                    std::span<const std::byte> packet) {
  if (chain.end != Ipv6ChainEnd::upper_layer || chain.fragment_offset_bytes != 0) return kHiddenPorts;
  return transport_ports(chain.protocol, packet.subspan(chain.payload_offset));
}

}  // namespace culvert
