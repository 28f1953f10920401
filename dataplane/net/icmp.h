// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/net/be.h"
#include "dataplane/net/wire.h"

namespace culvert {

// RFC 792. Any other value may arrive as well.
enum class IcmpType : std::uint8_t {
  echo_reply = 0,
  destination_unreachable = 3,
  source_quench = 4,
  redirect = 5,
  echo_request = 8,
  time_exceeded = 11,
  parameter_problem = 12,
};

inline constexpr std::uint8_t kIcmpNetUnreachable = 0;            // of destination_unreachable
inline constexpr std::uint8_t kIcmpHostUnreachable = 1;           // of destination_unreachable
inline constexpr std::uint8_t kIcmpFragmentationNeeded = 4;       // of destination_unreachable
inline constexpr std::uint8_t kIcmpCommunicationProhibited = 13;  // the same, RFC 1812 5.2.7.1
inline constexpr std::uint8_t kIcmpTtlExceededInTransit = 0;      // of time_exceeded

// An error message quotes as much of the offending datagram as fits into this many bytes, its own
// IP header included (RFC 1812 4.3.2.3).
inline constexpr std::size_t kMaxIcmpErrorBytes = 576;

// RFC 792; the second word of "fragmentation needed" carries the next hop's MTU (RFC 1191 4), that
// of an echo its identifier and sequence number:
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +---------------+---------------+-------------------------------+
//   |     Type      |     Code      |           Checksum            |
//   +---------------+---------------+-------------------------------+
//   |     unused or Identifier      | Next-Hop MTU or Sequence No.  |
//   +-------------------------------+-------------------------------+
struct IcmpHeader {
  IcmpType type{};
  std::uint8_t code = 0;
  Be16 checksum;
  Be16 high_word;
  Be16 low_word;

  [[nodiscard]] constexpr std::uint16_t echo_identifier() const { return high_word.host(); }
  [[nodiscard]] constexpr std::uint16_t echo_sequence() const { return low_word.host(); }
  [[nodiscard]] constexpr std::uint16_t next_hop_mtu() const { return low_word.host(); }
  constexpr void set_next_hop_mtu(std::uint16_t mtu_bytes) { low_word = Be16{mtu_bytes}; }
};
static_assert(WireFormat<IcmpHeader> && sizeof(IcmpHeader) == 8);

// No ICMP error is sent about one of these (RFC 1812 4.3.2.7).
[[nodiscard]] constexpr bool is_icmp_error(IcmpType type) {
  return type == IcmpType::destination_unreachable || type == IcmpType::source_quench ||
         type == IcmpType::redirect || type == IcmpType::time_exceeded ||
         type == IcmpType::parameter_problem;
}

}  // namespace culvert
