// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/net/be.h"
#include "dataplane/net/wire.h"

namespace culvert {

// RFC 4443 2.1; 133 to 137 are neighbour discovery (RFC 4861 4). Any other value may arrive as
// well.
enum class Icmpv6Type : std::uint8_t {
  destination_unreachable = 1,
  packet_too_big = 2,
  time_exceeded = 3,
  parameter_problem = 4,
  echo_request = 128,
  echo_reply = 129,
  router_solicitation = 133,
  router_advertisement = 134,
  neighbor_solicitation = 135,
  neighbor_advertisement = 136,
  redirect = 137,
};

inline constexpr std::uint8_t kIcmpv6NoRoute = 0;             // of destination_unreachable
inline constexpr std::uint8_t kIcmpv6Prohibited = 1;          // the same
inline constexpr std::uint8_t kIcmpv6AddressUnreachable = 3;  // the same
inline constexpr std::uint8_t kIcmpv6HopLimitExceeded = 0;    // of time_exceeded

// Every link carries packets of this size (RFC 8200 5), and an error message quotes as much of the
// offending packet as fits into one (RFC 4443 2.4 c).
inline constexpr std::size_t kMinIpv6MtuBytes = 1280;

// RFC 4443 2.1; the word is the MTU of "packet too big", the pointer of "parameter problem",
// identifier and sequence number of an echo, and unused in other errors:
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +---------------+---------------+-------------------------------+
//   |     Type      |     Code      |           Checksum            |
//   +---------------+---------------+-------------------------------+
//   |         MTU, Pointer, or Identifier and Sequence No.          |
//   +---------------------------------------------------------------+
struct Icmpv6Header {
  Icmpv6Type type{};
  std::uint8_t code = 0;
  Be16 checksum;  // over a pseudo-header, too: transport_checksum() of net/checksum.h
  Be32 word;

  [[nodiscard]] constexpr std::uint32_t mtu() const { return word.host(); }
};
static_assert(WireFormat<Icmpv6Header> && sizeof(Icmpv6Header) == 8);

// Error messages are those with the high bit 0 (RFC 4443 2.1). None is sent about one of these, nor
// about a redirect (RFC 4443 2.4 e).
[[nodiscard]] constexpr bool is_icmpv6_error(Icmpv6Type type) {
  return static_cast<std::uint8_t>(type) < 128;
}
[[nodiscard]] constexpr bool is_neighbor_discovery(Icmpv6Type type) {
  return type >= Icmpv6Type::router_solicitation && type <= Icmpv6Type::redirect;
}

}  // namespace culvert
