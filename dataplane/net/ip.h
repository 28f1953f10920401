// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "dataplane/net/be.h"
#include "dataplane/net/ecn.h"
#include "dataplane/net/types.h"
#include "dataplane/net/wire.h"

namespace culvert {

// Differentiated Services Code Point, 6 bits (RFC 2474 3).
using Dscp = Strong<struct DscpTag, std::uint8_t>;

// What follows an IP header (IANA "Protocol Numbers"). Any other value may arrive as well.
enum class IpProtocol : std::uint8_t {
  hop_by_hop = 0,
  icmp = 1,
  igmp = 2,
  ipip = 4,
  tcp = 6,
  udp = 17,
  dccp = 33,
  ipv6 = 41,
  ipv6_routing = 43,
  ipv6_fragment = 44,
  gre = 47,
  esp = 50,
  ah = 51,
  icmpv6 = 58,
  no_next_header = 59,
  ipv6_destination_options = 60,
  ospf = 89,
  ipcomp = 108,
  l2tp = 115,
  sctp = 132,
  udp_lite = 136,
};

[[nodiscard]] constexpr Ipv4Address host_address(Be32 address) {
  return Ipv4Address{address.host()};
}
[[nodiscard]] constexpr Be32 wire_address(Ipv4Address address) {
  return Be32{address.raw()};
}

// Not to one host: multicast (RFC 1112 4) or limited broadcast (RFC 919 7).
[[nodiscard]] constexpr bool is_for_many(Ipv4Address address) {
  return address.raw() >> 28 == 0xe || address.raw() == 0xffffffff;
}
// May be a host's own address: not of this network, loopback, multicast or reserved (RFC 1122
// 3.2.1.3).
[[nodiscard]] constexpr bool is_one_host(Ipv4Address address) {
  const std::uint32_t first = address.raw() >> 24;
  return first != 0 && first != 127 && first < 224;
}

// RFC 791 3.1, the Type of Service byte as RFC 2474 3 and RFC 3168 5 divide it:
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------+-------+-----------+---+-------------------------------+
//   |Version|  IHL  |   DSCP    |ECN|         Total Length          |
//   +-------+-------+-----------+---+-----+-------------------------+
//   |         Identification        |0|D|M|     Fragment Offset     |
//   +---------------+---------------+-----+-------------------------+
//   |  Time to Live |    Protocol   |        Header Checksum        |
//   +---------------+---------------+-------------------------------+
//   |                        Source Address                         |
//   +---------------------------------------------------------------+
//   |                      Destination Address                      |
//   +---------------------------------------------------------------+
struct Ipv4Header {
  static constexpr std::uint16_t kDontFragment = 0x4000;
  static constexpr std::uint16_t kMoreFragments = 0x2000;
  static constexpr std::uint16_t kFragmentOffsetMask = 0x1fff;
  static constexpr std::uint8_t kVersion4WithoutOptions = 0x45;

  std::uint8_t version_and_ihl = kVersion4WithoutOptions;
  std::uint8_t dscp_and_ecn = 0;
  Be16 total_length;  // bytes, header included
  Be16 identification;
  Be16 flags_and_fragment_offset;
  std::uint8_t ttl = 0;
  IpProtocol protocol{};
  Be16 checksum;
  Be32 source;
  Be32 destination;

  [[nodiscard]] constexpr std::uint8_t version() const {
    return static_cast<std::uint8_t>(version_and_ihl >> 4);
  }
  // As the packet claims it, 0 to 60.
  [[nodiscard]] constexpr std::size_t header_length_bytes() const {
    return static_cast<std::size_t>(version_and_ihl & 0x0f) * 4;
  }
  [[nodiscard]] constexpr bool has_options() const {
    return header_length_bytes() != sizeof(Ipv4Header);
  }

  [[nodiscard]] constexpr Dscp dscp() const {
    return Dscp{static_cast<std::uint8_t>(dscp_and_ecn >> 2)};
  }
  [[nodiscard]] constexpr Ecn ecn() const { return static_cast<Ecn>(dscp_and_ecn & 0x03); }
  constexpr void set_dscp_and_ecn(Dscp dscp, Ecn ecn) {
    dscp_and_ecn = static_cast<std::uint8_t>(dscp.raw() << 2 | static_cast<std::uint8_t>(ecn));
  }

