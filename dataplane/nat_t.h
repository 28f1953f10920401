// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/net/esp.h"
#include "dataplane/net/udp.h"
#include "dataplane/net/wire.h"

namespace culvert {

// What arrived on UDP port 4500 (RFC 3948 2).
enum class NatTKind : std::uint8_t {
  esp,        // an ESP header follows the UDP header
  ike,        // the non-ESP marker follows: for the IKE daemon
  keepalive,  // one byte 0xff
  runt,       // none of these fits, or the UDP length is wrong
};

// `datagram` starts at the UDP header and ends with the IP packet. The UDP checksum is not looked
// at: RFC 3948 2.1 wants it zero, and the ICV covers what matters.
[[nodiscard]] inline NatTKind nat_t_kind(std::span<const std::byte> datagram) {
  const auto* udp = header_at<UdpHeader>(datagram, 0);
  if (udp == nullptr || udp->length.host() != datagram.size()) return NatTKind::runt;
  const auto payload = datagram.subspan(sizeof(UdpHeader));
  if (payload.size() == 1 && payload[0] == std::byte{kNatKeepaliveByte}) return NatTKind::keepalive;
  const auto* marker = header_at<Be32>(payload, 0);
  if (marker == nullptr) return NatTKind::runt;
  return *marker == Be32{} ? NatTKind::ike : NatTKind::esp;
}

}  // namespace culvert
