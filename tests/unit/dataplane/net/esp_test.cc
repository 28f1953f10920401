// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/esp.h"

#include <gtest/gtest.h>

#include <iterator>
#include <random>

#include "tests/unit/dataplane/net/packet_bytes.h"

namespace culvert {
namespace {

constexpr std::uint64_t k2To32 = std::uint64_t{1} << 32;

TEST(EspHeader, LiesAsOnTheWire) {
  const auto packet = bytes({0xc0, 0x00, 0x10, 0x01, 0x00, 0x00, 0x00, 0x2a});
  const EspHeader* const esp = header_at<EspHeader>(packet, 0);
  ASSERT_NE(esp, nullptr);
  EXPECT_EQ(esp->host_spi(), Spi{0xc0001001});
  EXPECT_EQ(esp->spi, wire_spi(Spi{0xc0001001}));
  EXPECT_EQ(esp->sequence.host(), 42u);
}

TEST(EspTrailer, HasThePadLengthBeforeTheNextHeader) {
  const auto tail = bytes({0x02, 0x04});
  const EspTrailer* const trailer = header_at<EspTrailer>(tail, 0);
  ASSERT_NE(trailer, nullptr);
  EXPECT_EQ(trailer->pad_length, 2);
  EXPECT_EQ(trailer->next_header, IpProtocol::ipip);
}

TEST(EspPadByte, CountsFromOne) {
  static_assert(esp_pad_byte(0) == 1);
  static_assert(esp_pad_byte(kMaxEspPadding - 1) == 255);
}

TEST(WireSequence, IsTheLowHalfAndTheHighHalfIsKeptApart) {
  static_assert(wire_sequence(SeqNum{0x0000000712345678}) == Be32{0x12345678});
  static_assert(wire_sequence_high(SeqNum{0x0000000712345678}) == Be32{7});
}

TEST(InferSequence, FollowsTheWindowAround2To32) {
  struct Case {
    std::uint64_t top;
    std::uint32_t window;
    std::uint32_t wire;
    std::uint64_t expected;
    const char* story;
  };
  constexpr Case kCases[] = {
      {0, 64, 1, 1, "the first packet of an SA"},
      {0, 64, 0, 0, "0 on a fresh SA stays the number that is never valid"},
      {5, 64, 4, 4, "late, window reaches below 0"},
      {5, 64, 0xffffffff, 0xffffffff, "never below subspace 0"},
      {5, 64, 0xffffffc8, 0xffffffc8, "nor anywhere else below 0"},
      {63, 64, 0, 0, "window starts exactly at 0"},
      {64, 64, 0, k2To32, "left of a window that starts at 1: taken as new"},
      {64, 64, 1, 1, "its left end"},
      {1000, 64, 1001, 1001, "next"},
      {1000, 64, 937, 937, "case A, left end of the window"},
      {1000, 64, 936, k2To32 + 936, "case A, left of it: next subspace"},
      {k2To32 - 1, 64, 0, k2To32, "first of the second subspace"},
      {k2To32 - 1, 64, 0xffffffc0, k2To32 - 64, "left end just before it"},
      {k2To32 - 1, 64, 0xffffffbf, 2 * k2To32 - 65, "left of that"},
      {k2To32, 64, 1, k2To32 + 1, "case B, next"},
      {k2To32, 64, 0, k2To32, "case B, the top itself"},
      {k2To32, 64, 0xffffffff, k2To32 - 1, "case B, late from the subspace before"},
      {k2To32, 64, 0xffffffc1, k2To32 - 63, "case B, left end"},
      {k2To32, 64, 0xffffffc0, 2 * k2To32 - 64, "case B, left of it"},
      {k2To32 + 62, 64, 0xffffffff, k2To32 - 1, "window's last time across two subspaces"},
      {k2To32 + 63, 64, 0xffffffff, 2 * k2To32 - 1, "window within one again"},
      {k2To32 + 63, 64, 0, k2To32, "its left end"},
      {7 * k2To32 + 10, 32768, 0xffff800b, 6 * k2To32 + 0xffff800b, "largest window, left end"},
      {7 * k2To32 + 10, 32768, 0xffff800a, 7 * k2To32 + 0xffff800a, "largest window, left of it"},
      {1000, 1, 1000, 1000, "window of 1: the top"},
      {1000, 1, 999, k2To32 + 999, "window of 1: the one before"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(infer_sequence(c.wire, SeqNum{c.top}, c.window).raw(), c.expected) << c.story;
  }
}

TEST(InferSequence, WrapsToTheLeftOfTheWindowAtTheVeryEnd) {
  constexpr SeqNum kTop{0xffffffffffffffff};
  static_assert(infer_sequence(0xffffffff, kTop, 64) == kTop);
  static_assert(infer_sequence(0, kTop, 64) == SeqNum{0});
}

// The pseudo-code's two cases as RFC 4303 A2.2 words them; -1 as high part becomes 0.
std::uint64_t infer_by_cases(std::uint32_t wire, std::uint64_t top, std::uint32_t window) {
  const auto top_low = static_cast<std::uint32_t>(top);
  const auto top_high = static_cast<std::uint32_t>(top >> 32);
  const std::uint32_t left = top_low - window + 1;
  std::uint32_t high = top_high;
  if (top_low >= window - 1) {
    if (wire < left) high = top_high + 1;
  } else if (wire >= left && top_high > 0) {
    high = top_high - 1;
  }
  return std::uint64_t{high} << 32 | wire;
}

TEST(InferSequence, EqualsTheTwoCasesOfRfc4303A22) {
  std::mt19937_64 random(20051200);
  const std::uint32_t windows[] = {1, 2, 32, 64, 128, 1000, 4096, 32768};
  for (int round = 0; round < 200000; ++round) {
    const std::uint32_t window = windows[random() % std::size(windows)];
    const std::uint64_t subspace = random() % 4;
    const std::uint64_t top =
        subspace * k2To32 + (round % 2 == 0 ? random() % 100000 : k2To32 - 1 - random() % 100000);
    const auto wire = static_cast<std::uint32_t>(top - 50000 + random() % 100000);
    ASSERT_EQ(infer_sequence(wire, SeqNum{top}, window).raw(), infer_by_cases(wire, top, window))
        << "wire " << wire << " top " << top << " window " << window;
  }
}

}  // namespace
}  // namespace culvert
