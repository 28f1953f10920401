// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "dataplane/net/esp.h"
#include "dataplane/net/ip.h"
#include "dataplane/net/udp.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// What ESP adds to a packet, in bytes (RFC 4303 2).
struct EspOverhead {
  std::uint32_t front = 0;  // outer IP, UDP, ESP header and IV; in transport mode without IP
  std::uint32_t icv = 0;
  std::uint32_t pad_alignment = 1;  // a power of two
};

constexpr std::uint32_t esp_front_bytes(SaMode mode, Family family, bool is_udp_encapsulated,
                                        std::uint32_t iv_bytes) {
  const std::size_t ip = family == Family::v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
  return static_cast<std::uint32_t>((mode == SaMode::transport ? 0 : ip) +
                                    (is_udp_encapsulated ? sizeof(UdpHeader) : 0) +
                                    sizeof(EspHeader)) +
         iv_bytes;
}

// The largest inner packet in bytes whose sealed form fits into `mtu` (RFC 4301 8.2.1): padding,
// pad length and next header end on a multiple of pad_alignment. In transport mode the packet's own
// header of `header_bytes` stays in front. 0: none fits.
constexpr std::uint32_t largest_inner(const EspOverhead& overhead, std::uint32_t mtu,
                                      std::uint32_t header_bytes = 0) {
  const std::uint32_t fixed = overhead.front + overhead.icv + header_bytes;
  if (mtu < fixed + 4) return 0;
  const std::uint32_t cipher_bytes = (mtu - fixed) & ~(overhead.pad_alignment - 1u);
  return header_bytes + cipher_bytes - static_cast<std::uint32_t>(sizeof(EspTrailer));
}

}  // namespace culvert