  [[nodiscard]] constexpr bool dont_fragment() const {
    return (flags_and_fragment_offset.host() & kDontFragment) != 0;
  }
  [[nodiscard]] constexpr bool more_fragments() const {
    return (flags_and_fragment_offset.host() & kMoreFragments) != 0;
  }
  [[nodiscard]] constexpr std::size_t fragment_offset_bytes() const {
    return static_cast<std::size_t>(flags_and_fragment_offset.host() & kFragmentOffsetMask) * 8;
  }
  // Part of a datagram, whether its first, a later or the last one.
  [[nodiscard]] constexpr bool is_fragment() const {
    return (flags_and_fragment_offset.host() & (kMoreFragments | kFragmentOffsetMask)) != 0;
  }
};
static_assert(WireFormat<Ipv4Header> && sizeof(Ipv4Header) == 20);

inline constexpr std::size_t kMaxIpv4HeaderBytes = 60;

using Ipv6Address = std::array<std::uint8_t, 16>;

// RFC 4291 2.7.
[[nodiscard]] constexpr bool is_multicast(const Ipv6Address& address) {
  return address[0] == 0xff;
}
// Unicast that never leaves its link, fe80::/10 (RFC 4291 2.5.6).
[[nodiscard]] constexpr bool is_link_local(const Ipv6Address& address) {
  return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}
// Multicast that never leaves its link or its node (RFC 4291 2.7, scopes 1 and 2).
[[nodiscard]] constexpr bool is_link_local_multicast(const Ipv6Address& address) {
  return is_multicast(address) && ((address[1] & 0x0f) == 1 || (address[1] & 0x0f) == 2);
}
// May be the address of a host beyond a router: not unspecified or loopback (RFC 4291 2.5.2,
// 2.5.3), link-local or multicast.
[[nodiscard]] constexpr bool is_one_host(const Ipv6Address& address) {
  const auto words = std::bit_cast<std::array<Be64, 2>>(address);
  const bool is_unspecified_or_loopback = words[0].host() == 0 && words[1].host() <= 1;
  return !is_unspecified_or_loopback && !is_multicast(address) && !is_link_local(address);
}

// RFC 8200 3, the Traffic Class as RFC 2474 3 and RFC 3168 5 divide it:
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------+-----------+---+---------------------------------------+
//   |Version|   DSCP    |ECN|              Flow Label               |
//   +-------+-----------+---+-------+---------------+---------------+
//   |         Payload Length        |  Next Header  |   Hop Limit   |
//   +-------------------------------+---------------+---------------+
//   |                   Source Address, 16 bytes                    |
//   +---------------------------------------------------------------+
//   |                 Destination Address, 16 bytes                 |
//   +---------------------------------------------------------------+
struct Ipv6Header {
  static constexpr std::uint32_t kVersion6 = 0x60000000;

  Be32 version_class_and_flow{kVersion6};
  Be16 payload_length;  // bytes behind this header, extension headers included
  IpProtocol next_header{};
  std::uint8_t hop_limit = 0;
  Ipv6Address source{};
  Ipv6Address destination{};

  [[nodiscard]] constexpr std::uint8_t version() const {
    return static_cast<std::uint8_t>(version_class_and_flow.host() >> 28);
  }
  [[nodiscard]] constexpr Dscp dscp() const {
    return Dscp{static_cast<std::uint8_t>(version_class_and_flow.host() >> 22 & 0x3f)};
  }
  [[nodiscard]] constexpr Ecn ecn() const {
    return static_cast<Ecn>(version_class_and_flow.host() >> 20 & 0x03);
  }
  [[nodiscard]] constexpr std::uint32_t flow_label() const {
    return version_class_and_flow.host() & 0x000fffff;
  }
  constexpr void set_dscp_and_ecn(Dscp dscp, Ecn ecn) {
    const std::uint32_t traffic_class =
        std::uint32_t{dscp.raw()} << 2 | static_cast<std::uint32_t>(ecn);
    version_class_and_flow =
        Be32{(version_class_and_flow.host() & 0xf00fffff) | (traffic_class & 0xff) << 20};
  }
  [[nodiscard]] constexpr std::size_t total_bytes() const {
    return sizeof(Ipv6Header) + payload_length.host();
  }
};
static_assert(WireFormat<Ipv6Header> && sizeof(Ipv6Header) == 40);

}  // namespace culvert
