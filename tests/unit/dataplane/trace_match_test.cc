// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/trace_match.h"

#include <gtest/gtest.h>

namespace culvert {
namespace {

IpAddress v4(std::uint32_t address) {
  return IpAddress::v4(Be32{address});
}

// 10.1.0.2 port 4000 to 10.2.0.2 port 53.
const TracedHeader kQuery{.family = Family::v4,
                          .protocol = 17,
                          .src_port = 4000,
                          .dst_port = 53,
                          .src = v4(0x0a010002),
                          .dst = v4(0x0a020002)};

TEST(TraceMatch, TakesEverythingWhereNothingIsAsked) {
  EXPECT_TRUE(matches({}, kQuery, 0));
  EXPECT_TRUE(matches({}, {.family = Family::v6}, 7));
}

TEST(TraceMatch, ComparesWhatIsAskedAndNothingElse) {
  TraceFilter filter{.family = Family::v4};
  filter.src = v4(0x0a010000);
  filter.src_prefix_bits = 23;
  EXPECT_TRUE(matches(filter, kQuery, 0));
  filter.src = v4(0x0a010200);
  EXPECT_FALSE(matches(filter, kQuery, 0));
  EXPECT_TRUE(matches({.protocol = 17, .dst_port = 53}, kQuery, 0));
  EXPECT_FALSE(matches({.protocol = 6}, kQuery, 0));
  EXPECT_FALSE(matches({.src_port = 53}, kQuery, 0));
  EXPECT_TRUE(matches({.spi = 0x1001}, kQuery, 0x1001));
  EXPECT_FALSE(matches({.spi = 0x1001}, kQuery, 0));
  EXPECT_FALSE(matches({.family = Family::v6}, kQuery, 0));
}

TEST(TraceMatch, TakesTheOtherDirectionWhereItIsAsked) {
  TraceFilter filter{.family = Family::v4, .dst_prefix_bits = 32, .src_port = 53};
  filter.dst = v4(0x0a010002);
  EXPECT_FALSE(matches(filter, kQuery, 0));
  filter.is_both_ways = 1;
  EXPECT_TRUE(matches(filter, kQuery, 0));
}

TEST(TraceMatch, RefusesAFilterThatMeansNothing) {
  EXPECT_EQ(check_trace_filter({}), Refusal::none);
  EXPECT_EQ(check_trace_filter({.family = Family{5}}), Refusal::bad_family);
  EXPECT_EQ(check_trace_filter({.src_prefix_bits = 8}), Refusal::bad_prefix);
  EXPECT_EQ(check_trace_filter({.family = Family::v4, .dst_prefix_bits = 33}), Refusal::bad_prefix);
  EXPECT_EQ(check_trace_filter({.family = Family::v6, .dst_prefix_bits = 128}), Refusal::none);
  EXPECT_EQ(check_trace_filter({.is_both_ways = 2}), Refusal::bad_enum);
  EXPECT_EQ(check_trace_filter({.wants_bytes = 2}), Refusal::bad_enum);
}

TEST(TracedHeader, IsNoneOfWhatIsNoPacket) {
  EXPECT_FALSE(traced_header({}));
  const std::array<std::byte, 40> zeros{};
  EXPECT_FALSE(traced_header(zeros));
}

}  // namespace
}  // namespace culvert
