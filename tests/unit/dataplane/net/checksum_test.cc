// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/checksum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "dataplane/net/udp.h"
#include "tests/unit/dataplane/net/packet_bytes.h"

namespace culvert {
namespace {

// The plain way: 16 bits at a time, in host order (RFC 1071 1).
std::uint16_t plain_checksum(std::span<const std::byte> data) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < data.size(); ++i) {
    sum += std::to_integer<std::uint32_t>(data[i]) << (i % 2 == 0 ? 8 : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(~sum);
}

std::vector<std::byte> random_bytes(std::mt19937& random, std::size_t size) {
  std::vector<std::byte> result(size);
  for (std::byte& byte : result) byte = static_cast<std::byte>(random());
  return result;
}

Ipv4Header example_header() {
  Ipv4Header ip;
  ip.total_length = Be16{0x73};
  ip.flags_and_fragment_offset = Be16{Ipv4Header::kDontFragment};
  ip.ttl = 64;
  ip.protocol = IpProtocol::udp;
  ip.source = Be32{0xc0a80001};
  ip.destination = Be32{0xc0a800c7};
  return ip;
}

TEST(InternetChecksum, GivesTheSumOfRfc1071Section3) {
  const auto data = bytes({0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7});
  EXPECT_EQ(internet_checksum(data).host(), 0xffff - 0xddf2);
}

TEST(InternetChecksum, PadsAnOddNumberOfBytesWithZero) {
  EXPECT_EQ(internet_checksum(bytes({0x12})), internet_checksum(bytes({0x12, 0x00})));
  EXPECT_EQ(internet_checksum(bytes({1, 2, 3})), internet_checksum(bytes({1, 2, 3, 0})));
}

TEST(InternetChecksum, OfNothingIsAllOnes) {
  EXPECT_EQ(internet_checksum({}).host(), 0xffff);
}

TEST(InternetChecksum, EqualsThePlainSumAtEveryLengthAndAlignment) {
  std::mt19937 random(1071);
  for (std::size_t size = 0; size < 300; ++size) {
    const auto data = random_bytes(random, size + 3);
    for (std::size_t start = 0; start < 4; ++start) {
      const auto part = std::span(data).subspan(start, size - std::min(size, start));
      ASSERT_EQ(internet_checksum(part).host(), plain_checksum(part)) << size << " at " << start;
    }
  }
}

TEST(InternetChecksum, SurvivesTheLargestPacketOfOnes) {
  const std::vector<std::byte> data(65535, std::byte{0xff});
  EXPECT_EQ(internet_checksum(data).host(), plain_checksum(data));
}

TEST(Ipv4HeaderChecksum, GivesAKnownHeadersChecksum) {
  EXPECT_EQ(ipv4_header_checksum(example_header()).host(), 0xb861);
}

TEST(Ipv4HeaderChecksum, IsZeroOverAHeaderThatHasTheRightOne) {
  Ipv4Header ip = example_header();
  ip.checksum = ipv4_header_checksum(ip);
  EXPECT_EQ(ipv4_header_checksum(ip), Be16{});
}

TEST(Ipv4HeaderChecksum, IsKnownAtCompileTime) {
  constexpr Be16 kChecksum = ipv4_header_checksum(Ipv4Header{});
  static_assert(kChecksum == Be16{0xffff - 0x4500});
}

TEST(UpdateChecksum, GivesTheExampleOfRfc1624Section4) {
  static_assert(update_checksum(Be16{0xdd2f}, Be16{0x5555}, Be16{0x3285}) == Be16{0x0000});
}

TEST(UpdateChecksum, EqualsAChecksumFromScratch) {
  std::mt19937 random(1624);
  for (int round = 0; round < 100000; ++round) {
    auto data = random_bytes(random, 20);
    Be16* const word = mutable_header_at<Be16>(data, 2 * (random() % 10));
    const Be16 old_word = *word;
    const Be16 old_checksum = internet_checksum(data);
    const std::uint16_t edges[] = {0x0000, 0xffff, 0x0001, 0xfffe};
    *word = Be16{round % 4 == 0 ? edges[random() % 4] : static_cast<std::uint16_t>(random())};
    ASSERT_EQ(update_checksum(old_checksum, old_word, *word), internet_checksum(data));
  }
}

TEST(UpdateChecksum, LeavesAChecksumAloneWhenNothingChanges) {
  for (unsigned checksum = 0; checksum < 0xffff; ++checksum) {
    const Be16 same{static_cast<std::uint16_t>(checksum)};
    ASSERT_EQ(update_checksum(same, Be16{0x5555}, Be16{0x5555}), same);
  }
}

TEST(DecrementTtl, KeepsTheChecksumRightForEveryTtl) {
  for (int ttl = 1; ttl < 256; ++ttl) {
    Ipv4Header ip = example_header();
    ip.ttl = static_cast<std::uint8_t>(ttl);
    ip.checksum = ipv4_header_checksum(ip);
    decrement_ttl(ip);
    ASSERT_EQ(ip.ttl, ttl - 1);
    ASSERT_EQ(ipv4_header_checksum(ip), Be16{});
  }
}

TEST(RewriteDscpAndEcn, KeepsTheChecksumRight) {
  for (const Ecn before : {Ecn::not_ect, Ecn::ect0, Ecn::ect1, Ecn::ce}) {
    for (const Ecn after : {Ecn::not_ect, Ecn::ect0, Ecn::ect1, Ecn::ce}) {
      Ipv4Header ip = example_header();
      ip.set_dscp_and_ecn(Dscp{46}, before);
      ip.checksum = ipv4_header_checksum(ip);
      rewrite_dscp_and_ecn(ip, Dscp{46}, after);
      EXPECT_EQ(ip.ecn(), after);
      EXPECT_EQ(ip.dscp(), Dscp{46});
      EXPECT_EQ(ipv4_header_checksum(ip), Be16{});
    }
  }
}

// ESP comes in behind a header with 4 bytes of options, and goes again.
TEST(RewriteProtocolAndLength, KeepsTheChecksumOfAHeaderWithOptionsRight) {
  std::vector<std::byte> packet = bytes({0x46, 0, 0, 44, 0,   0,  0,   0, 64, 6, 0, 0,  //
                                         192,  0, 2, 1,  198, 51, 100, 2, 1,  1, 1, 0});
  auto& ip = *mutable_header_at<Ipv4Header>(packet, 0);
  ip.checksum = internet_checksum(packet);
  const Be16 before = ip.checksum;
  rewrite_protocol_and_length(ip, IpProtocol::esp, Be16{1500});
  EXPECT_EQ(ip.protocol, IpProtocol::esp);
  EXPECT_EQ(ip.total_length.host(), 1500);
  EXPECT_EQ(internet_checksum(packet), Be16{});
  rewrite_protocol_and_length(ip, IpProtocol::tcp, Be16{44});
  EXPECT_EQ(ip.checksum, before);
}

// UDP 192.168.0.1:1024 to 192.168.0.199:53, "hello"; checksums worked out with scapy.
TEST(TransportChecksum, CoversThePseudoHeaderOfIpv4) {
  const auto segment = bytes({0x04, 0x00, 0x00, 0x35, 0x00, 0x0d, 0x00, 0x00,  //
                              'h', 'e', 'l', 'l', 'o'});
  EXPECT_EQ(transport_checksum(Be32{0xc0a80001}, Be32{0xc0a800c7}, IpProtocol::udp, segment).host(),
            0x35b4);
}

TEST(TransportChecksum, CoversThePseudoHeaderOfIpv6) {
  const auto segment = bytes({0x04, 0x00, 0x00, 0x35, 0x00, 0x0d, 0x00, 0x00,  //
                              'h', 'e', 'l', 'l', 'o'});
  Ipv6Address source{0x20, 0x01, 0x0d, 0xb8};
  Ipv6Address destination = source;
  source.back() = 1;
  destination.back() = 2;
  EXPECT_EQ(transport_checksum(source, destination, IpProtocol::udp, segment).host(), 0x5c58);
}

TEST(FinishPartialChecksum, TurnsThePseudoHeadersSumIntoTheChecksum) {
  const Be32 source{0xc0a80001};
  const Be32 destination{0xc0a800c7};
  auto segment = bytes({0x04, 0x00, 0x00, 0x35, 0x00, 0x0d, 0x00, 0x00,  //
                        'h', 'e', 'l', 'l', 'o'});
  const Be16 expected = transport_checksum(source, destination, IpProtocol::udp, segment);

  InternetSum pseudo_header;
  pseudo_header.add(source);
  pseudo_header.add(destination);
  pseudo_header.add(Be16{17});
  pseudo_header.add(Be16{13});
  UdpHeader* const udp = mutable_header_at<UdpHeader>(segment, 0);
  udp->checksum = Be16{static_cast<std::uint16_t>(~pseudo_header.checksum().host())};
  ASSERT_TRUE(finish_partial_checksum(segment, offsetof(UdpHeader, checksum)));
  EXPECT_EQ(udp->checksum, expected);
}

TEST(FinishPartialChecksum, WritesAllOnesInsteadOfZero) {
  auto segment = bytes({0xff, 0xff, 0x00, 0x00});
  ASSERT_TRUE(finish_partial_checksum(segment, 2));
  EXPECT_EQ(segment, bytes({0xff, 0xff, 0xff, 0xff}));
}

TEST(FinishPartialChecksum, RefusesAFieldOutsideThePacket) {
  auto segment = bytes({1, 2, 3, 4});
  EXPECT_FALSE(finish_partial_checksum(segment, 3));
  EXPECT_FALSE(finish_partial_checksum(segment, 65535));
  EXPECT_EQ(segment, bytes({1, 2, 3, 4}));
}

}  // namespace
}  // namespace culvert
