// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "dataplane/spd.h"
#include "tests/unit/dataplane/reader_threads.h"
#include "tests/unit/dataplane/spd_test_support.h"

namespace culvert {
namespace {

constexpr std::uint32_t kA = 0x0a010000;  // 10.1.0.0
constexpr std::uint32_t kB = 0x0a020000;  // 10.2.0.0
constexpr std::uint32_t kNone = 0xffffffff;
constexpr Net kAnywhere{0, 0};

struct Ports {
  std::uint16_t first = 0;
  std::uint16_t last = 0xffff;
};

PolicySpec with_src(PolicySpec spec, std::uint32_t first, std::uint32_t last) {
  spec.selector.src = IpAddress::v4(Be32{first});
  spec.ranges.src_last = IpAddress::v4(Be32{last});
  spec.ranges.fields |= kRangeSrc;
  return spec;
}
PolicySpec with_dst(PolicySpec spec, std::uint32_t first, std::uint32_t last) {
  spec.selector.dst = IpAddress::v4(Be32{first});
  spec.ranges.dst_last = IpAddress::v4(Be32{last});
  spec.ranges.fields |= kRangeDst;
  return spec;
}
PolicySpec with_src_ports(PolicySpec spec, Ports ports) {
  spec.selector.src_port = Be16{ports.first};
  spec.ranges.src_port_last = Be16{ports.last};
  spec.ranges.fields |= kRangeSrcPort;
  return spec;
}
PolicySpec with_dst_ports(PolicySpec spec, Ports ports) {
  spec.selector.dst_port = Be16{ports.first};
  spec.ranges.dst_port_last = Be16{ports.last};
  spec.ranges.fields |= kRangeDstPort;
  return spec;
}

class SpdRanges : public testing::Test {
 protected:
  template <typename Words>
  std::uint32_t find(const Words& words) const {
    const PolicyEntry* const policy = spd_->lookup(Direction::out, words);
    return policy == nullptr ? kNone : policy->index;
  }
  std::uint32_t find_port(std::uint16_t port) const {
    return find(flow(kA, kB, IpProtocol::udp, 7, port));
  }
  void set(std::uint32_t index, const PolicySpec& spec) {
    ASSERT_EQ(spd_->set(index, spec), Refusal::none);
  }
  void remove(std::uint32_t index) { ASSERT_EQ(spd_->remove(index), Refusal::none); }

  NoReaders quiescence_;
  std::unique_ptr<Spd> spd_ = Spd::create(4096, 1234, quiescence_);
};

TEST_F(SpdRanges, HoldFromTheirFirstToTheirLastAddress) {
  set(3, with_dst(with_src(policy_for(kAnywhere, kAnywhere), kA + 5, kA + 90), kB - 2, kB + 2));
  EXPECT_EQ(find(flow(kA + 5, kB)), 3u);
  EXPECT_EQ(find(flow(kA + 90, kB - 2)), 3u);
  EXPECT_EQ(find(flow(kA + 60, kB + 2)), 3u);
  EXPECT_EQ(find(flow(kA + 4, kB)), kNone);
  EXPECT_EQ(find(flow(kA + 91, kB)), kNone);
  EXPECT_EQ(find(flow(kA + 5, kB - 3)), kNone);
  EXPECT_EQ(find(flow(kA + 5, kB + 3)), kNone);
}

TEST_F(SpdRanges, HoldFromTheirFirstToTheirLastPort) {
  set(0, with_dst_ports(policy_for({kA, 16}, {kB, 16}), {1000, 2000}));
  EXPECT_EQ(find_port(999), kNone);
  EXPECT_EQ(find_port(1000), 0u);
  EXPECT_EQ(find_port(2000), 0u);
  EXPECT_EQ(find_port(2001), kNone);
  set(0, with_src_ports(policy_for({kA, 16}, {kB, 16}), {7, 8}));
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::tcp, 6, 1)), kNone);
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::tcp, 7, 1)), 0u);
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::tcp, 8, 1)), 0u);
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::tcp, 9, 1)), kNone);
}

TEST_F(SpdRanges, SelectIcmpByTypeAndCode) {
  PolicySpec spec = policy_for({kA, 16}, {kB, 16});
  spec.selector.protocol = 1;
  set(0, with_dst_ports(with_src_ports(spec, {3, 3}), {0, 4}));  // unreachable, codes 0 to 4
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::icmp, 3, 4)), 0u);
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::icmp, 3, 5)), kNone);
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::icmp, 8, 0)), kNone);
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::udp, 3, 4)), kNone);
}

