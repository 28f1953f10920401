// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/ethernet.h"

#include <gtest/gtest.h>

#include "dataplane/net/arp.h"
#include "tests/unit/dataplane/net/packet_bytes.h"

namespace culvert {
namespace {

constexpr MacAddress kMac{{0x02, 0x00, 0x5e, 0x10, 0x20, 0x30}};

TEST(MacAddress, ConvertsToTheLow48BitsAndBack) {
  static_assert(kMac.to_uint64() == 0x02005e102030);
  static_assert(MacAddress::from_uint64(0x02005e102030) == kMac);
  static_assert(MacAddress::from_uint64(0xffff02005e102030) == kMac);
}

TEST(MacAddress, TellsMulticastByTheGroupBit) {
  static_assert(!kMac.is_multicast());
  static_assert(MacAddress{{0x01, 0x00, 0x5e, 0, 0, 1}}.is_multicast());
  static_assert(kBroadcastMac.is_multicast());
}

TEST(MacAddress, IsZeroOnlyWhenEveryByteIs) {
  static_assert(MacAddress{}.is_zero());
  static_assert(!MacAddress::from_uint64(1).is_zero());
}

TEST(EthernetHeader, LiesAsOnTheWire) {
  const auto frame = bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  //
                            0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 0x08, 0x06});
  const EthernetHeader* const ethernet = header_at<EthernetHeader>(frame, 0);
  ASSERT_NE(ethernet, nullptr);
  EXPECT_EQ(ethernet->destination, kBroadcastMac);
  EXPECT_EQ(ethernet->source, kMac);
  EXPECT_EQ(ethernet->type(), EtherType::arp);
  EXPECT_EQ(ethernet->ether_type, wire_ether_type(EtherType::arp));
}

TEST(VlanTag, DividesItsControlWord) {
  constexpr VlanTag kTag{Be16{0xb123}, Be16{0x86dd}};
  static_assert(kTag.priority() == 5);
  static_assert(kTag.is_drop_eligible());
  static_assert(kTag.vlan_id() == 0x123);
  static_assert(kTag.type() == EtherType::ipv6);
}

TEST(ArpHeader, LiesAsOnTheWire) {
  const auto packet = bytes({0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x02,        //
                             0x02, 0x00, 0x5e, 0x10, 0x20, 0x30, 192,  0,    2, 1,  //
                             0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 192,  0,    2, 2});
  const ArpHeader* const arp = header_at<ArpHeader>(packet, 0);
  ASSERT_NE(arp, nullptr);
  EXPECT_TRUE(arp->is_ipv4_over_ethernet());
  EXPECT_TRUE(arp->is(ArpOperation::reply));
  EXPECT_FALSE(arp->is(ArpOperation::request));
  EXPECT_EQ(arp->sender_mac, kMac);
  EXPECT_EQ(arp->sender_address.host(), 0xc0000201);
  EXPECT_EQ(arp->target_mac.to_uint64(), 0x020000000002);
  EXPECT_EQ(arp->target_address.host(), 0xc0000202);
}

TEST(ArpHeader, IsForIpv4OverEthernetUnlessAFieldSaysOtherwise) {
  static_assert(ArpHeader{}.is_ipv4_over_ethernet());
  ArpHeader arp;
  arp.hardware_length = 8;
  EXPECT_FALSE(arp.is_ipv4_over_ethernet());
  arp = ArpHeader{};
  arp.protocol_type = wire_ether_type(EtherType::ipv6);
  EXPECT_FALSE(arp.is_ipv4_over_ethernet());
}

}  // namespace
}  // namespace culvert
