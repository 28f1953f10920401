// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <compare>
#include <cstdint>

namespace culvert {

// A distinct integer type: two with different tags cannot be mixed up. Only parsing and printing
// look at raw().
template <typename Tag, typename Raw>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(Raw raw) : raw_(raw) {}
  [[nodiscard]] constexpr Raw raw() const { return raw_; }
  friend constexpr auto operator<=>(const Strong&, const Strong&) = default;

 private:
  Raw raw_ = 0;
};

// Security Parameters Index (RFC 4303 2.1), host byte order. 0 to 255 are reserved.
using Spi = Strong<struct SpiTag, std::uint32_t>;
inline constexpr std::uint32_t kFirstUsableSpi = 256;

// ESP sequence number, always 64 bits inside (RFC 4303 2.2.1); the 32 bits of the wire exist only
// in net/esp.h.
using SeqNum = Strong<struct SeqNumTag, std::uint64_t>;

// The dataplane's slot of an SA: an index into every per-SA array, below max_sas.
using SaIndex = Strong<struct SaIndexTag, std::uint32_t>;
inline constexpr SaIndex kNoSa{0xffffffff};

// A port's place in the configuration, counted from 0.
using PortId = Strong<struct PortIdTag, std::uint16_t>;
inline constexpr PortId kNoPort{0xffff};

// An IPv4 address in host byte order, for arithmetic and look-ups.
using Ipv4Address = Strong<struct Ipv4AddressTag, std::uint32_t>;

}  // namespace culvert
