// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/mss_clamp.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv6_parse.h"
#include "dataplane/net/tcp.h"

namespace culvert {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kAck = 0x10;

// A TCP segment with these options, padded to whole words, and five bytes of payload. Its checksum
// covers no pseudo-header here, which makes no difference to how it is updated.
std::vector<std::byte> segment_with(const Bytes& options, std::uint8_t flags = kSyn) {
  const std::size_t header_bytes = sizeof(TcpHeader) + (options.size() + 3) / 4 * 4;
  std::vector<std::byte> segment(header_bytes + 5, std::byte{0});
  TcpHeader tcp;
  tcp.source_port = Be16{49152};
  tcp.destination_port = Be16{443};
  tcp.sequence = Be32{0x12345678};
  tcp.data_offset_and_reserved = static_cast<std::uint8_t>(header_bytes / 4 << 4);
  tcp.flags = flags;
  std::memcpy(segment.data(), &tcp, sizeof tcp);
  if (!options.empty()) std::memcpy(segment.data() + sizeof tcp, options.data(), options.size());
  segment.back() = std::byte{0x5a};
  mutable_header_at<TcpHeader>(segment, 0)->checksum = internet_checksum(segment);
  return segment;
}

Bytes options_of(const std::vector<std::byte>& segment, std::size_t count) {
  Bytes options(count);
  if (count != 0) std::memcpy(options.data(), segment.data() + sizeof(TcpHeader), count);
  return options;
}

struct Case {
  const char* what;
  Bytes options;
  Bytes clamped;  // to 1300 (0x0514)
};

const std::vector<Case> kCases = {
    {"no options", {}, {}},
    {"lowered", {2, 4, 5, 180}, {2, 4, 5, 20}},
    {"the largest there is", {2, 4, 255, 255}, {2, 4, 5, 20}},
    {"equal", {2, 4, 5, 20}, {2, 4, 5, 20}},
    {"never raised", {2, 4, 2, 24}, {2, 4, 2, 24}},
    {"at an odd offset", {1, 2, 4, 5, 180}, {1, 2, 4, 5, 20}},
    {"behind window scale", {3, 3, 7, 2, 4, 5, 180}, {3, 3, 7, 2, 4, 5, 20}},
    {"behind timestamps",
     {8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 2, 4, 5, 180},
     {8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 2, 4, 5, 20}},
    {"twice", {2, 4, 5, 180, 1, 2, 4, 8, 0}, {2, 4, 5, 20, 1, 2, 4, 5, 20}},
    {"behind the end", {0, 2, 4, 5, 180}, {0, 2, 4, 5, 180}},
    {"no length", {3, 0, 2, 4, 5, 180}, {3, 0, 2, 4, 5, 180}},
    {"shorter than itself", {3, 1, 2, 4, 5, 180}, {3, 1, 2, 4, 5, 180}},
    {"beyond the header", {3, 30, 2, 4, 5, 180}, {3, 30, 2, 4, 5, 180}},
    {"an MSS of three bytes", {2, 3, 5, 1}, {2, 3, 5, 1}},
    {"an MSS of five bytes", {2, 5, 5, 180, 1}, {2, 5, 5, 180, 1}},
    {"an MSS cut off", {1, 1, 1, 1, 1, 2, 4, 5}, {1, 1, 1, 1, 1, 2, 4, 5}},
    {"no length byte", {1, 1, 1, 2}, {1, 1, 1, 2}},
};

TEST(MssClamp, LowersTheOptionAndNothingElse) {
  for (const Case& one : kCases) {
    std::vector<std::byte> segment = segment_with(one.options);
    const std::vector<std::byte> expected = segment_with(one.clamped);
    EXPECT_EQ(clamp_mss(segment, 1300), one.options != one.clamped) << one.what;
    EXPECT_EQ(options_of(segment, one.options.size()), one.clamped) << one.what;
    EXPECT_EQ(segment, expected) << one.what << ": the checksum is that of a segment made so";
  }
}

// Every value at both alignments: the incremental checksum stays right.
TEST(MssClamp, KeepsTheChecksumRightFromEveryValueToAnother) {
  for (std::uint32_t mss = 0; mss <= 65535; mss += 7) {
    const auto high = static_cast<std::uint8_t>(mss >> 8);
    const auto low = static_cast<std::uint8_t>(mss);
    for (const Bytes& options : {Bytes{2, 4, high, low}, Bytes{1, 2, 4, high, low}}) {
      std::vector<std::byte> segment = segment_with(options);
      clamp_mss(segment, static_cast<std::uint16_t>(mss * 31 % 1500));
      ASSERT_EQ(internet_checksum(segment), Be16{}) << mss;
    }
  }
}

TEST(MssClamp, LooksAtSynSegmentsOnly) {
  for (const std::uint8_t flags : {std::uint8_t{0}, kAck, std::uint8_t{0x01}, std::uint8_t{0x04}}) {
    std::vector<std::byte> segment = segment_with({2, 4, 5, 180}, flags);
    EXPECT_FALSE(clamp_mss(segment, 1300));
  }
  std::vector<std::byte> segment = segment_with({2, 4, 5, 180}, kSyn | kAck);
  EXPECT_TRUE(clamp_mss(segment, 1300));
}

TEST(MssClamp, LeavesASegmentAloneWhoseHeaderIsNotWhole) {
  const std::vector<std::byte> whole = segment_with({2, 4, 5, 180});
  for (std::size_t bytes = 0; bytes < 24; ++bytes) {
    std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
    EXPECT_FALSE(clamp_mss(cut, 1300)) << bytes;
  }
  std::vector<std::byte> short_header = whole;
  short_header[12] = std::byte{0x40};  // 16 bytes
  EXPECT_FALSE(clamp_mss(short_header, 1300));
}

std::vector<std::byte> ipv4_packet(std::uint16_t fragment, IpProtocol protocol = IpProtocol::tcp) {
  const auto segment = segment_with({2, 4, 5, 180});
  std::vector<std::byte> packet(24 + segment.size());
  Ipv4Header ip;
  ip.version_and_ihl = 0x46;  // four bytes of options
  ip.protocol = protocol;
  ip.flags_and_fragment_offset = Be16{fragment};
  std::memcpy(packet.data(), &ip, sizeof ip);
  std::memcpy(packet.data() + 24, segment.data(), segment.size());
  return packet;
}

TEST(MssClamp, TakesHeadersOffTheMtu) {
  auto packet = ipv4_packet(0);
  EXPECT_TRUE(clamp_mss_ipv4(packet, 1400));
  EXPECT_EQ(options_of({packet.begin() + 24, packet.end()}, 4), (Bytes{2, 4, 5, 80}));  // 1360
  auto fits = ipv4_packet(0);
  EXPECT_FALSE(clamp_mss_ipv4(fits, 1500));
  EXPECT_FALSE(clamp_mss_ipv4(fits, 40)) << "no room for any data: nothing that makes sense";

  const auto segment = segment_with({2, 4, 5, 180});
  std::vector<std::byte> packet6(sizeof(Ipv6Header) + 8 + segment.size());
  *mutable_header_at<Ipv6Header>(packet6,
                                 0) = {.next_header = IpProtocol::ipv6_destination_options};
  *mutable_header_at<Ipv6Extension>(packet6, 40) = {.next_header = IpProtocol::tcp};
  std::memcpy(packet6.data() + 48, segment.data(), segment.size());
  EXPECT_TRUE(clamp_mss_ipv6(packet6, walk_ipv6(packet6), 1400));
  EXPECT_EQ(options_of({packet6.begin() + 48, packet6.end()}, 4), (Bytes{2, 4, 5, 60}));  // 1340
}

TEST(MssClamp, LeavesOtherPacketsAlone) {
  auto udp = ipv4_packet(0, IpProtocol::udp);
  EXPECT_FALSE(clamp_mss_ipv4(udp, 1400));
  auto later_fragment = ipv4_packet(1);
  EXPECT_FALSE(clamp_mss_ipv4(later_fragment, 1400));
  auto first_fragment = ipv4_packet(Ipv4Header::kMoreFragments);
  EXPECT_TRUE(clamp_mss_ipv4(first_fragment, 1400));
}

}  // namespace
}  // namespace culvert
