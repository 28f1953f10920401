// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/net/be.h"
#include "dataplane/net/ip.h"
#include "dataplane/net/types.h"
#include "dataplane/net/wire.h"

namespace culvert {

// RFC 4303 2, what comes before the payload (with its IV) and the trailer:
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +---------------------------------------------------------------+
//   |               Security Parameters Index (SPI)                 |
//   +---------------------------------------------------------------+
//   |             Sequence Number, its low 32 bits                  |
//   +---------------------------------------------------------------+
struct EspHeader {
  Be32 spi;
  Be32 sequence;

  [[nodiscard]] constexpr Spi host_spi() const { return Spi{spi.host()}; }
};
static_assert(WireFormat<EspHeader> && sizeof(EspHeader) == 8);

// RFC 4303 2.5 and 2.6: the last two encrypted bytes, before the ICV and behind the padding.
//
//   pad length    1 byte
//   next header   1 byte; ipip in tunnel mode, no_next_header marks a dummy packet
struct EspTrailer {
  std::uint8_t pad_length = 0;
  IpProtocol next_header{};
};
static_assert(WireFormat<EspTrailer> && sizeof(EspTrailer) == 2);

// RFC 4303 2.4.
inline constexpr std::size_t kMaxEspPadding = 255;    // bytes
inline constexpr std::size_t kEspAlignmentBytes = 4;  // where payload, padding and trailer end
[[nodiscard]] constexpr std::uint8_t esp_pad_byte(std::size_t index) {
  return static_cast<std::uint8_t>(index + 1);  // 1, 2, 3, ...
}

// UDP encapsulation (RFC 3948 2.2, 2.3): IKE on the NAT-T port starts with zeros where ESP has its
// SPI, and a keepalive is one byte long.
inline constexpr std::size_t kNonEspMarkerBytes = 4;
inline constexpr std::uint8_t kNatKeepaliveByte = 0xff;

[[nodiscard]] constexpr Be32 wire_spi(Spi spi) {
  return Be32{spi.raw()};
}

// The low 32 bits, all that is sent of a sequence number (RFC 4303 2.2.1).
[[nodiscard]] constexpr Be32 wire_sequence(SeqNum sequence) {
  return Be32{static_cast<std::uint32_t>(sequence.raw())};
}

// The 32 bits that are not sent but enter the ICV of an SA with ESN (RFC 4303 2.2.1).
[[nodiscard]] constexpr Be32 wire_sequence_high(SeqNum sequence) {
  return Be32{static_cast<std::uint32_t>(sequence.raw() >> 32)};
}

// The 64-bit number behind the 32 bits of the wire, given the highest number authenticated so far
// and the replay window's size, at least 1 (RFC 4303 A2.1, A2.2). Both of the RFC's cases, window
// within one subspace or across two, say the same: it is the first number from the window's left
// end on whose low 32 bits are those. The left end is never below 0, where the RFC's case B would
// give a high part of -1 for an SA that has just begun. Limit: in the last subspace the result for
// a number right of 2^64 - 1 wraps to a small one, which lies left of the window.
[[nodiscard]] constexpr SeqNum infer_sequence(std::uint32_t wire_low, SeqNum top,
                                              std::uint32_t window) {
  const std::uint64_t window_left = top.raw() >= window ? top.raw() - window + 1 : 0;
  const std::uint32_t distance = wire_low - static_cast<std::uint32_t>(window_left);
  return SeqNum{window_left + distance};
}

}  // namespace culvert
