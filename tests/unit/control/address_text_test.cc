// SPDX-License-Identifier: BSD-3-Clause
#include "control/address_text.h"

#include <gtest/gtest.h>

namespace culvert {
namespace {

TEST(AddressText, ReadsAndWritesAddresses) {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "2001:db8::1", "::"}) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address_text(address->family, address->address), text);
  }
}

TEST(AddressText, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "192.0.2", "192.0.2.256", "192.0.2.1 ", "host", "1::2::3"}) {
    EXPECT_FALSE(parse_address(text).has_value()) << text;
  }
}

TEST(AddressText, ReadsPrefixesWithTheirHostBits) {
  const auto prefix = parse_prefix("192.0.2.1/24");
  ASSERT_TRUE(prefix.has_value());
  EXPECT_EQ(prefix_text(prefix->family, prefix->address, prefix->prefix_bits), "192.0.2.1/24");
  EXPECT_EQ(parse_prefix("192.0.2.1")->prefix_bits, 32);
  for (const char* text : {"192.0.2.1/", "192.0.2.1/33", "192.0.2.1/-1", "/24", "192.0.2.1/2x"}) {
    EXPECT_FALSE(parse_prefix(text).has_value()) << text;
  }
}

TEST(AddressText, CutsHostBitsOff) {
  const auto address = parse_address("10.255.255.255")->address;
  EXPECT_EQ(address_text(Family::v4, network_of(address, 0)), "0.0.0.0");
  EXPECT_EQ(address_text(Family::v4, network_of(address, 12)), "10.240.0.0");
  EXPECT_EQ(address_text(Family::v4, network_of(address, 32)), "10.255.255.255");
}

TEST(AddressText, ReadsAndWritesMacAddresses) {
  EXPECT_EQ(mac_text(*parse_mac("02:00:00:aB:00:01")), "02:00:00:ab:00:01");
  for (const char* text : {"", "02:00:00:00:00", "02-00-00-00-00-01", "02:00:00:00:00:0g"}) {
    EXPECT_FALSE(parse_mac(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace culvert
