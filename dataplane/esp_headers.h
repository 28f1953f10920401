// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/ip_packet.h"
#include "dataplane/net/checksum.h"
#include "dataplane/packet.h"
#include "dataplane/sa.h"

// The headers that come before ESP when a packet is sealed (RFC 4303 3.1, RFC 4301 5.1.2). Each
// function is called when the packet has grown to its new length, writes what stands in front and
// returns what comes behind it. All is written straight into the packet and summed from registers:
// what was just stored in parts must not be loaded as a whole.

namespace culvert {

// What the outer header takes from the inner one.
struct InnerTraits {
  IpProtocol protocol{};          // that carries it: ipip or ipv6
  std::uint8_t dscp_and_ecn = 0;  // RFC 6040 4.1
  bool keeps_whole = false;       // DF
};

[[nodiscard]] inline InnerTraits traits_of(Packet inner) {
  if (is_ipv6(inner)) {
    const auto& header = *inner.header<Ipv6Header>(0);
    return {IpProtocol::ipv6, dscp_and_ecn(header), true};
  }
  const auto& header = *inner.header<Ipv4Header>(0);
  return {IpProtocol::ipip, header.dscp_and_ecn, header.dont_fragment()};
}

// RFC 4301 5.1.2.1, RFC 6040 4.1.
[[nodiscard]] inline std::uint8_t outer_dscp_and_ecn(std::uint8_t inner, std::uint32_t flags) {
  std::uint8_t kept = 0xff;
  if ((flags & kSaDontEncapDscp) != 0) kept &= 0x03;
  if ((flags & kSaNoEcn) != 0) kept &= 0xfc;
  return inner & kept;
}

// The outer DF bit: the inner one, or what the SA says (RFC 4301 8.1).
[[nodiscard]] inline bool outer_df(bool inner_df, std::uint32_t flags) {
  return (inner_df && (flags & kSaNoPathMtu) == 0) || (flags & kSaSetDf) != 0;
}

// RFC 4301 5.1.2.1: DSCP, ECN and DF as the traits say; an identification where routers may
// fragment.
[[nodiscard]] inline std::byte* put_outer_ipv4(Packet packet, const Sa& sa, SeqNum sequence,
                                               const InnerTraits& inner) {
  const bool keeps_df = inner.keeps_whole;
  const std::uint8_t dscp_and_ecn = outer_dscp_and_ecn(inner.dscp_and_ecn, sa.flags);
  const Be32 lengths{std::uint32_t{dscp_and_ecn} << 16 | packet.length()};
  const Be16 identification{keeps_df ? std::uint16_t{0}
                                     : static_cast<std::uint16_t>(sequence.raw())};
  const Be16 fragments{keeps_df ? Ipv4Header::kDontFragment : std::uint16_t{0}};
  InternetSum sum(sa.outer.checksum);
  sum.add(lengths);
  sum.add(identification);
  sum.add(fragments);
  std::memcpy(packet.data(), &sa.outer, sizeof sa.outer);
  auto& outer = *packet.header<Ipv4Header>(0);
  outer.dscp_and_ecn = dscp_and_ecn;
  outer.total_length = Be16(static_cast<std::uint16_t>(packet.length()));
  outer.identification = identification;
  outer.flags_and_fragment_offset = fragments;
  outer.checksum = sum.checksum();
  return packet.data() + sizeof outer;
}

// RFC 4301 5.1.2.2; a gateway does not copy flow labels, which might collide (its note 8).
[[nodiscard]] std::byte* put_outer_ipv6(Packet packet, const Sa& sa, const InnerTraits& inner);

// Where a packet is cut in transport mode: what stays in front, and the protocol behind it.
struct OwnHeader {
  std::uint16_t bytes = 0;
  std::uint16_t protocol_offset = 0;  // IPv6: of the byte that names what is behind
  IpProtocol protocol{};
};

// RFC 4303 3.1.1: IPv4 with its options; IPv6 with hop-by-hop options, routing and fragment header,
// and the destination options before them.
[[nodiscard]] OwnHeader own_header_of(Packet packet);
[[nodiscard]] std::byte* move_own_header(Packet packet, const Sa& sa, const OwnHeader& own);

// The UDP checksum of a sealed packet, which over IPv6 there must be (RFC 8200 8.1).
void put_udp_checksum(Packet packet);

}  // namespace culvert
