// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dummy_packet.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "dataplane/net/checksum.h"

namespace culvert {
namespace {

constexpr std::uint8_t kHopLimit = 64;
constexpr std::uint32_t kMaxTailBytes = 64;  // of padding, trailer and ICV

}  // namespace

void make_dummy(Packet packet, const Sa& sa, std::uint32_t mtu) {
  const bool is_v6 = sa.family == Family::v6;
  const std::uint32_t header_bytes = is_v6 ? sizeof(Ipv6Header) : sizeof(Ipv4Header);
  const std::uint32_t fitting = largest_inner(sa, mtu, sa.is_transport() ? header_bytes : 0);
  const std::uint32_t room = rte_pktmbuf_tailroom(packet.mbuf()) - kMaxTailBytes;
  const std::uint32_t longest = std::clamp(fitting, header_bytes, room);
  const std::uint32_t length = header_bytes + randombytes_uniform(longest - header_bytes + 1);
  packet.grow(0, length);
  std::memset(packet.data(), 0, length);
  if (is_v6) {
    auto& header = *packet.header<Ipv6Header>(0);
    header = Ipv6Header{};
    header.payload_length = Be16(static_cast<std::uint16_t>(length - header_bytes));
    header.next_header = IpProtocol::no_next_header;
    header.hop_limit = kHopLimit;
    header.source = sa.outer_ipv6.source;
    header.destination = sa.outer_ipv6.destination;
  } else {
    auto& header = *packet.header<Ipv4Header>(0);
    header = Ipv4Header{};
    header.total_length = Be16(static_cast<std::uint16_t>(length));
    header.ttl = kHopLimit;
    header.protocol = IpProtocol::no_next_header;
    header.source = sa.outer.source;
    header.destination = sa.outer.destination;
    header.checksum = ipv4_header_checksum(header);
  }
}

}  // namespace culvert