TEST_F(SpdRanges, OfIpv6HoldAcrossBothHalvesOfAnAddress) {
  PolicySpec spec = policy6_for(Net6{}, Net6{});
  spec.selector.src = {ip6(1, 5)};
  spec.ranges.src_last = {ip6(2, 7)};
  spec.ranges.fields = kRangeSrc;
  set(0, spec);
  EXPECT_EQ(find(flow(ip6(1, 4), ip6(9, 9))), kNone);
  EXPECT_EQ(find(flow(ip6(1, 5), ip6(9, 9))), 0u);
  EXPECT_EQ(find(flow(ip6(1, 900), ip6(9, 9))), 0u);
  EXPECT_EQ(find(flow(ip6(2, 7), ip6(9, 9))), 0u);
  EXPECT_EQ(find(flow(ip6(2, 8), ip6(9, 9))), kNone);
}

TEST_F(SpdRanges, OfNoFamilyHoldForBoth) {
  PolicySpec spec = policy_for(kAnywhere, kAnywhere);
  spec.selector.family = Family::none;
  set(0, with_dst_ports(spec, {53, 99}));
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::udp, 1, 60)), 0u);
  EXPECT_EQ(find(flow(ip6(1, 2), ip6(3, 4), IpProtocol::udp, 1, 60)), 0u);
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::udp, 1, 100)), kNone);
  EXPECT_EQ(find(flow(ip6(1, 2), ip6(3, 4), IpProtocol::udp, 1, 52)), kNone);
}

TEST_F(SpdRanges, GoByPriorityAcrossOverlaps) {
  set(1, with_dst_ports(policy_for({kA, 16}, {kB, 16}, 30), {0, 40000}));
  set(2, with_dst_ports(policy_for({kA, 16}, {kB, 16}, 20), {30000, 50000}));
  set(3, with_dst_ports(policy_for({kA, 16}, {kB, 16}, 10), {32000, 33000}));
  set(4, policy_for({kA, 16}, {kB, 16}, 40));
  set(5, with_dst_ports(policy_for({kA, 16}, {kB, 16}, 30), {0, 40001}));
  EXPECT_EQ(find_port(32768), 3u);
  EXPECT_EQ(find_port(31000), 2u);
  EXPECT_EQ(find_port(29999), 1u);
  EXPECT_EQ(find_port(50001), 4u);
  remove(3);
  EXPECT_EQ(find_port(32768), 2u);
  remove(2);
  EXPECT_EQ(find_port(40000), 1u);
  EXPECT_EQ(find_port(40001), 5u);
}

TEST_F(SpdRanges, OfAWholePrefixAreThatPrefix) {
  set(0, with_src(policy_for(kAnywhere, {kB, 16}), kA, kA + 255));
  set(1, policy_for({kB, 24}, {kB, 16}));
  EXPECT_EQ(spd_->tuple_count(Direction::out), 1u);
  const PolicyEntry* const policy = spd_->lookup(Direction::out, flow(kA + 255, kB));
  ASSERT_NE(policy, nullptr);
  EXPECT_FALSE(policy->has_ranges);
}

// All ranges here have the middle of their prefix in common.
TEST_F(SpdRanges, AreRefusedWhereTooManyOverlap) {
  const auto around_the_middle = [](std::uint32_t i) {
    const auto reach = static_cast<std::uint16_t>(i + 1);
    return with_dst_ports(
        policy_for({kA, 16}, {kB, 16}, 1000 - i),
        {static_cast<std::uint16_t>(32768 - reach), static_cast<std::uint16_t>(32768 + reach)});
  };
  for (std::uint32_t i = 0; i < Spd::kMaxRanges; ++i) set(i, around_the_middle(i));
  EXPECT_EQ(spd_->set(100, around_the_middle(100)), Refusal::too_many_ranges);
  EXPECT_EQ(spd_->size(), Spd::kMaxRanges);
  EXPECT_EQ(find_port(32768), 63u);
  // Elsewhere, and without ranges, there is room; and one may be another instead.
  set(101, with_dst_ports(policy_for({kA, 16}, {kB, 16}), {1, 2}));
  set(102, policy_for({kA, 16}, {kB, 16}, 2000));
  set(63, around_the_middle(200));
  EXPECT_EQ(find_port(32768 + 201), 63u);
  EXPECT_EQ(find_port(32768 + 202), 102u);
  remove(17);
  set(100, around_the_middle(100));
  EXPECT_EQ(spd_->set(17, around_the_middle(17)), Refusal::too_many_ranges);
}

