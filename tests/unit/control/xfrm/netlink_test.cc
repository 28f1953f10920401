// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/netlink.h"

#include <gtest/gtest.h>

#include <array>

namespace culvert::xfrm {
namespace {

SecretBytes two_messages() {
  SecretBytes datagram;
  MessageWriter writer(datagram);
  writer.begin(16, 5, 7, 9);
  writer.fixed(std::uint8_t{1});
  writer.end();
  writer.begin(17, 0, 8, 9);
  writer.struct_attribute(3, std::uint32_t{0x11223344});
  writer.text_attribute(4, "abc");
  writer.end();
  return datagram;
}

TEST(MessageReader, ReturnsWhatTheWriterWrote) {
  const SecretBytes datagram = two_messages();
  MessageReader reader(datagram);
  const auto first = reader.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->header.nlmsg_type, 16);
  EXPECT_EQ(first->header.nlmsg_flags, 5);
  EXPECT_EQ(first->header.nlmsg_seq, 7u);
  EXPECT_EQ(first->header.nlmsg_pid, 9u);
  EXPECT_EQ(first->payload.size(), 4u);  // padded, as nlmsg_end does
  const auto second = reader.next();
  ASSERT_TRUE(second);
  const Attributes attributes(second->payload);
  EXPECT_EQ(attributes.get<std::uint32_t>(3), 0x11223344u);
  EXPECT_EQ(attributes.bytes(4).size(), 4u);
  EXPECT_FALSE(attributes.has(5));
  EXPECT_FALSE(reader.next());
}

TEST(MessageReader, EndsAtALengthBeyondTheDatagram) {
  SecretBytes datagram = two_messages();
  datagram.pop_back();
  MessageReader reader(datagram);
  EXPECT_TRUE(reader.next());
  EXPECT_FALSE(reader.next());
}

TEST(MessageReader, EndsAtALengthBelowTheHeaders) {
  SecretBytes datagram = two_messages();
  datagram[0] = std::byte{15};
  MessageReader reader(datagram);
  EXPECT_FALSE(reader.next());
}

TEST(MessageReader, FindsNothingInEveryProperPrefixOfAMessage) {
  const SecretBytes datagram = two_messages();
  for (std::size_t size = 0; size < sizeof(nlmsghdr) + 1; ++size) {
    MessageReader reader(Bytes(datagram).first(size));
    EXPECT_FALSE(reader.next()) << size;
  }
}

TEST(Attributes, OfSeveralOfOneTypeTheLastCounts) {
  SecretBytes datagram;
  MessageWriter writer(datagram);
  writer.begin(16, 0, 0, 0);
  writer.struct_attribute(1, std::uint32_t{1});
  writer.struct_attribute(1, std::uint32_t{2});
  writer.end();
  EXPECT_EQ(Attributes(Bytes(datagram).subspan(sizeof(nlmsghdr))).get<std::uint32_t>(1), 2u);
}

TEST(Attributes, UnknownTypesAndAMalformedRestArePassedOver) {
  const std::array<std::uint8_t, 16> bytes{8, 0, 0xff, 0x3f, 1, 2, 3, 4, 4, 0, 2, 0, 99, 0, 1, 0};
  const Attributes attributes(std::as_bytes(std::span(bytes)));
  EXPECT_TRUE(attributes.has(2));
  EXPECT_FALSE(attributes.has(1));
}

TEST(Attributes, AreTooShortForAStructRatherThanReadBeyondTheirEnd) {
  const std::array<std::uint8_t, 8> bytes{7, 0, 1, 0, 1, 2, 3, 4};
  const Attributes attributes(std::as_bytes(std::span(bytes)));
  EXPECT_TRUE(attributes.has(1));
  EXPECT_FALSE(attributes.get<std::uint32_t>(1));
}

}  // namespace
}  // namespace culvert::xfrm
