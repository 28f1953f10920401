// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/ip.h"

#include <gtest/gtest.h>

#include "dataplane/net/tcp.h"
#include "tests/unit/dataplane/net/packet_bytes.h"

namespace culvert {
namespace {

TEST(Ipv4Header, LiesAsOnTheWire) {
  const auto packet = bytes({0x46, 0xb9, 0x05, 0xdc, 0x12, 0x34, 0x40, 0x00,  //
                             0x3f, 0x32, 0xab, 0xcd, 192,  0,    2,    1,    198, 51, 100, 2});
  const Ipv4Header* const ip = header_at<Ipv4Header>(packet, 0);
  ASSERT_NE(ip, nullptr);
  EXPECT_EQ(ip->version(), 4);
  EXPECT_EQ(ip->header_length_bytes(), 24u);
  EXPECT_TRUE(ip->has_options());
  EXPECT_EQ(ip->dscp(), Dscp{46});
  EXPECT_EQ(ip->ecn(), Ecn::ect1);
  EXPECT_EQ(ip->total_length.host(), 1500);
  EXPECT_EQ(ip->identification.host(), 0x1234);
  EXPECT_TRUE(ip->dont_fragment());
  EXPECT_FALSE(ip->is_fragment());
  EXPECT_EQ(ip->ttl, 63);
  EXPECT_EQ(ip->protocol, IpProtocol::esp);
  EXPECT_EQ(ip->checksum.host(), 0xabcd);
  EXPECT_EQ(host_address(ip->source), Ipv4Address{0xc0000201});
  EXPECT_EQ(ip->destination, wire_address(Ipv4Address{0xc6336402}));
}

TEST(Ipv4Header, IsAPlainHeaderOfVersion4WhenDefaultConstructed) {
  static_assert(Ipv4Header{}.version() == 4);
  static_assert(Ipv4Header{}.header_length_bytes() == 20);
  static_assert(!Ipv4Header{}.has_options());
}

TEST(Ipv4Header, TellsFragments) {
  struct Case {
    std::uint16_t word;
    bool dont_fragment, more_fragments, is_fragment;
    std::size_t offset_bytes;
  };
  constexpr Case kCases[] = {
      {0x0000, false, false, false, 0},   {0x4000, true, false, false, 0},
      {0x2000, false, true, true, 0},     {0x2001, false, true, true, 8},
      {0x00b9, false, false, true, 1480}, {0x1fff, false, false, true, 65528},
      {0x8000, false, false, false, 0},
  };
  for (const Case& c : kCases) {
    Ipv4Header ip;
    ip.flags_and_fragment_offset = Be16{c.word};
    EXPECT_EQ(ip.dont_fragment(), c.dont_fragment) << c.word;
    EXPECT_EQ(ip.more_fragments(), c.more_fragments) << c.word;
    EXPECT_EQ(ip.is_fragment(), c.is_fragment) << c.word;
    EXPECT_EQ(ip.fragment_offset_bytes(), c.offset_bytes) << c.word;
  }
}

TEST(Ipv4Header, KeepsDscpAndEcnApart) {
  for (std::uint8_t dscp = 0; dscp < 64; ++dscp) {
    for (const Ecn ecn : {Ecn::not_ect, Ecn::ect0, Ecn::ect1, Ecn::ce}) {
      Ipv4Header ip;
      ip.set_dscp_and_ecn(Dscp{dscp}, ecn);
      EXPECT_EQ(ip.dscp(), Dscp{dscp});
      EXPECT_EQ(ip.ecn(), ecn);
    }
  }
}

TEST(Ipv6Header, LiesAsOnTheWire) {
  auto packet = bytes({0x6b, 0x8a, 0xbc, 0xde, 0x01, 0x00, 0x3a, 0x40});
  packet.resize(40);
  packet[8] = std::byte{0x20};
  packet[39] = std::byte{0x02};
  const Ipv6Header* const ip = header_at<Ipv6Header>(packet, 0);
  ASSERT_NE(ip, nullptr);
  EXPECT_EQ(ip->version(), 6);
  EXPECT_EQ(ip->dscp(), Dscp{46});
  EXPECT_EQ(ip->ecn(), Ecn::not_ect);
  EXPECT_EQ(ip->flow_label(), 0xabcdeu);
  EXPECT_EQ(ip->payload_length.host(), 256);
  EXPECT_EQ(ip->next_header, IpProtocol::icmpv6);
  EXPECT_EQ(ip->hop_limit, 64);
  EXPECT_EQ(ip->source.front(), 0x20);
  EXPECT_EQ(ip->destination.back(), 0x02);
}

TEST(Ipv6Header, KeepsVersionAndFlowLabelWhenDscpAndEcnChange) {
  Ipv6Header ip;
  ip.version_class_and_flow = Be32{0x6ff12345};
  ip.set_dscp_and_ecn(Dscp{10}, Ecn::ce);
  EXPECT_EQ(ip.version(), 6);
  EXPECT_EQ(ip.dscp(), Dscp{10});
  EXPECT_EQ(ip.ecn(), Ecn::ce);
  EXPECT_EQ(ip.flow_label(), 0x12345u);
}

TEST(TcpHeader, LiesAsOnTheWire) {
  const auto segment = bytes({0x00, 0x50, 0xc0, 0x00, 0,    0,    0,    1,   0, 0, 0, 2,  //
                              0x80, 0x12, 0xff, 0xff, 0xab, 0xcd, 0x00, 0x00});
  const TcpHeader* const tcp = header_at<TcpHeader>(segment, 0);
  ASSERT_NE(tcp, nullptr);
  EXPECT_EQ(tcp->source_port.host(), 80);
  EXPECT_EQ(tcp->destination_port.host(), 0xc000);
  EXPECT_EQ(tcp->sequence.host(), 1u);
  EXPECT_EQ(tcp->acknowledgment.host(), 2u);
  EXPECT_EQ(tcp->header_length_bytes(), 32u);
  EXPECT_TRUE(tcp->is_syn());
  EXPECT_EQ(tcp->window.host(), 0xffff);
  EXPECT_EQ(tcp->checksum.host(), 0xabcd);
}

}  // namespace
}  // namespace culvert
