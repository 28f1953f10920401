// SPDX-License-Identifier: BSD-3-Clause
// The SPD beside the plainest one, under random use.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>

#include "dataplane/spd.h"
#include "tests/unit/dataplane/plain_spd.h"
#include "tests/unit/dataplane/reader_threads.h"
#include "tests/unit/dataplane/spd_test_support.h"

namespace culvert {
namespace {

constexpr std::uint32_t kA = 0x0a010000;  // 10.1.0.0
constexpr std::uint32_t kB = 0x0a020000;  // 10.2.0.0

class SpdAtRandom : public testing::Test {
 protected:
  NoReaders quiescence_;
  std::unique_ptr<Spd> spd_ = Spd::create(1024, 1234, quiescence_);
};

std::uint32_t found_by(const Spd& spd, Direction direction, const PlainFlow& key) {
  const auto protocol = static_cast<IpProtocol>(key.protocol);
  const PolicyEntry* const policy =
      key.family == Family::v6
          ? spd.lookup(direction,
                       words_of(FlowKey6{key.src, key.dst, key.src_port, key.dst_port, protocol}))
          : spd.lookup(direction, words_of(FlowKey{host_address(IpAddress{key.src}.v4()),
                                                   host_address(IpAddress{key.dst}.v4()),
                                                   key.src_port, key.dst_port, protocol}));
  return policy == nullptr ? kNoPolicy : policy->index;
}

TEST_F(SpdAtRandom, AgreesWithAPlainListAboutRangesOfBothFamilies) {
  constexpr std::uint32_t kPolicies = 600;
  PlainSpd plain(kPolicies);
  RandomRanges random;
  std::size_t found = 0;
  std::size_t found_by_range = 0;
  for (int step = 0; step < 8000; ++step) {
    const std::uint32_t index = random.below(kPolicies);
    if (plain.holds(index) && random.below(3) == 0) {
      ASSERT_EQ(spd_->remove(index), Refusal::none);
      plain.remove(index);
    } else {
      const PolicySpec spec = random.policy();
      const Refusal refusal = spd_->set(index, spec);
      ASSERT_TRUE(refusal == Refusal::none || refusal == Refusal::too_many_ranges);
      if (refusal == Refusal::none) plain.set(index, spec);
    }
    const Direction direction = step % 2 == 0 ? Direction::in : Direction::out;
    for (int i = 0; i < 10; ++i) {
      const PlainFlow key = random.flow();
      const std::uint32_t there = found_by(*spd_, direction, key);
      ASSERT_EQ(there, plain.find(direction, key)) << "step " << step;
      found += there == kNoPolicy ? 0 : 1;
    }
    const PolicyEntry* const last = spd_->lookup(direction, flow(kA + 0x7f00, kA + 0x8000));
    found_by_range += last != nullptr && last->has_ranges ? 1 : 0;
  }
  EXPECT_GT(found, 20'000u);
  EXPECT_GT(found_by_range, 1000u);
}

// Priorities of their own, one prefix: chains with many ranges, of which long ones come and go.
TEST_F(SpdAtRandom, AgreesWithAPlainListInLongChains) {
  constexpr std::uint32_t kPolicies = 90;
  PlainSpd plain(kPolicies);
  RandomRanges random;
  std::size_t refused = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint32_t index = random.below(kPolicies);
    // Grows for a while, then shrinks.
    if (plain.holds(index) && random.below(8) < (step / 2500 % 2 == 0 ? 1u : 6u)) {
      ASSERT_EQ(spd_->remove(index), Refusal::none);
      plain.remove(index);
    } else if (step / 2500 % 2 == 0 || random.below(4) == 0) {
      PolicySpec spec = policy_for({kA, 16}, {kB, 16}, random.below(40));
      const auto reach = static_cast<std::uint16_t>(1 + random.below(6));
      if (random.below(8) != 0) {
        spec.selector.dst_port = Be16{static_cast<std::uint16_t>(32768 - reach)};
        spec.ranges.dst_port_last = Be16{static_cast<std::uint16_t>(32768 + random.below(6))};
        spec.ranges.fields = kRangeDstPort;
      }
      const Refusal refusal = spd_->set(index, spec);
      if (refusal == Refusal::none) plain.set(index, spec);
      refused += refusal == Refusal::too_many_ranges ? 1 : 0;
    }
    for (std::uint16_t port = 32760; port < 32776; ++port) {
      const PlainFlow key{.family = Family::v4,
                          .src = IpAddress::v4(Be32{kA}).bytes,
                          .dst = IpAddress::v4(Be32{kB}).bytes,
                          .src_port = 7,
                          .dst_port = port,
                          .protocol = 17};
      ASSERT_EQ(found_by(*spd_, Direction::out, key), plain.find(Direction::out, key))
          << "step " << step;
    }
  }
  EXPECT_GT(refused, 10u);
}

}  // namespace
}  // namespace culvert
