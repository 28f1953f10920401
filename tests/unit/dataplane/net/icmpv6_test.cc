// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/icmpv6.h"

#include <gtest/gtest.h>

#include "dataplane/net/checksum.h"
#include "tests/unit/dataplane/net/packet_bytes.h"

namespace culvert {
namespace {

TEST(Icmpv6Header, LiesAsOnTheWire) {
  const auto message = bytes({2, 0, 0xab, 0xcd, 0, 0, 0x05, 0x00});
  const Icmpv6Header* const icmp = header_at<Icmpv6Header>(message, 0);
  ASSERT_NE(icmp, nullptr);
  EXPECT_EQ(icmp->type, Icmpv6Type::packet_too_big);
  EXPECT_EQ(icmp->checksum.host(), 0xabcd);
  EXPECT_EQ(icmp->mtu(), 1280u);
}

TEST(Icmpv6Header, TellsErrorsFromTheRest) {
  int errors = 0;
  int discovery = 0;
  for (int type = 0; type < 256; ++type) {
    errors += is_icmpv6_error(static_cast<Icmpv6Type>(type));
    discovery += is_neighbor_discovery(static_cast<Icmpv6Type>(type));
  }
  EXPECT_EQ(errors, 128);
  EXPECT_EQ(discovery, 5);
  static_assert(is_icmpv6_error(Icmpv6Type::packet_too_big));
  static_assert(!is_icmpv6_error(Icmpv6Type::echo_request));
  static_assert(is_neighbor_discovery(Icmpv6Type::neighbor_solicitation));
}

// Computed by hand: fe80::1 to ff02::1, echo request, identifier 1, sequence number 1.
TEST(Icmpv6Checksum, CoversThePseudoHeader) {
  constexpr Ipv6Address kSource{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  constexpr Ipv6Address kDestination{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  auto message = bytes({128, 0, 0, 0, 0, 1, 0, 1});
  // fe80 + 1 + ff02 + 1 + length 8 + next header 3a + 8000 + 1 + 1 = 27dc8; 7dc8 + 2 = 7dca.
  const Be16 checksum =
      transport_checksum(kSource, kDestination, IpProtocol::icmpv6, std::span(message));
  EXPECT_EQ(checksum.host(), 0x8235);
  mutable_header_at<Icmpv6Header>(message, 0)->checksum = checksum;
  EXPECT_EQ(transport_checksum(kSource, kDestination, IpProtocol::icmpv6, std::span(message)),
            Be16{});
}

TEST(UdpChecksumField, IsNeverZero) {
  static_assert(udp_checksum_field(Be16{}) == Be16{0xffff});
  static_assert(udp_checksum_field(Be16{1}) == Be16{1});
  static_assert(udp_checksum_field(Be16{0xffff}) == Be16{0xffff});
}

}  // namespace
}  // namespace culvert
