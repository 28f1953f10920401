// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/ip_packet.h"
#include "dataplane/net/checksum.h"
#include "dataplane/packet.h"
#include "dataplane/sa.h"

// What becomes of a packet that was opened: it turns into what it carried (RFC 4303 3.4.4, RFC 4301
// 5.2, RFC 6040 4.2).

namespace culvert {

// An opened packet, still behind its outer headers.
struct OpenedPacket {
  Packet packet;
  const Sa& sa;
  std::uint32_t payload_offset = 0;  // of what was encrypted
  std::uint32_t payload_bytes = 0;   // padding and trailer taken off
  IpProtocol protocol{};             // that the trailer names
};

// The packet becomes the inner one, or its own header with the payload; nothing: that was done. Else
// why not.
[[nodiscard]] std::optional<DropReason> take_out_ipv6(const OpenedPacket& opened);
[[nodiscard]] std::optional<DropReason> take_out_transported(const OpenedPacket& opened);

// Whether an SA's selector is for a packet (RFC 4301 4.4.1.1), in XFRM's terms.
[[nodiscard]] bool covers(const Selector& selector, Packet packet, const UpperLayer& upper);

inline void rewrite_dscp_and_ecn(Ipv6Header& header, Dscp dscp, Ecn ecn) {
  header.set_dscp_and_ecn(dscp, ecn);
}

// DSCP and ECN of the inner header as the outer one's ask for (RFC 6040 4.2); false: the packet
// must be dropped.
template <typename Header>
[[nodiscard]] bool take_outer_dscp_and_ecn(Header& inner, std::uint8_t outer, std::uint32_t flags) {
  const Ipv4Header seen{.dscp_and_ecn = outer};
  const auto ecn =
      (flags & kSaNoEcn) != 0 ? inner.ecn() : ecn_on_decapsulation(inner.ecn(), seen.ecn());
  if (!ecn) return false;
  const Dscp dscp = (flags & kSaDecapDscp) != 0 ? seen.dscp() : inner.dscp();
  if (*ecn != inner.ecn() || dscp != inner.dscp()) rewrite_dscp_and_ecn(inner, dscp, *ecn);
  return true;
}

// Cuts the packet to its inner one of `inner_bytes`; what lies behind was traffic flow padding.
// False: it must be dropped for its ECN field.
template <typename Header>
[[nodiscard]] bool cut_out(const OpenedPacket& opened, Header& inner, std::uint32_t inner_bytes) {
  const Packet packet = opened.packet;
  const std::uint8_t outer = is_ipv6(packet) ? dscp_and_ecn(*packet.header<Ipv6Header>(0))
                                             : dscp_and_ecn(*packet.header<Ipv4Header>(0));
  packet.crop(opened.payload_offset, inner_bytes);
  const bool may_differ = outer != 0 || (opened.sa.flags & kSaDecapDscp) != 0;
  return !may_differ || take_outer_dscp_and_ecn(inner, outer, opened.sa.flags);
}

[[nodiscard]] inline std::optional<DropReason> take_out_tunnelled(const OpenedPacket& opened) {
  if (opened.protocol == IpProtocol::ipv6) return take_out_ipv6(opened);
  if (opened.protocol != IpProtocol::ipip) return DropReason::esp_in_next_header;
  const auto payload = opened.packet.bytes().subspan(opened.payload_offset, opened.payload_bytes);
  if (validate_ipv4(payload) != Ipv4Validity::ok) return DropReason::esp_in_inner_header;
  auto& inner = *opened.packet.header<Ipv4Header>(opened.payload_offset);
  if (!cut_out(opened, inner, inner.total_length.host())) return DropReason::esp_in_ecn;
  return std::nullopt;
}

}  // namespace culvert