TEST_F(SpdRanges, AreRefusedByNameWhenTheyMakeNoSense) {
  const PolicySpec good = policy_for({kA, 16}, {kB, 16});
  EXPECT_EQ(spd_->set(0, with_src(good, kA + 1, kA)), Refusal::bad_range);
  EXPECT_EQ(spd_->set(0, with_dst(good, kB, kA)), Refusal::bad_range);
  EXPECT_EQ(spd_->set(0, with_src_ports(good, {2, 1})), Refusal::bad_range);
  EXPECT_EQ(spd_->set(0, with_dst_ports(good, {65535, 0})), Refusal::bad_range);
  PolicySpec spec = good;
  spec.ranges.fields = 16;
  EXPECT_EQ(spd_->set(0, spec), Refusal::bad_enum);
  spec = with_src(good, kA, kA + 1);
  spec.selector.family = Family::none;
  EXPECT_EQ(spd_->set(0, spec), Refusal::bad_family);
  spec = good;
  spec.spreads = 2;
  EXPECT_EQ(spd_->set(0, spec), Refusal::bad_enum);
  EXPECT_EQ(spd_->size(), 0u);
}

// A prefix length beside a range is nobody's: shared memory may hold anything there.
TEST_F(SpdRanges, LeaveThePrefixLengthAside) {
  PolicySpec spec = with_src(policy_for(kAnywhere, kAnywhere), kA, kA + 2);
  spec.selector.src_prefix_bits = 255;
  set(0, spec);
  EXPECT_EQ(find(flow(kA + 2, kB)), 0u);
  EXPECT_EQ(find(flow(kA + 3, kB)), kNone);
}

TEST(SpdRangesWriter, KeepsTheOldPolicyUntilQuiescenceWhenReadersMayBeOnTheirWayToIt) {
  Observer observer;
  const auto spd = Spd::create(8, 1, observer);
  const PolicySpec base = policy_for({kA, 16}, {kB, 16}, 20);
  ASSERT_EQ(spd->set(0, with_src(policy_for({kA, 16}, {kB, 16}, 10), kA + 0x7000, kA + 0x9000)),
            Refusal::none);
  ASSERT_EQ(spd->set(1, base), Refusal::none);
  std::size_t looks = 0;
  observer.look = [&] { ++looks; };
  PolicySpec better = base;
  better.priority = 5;
  ASSERT_EQ(spd->set(1, better), Refusal::none);
  EXPECT_EQ(looks, 1u);
  ASSERT_EQ(spd->set(1, base), Refusal::none);  // it was the first: nobody is on the way
  EXPECT_EQ(looks, 1u);
}

// A million policies may have one selector and differ in what XFRM alone looks at.
TEST_F(SpdRanges, KeepOrderInAChainOfThousandsThatComeAndGo) {
  std::mt19937 random(3);
  std::vector<std::uint32_t> priorities(4000);
  for (std::uint32_t i = 0; i < priorities.size(); ++i) {
    priorities[i] = static_cast<std::uint32_t>(random() % 50);
    set(i, policy_for({kA, 16}, {kB, 16}, priorities[i]));
  }
  std::vector<std::uint32_t> left(priorities.size());
  for (std::uint32_t i = 0; i < left.size(); ++i) left[i] = i;
  while (!left.empty()) {
    const auto best = std::ranges::min_element(
        left, {}, [&](std::uint32_t i) { return std::pair(priorities[i], i); });
    ASSERT_EQ(find(flow(kA, kB)), *best);
    const std::size_t victim = random() % 3 == 0 ? static_cast<std::size_t>(best - left.begin())
                                                 : static_cast<std::size_t>(random() % left.size());
    remove(left[victim]);
    left[victim] = left.back();
    left.pop_back();
  }
  EXPECT_EQ(find(flow(kA, kB)), kNone);
}

}  // namespace
}  // namespace culvert
