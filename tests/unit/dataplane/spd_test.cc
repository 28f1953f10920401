// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/spd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "tests/unit/dataplane/reader_threads.h"
#include "tests/unit/dataplane/spd_test_support.h"

namespace culvert {
namespace {

constexpr std::uint32_t kA = 0x0a010000;  // 10.1.0.0
constexpr std::uint32_t kB = 0x0a020000;  // 10.2.0.0
constexpr std::uint32_t kNone = 0xffffffff;

class SpdTest : public testing::Test {
 protected:
  std::uint32_t find(const FlowWords& key, Direction direction = Direction::out) const {
    const PolicyEntry* const policy = spd_->lookup(direction, key);
    return policy == nullptr ? kNone : policy->index;
  }
  void set(std::uint32_t index, const PolicySpec& spec) {
    ASSERT_EQ(spd_->set(index, spec), Refusal::none);
  }

  NoReaders quiescence_;
  std::unique_ptr<Spd> spd_ = Spd::create(4096, 1234, quiescence_);
};

TEST_F(SpdTest, FindsNothingWhenItIsEmpty) {
  EXPECT_EQ(spd_->lookup(Direction::out, flow(kA, kB)), nullptr);
  EXPECT_EQ(spd_->lookup(Direction::in, flow(kA, kB)), nullptr);
}

TEST_F(SpdTest, MatchesPrefixesOfBothAddresses) {
  set(7, policy_for({kA, 16}, {kB, 24}));
  EXPECT_EQ(find(flow(kA + 0x1234, kB + 0x34)), 7u);
  EXPECT_EQ(find(flow(kA + 0x1234, kB + 0x134)), kNone);
  EXPECT_EQ(find(flow(kB, kB)), kNone);
  EXPECT_EQ(find(flow(kB, kA)), kNone);
}

TEST_F(SpdTest, IgnoresSelectorBitsBeyondThePrefix) {
  set(7, policy_for({kA + 0x99, 16}, {kB + 0x99, 24}));
  EXPECT_EQ(find(flow(kA, kB)), 7u);
}

TEST_F(SpdTest, KeepsDirectionsApart) {
  PolicySpec in = policy_for({kA, 16}, {kB, 16});
  in.direction = Direction::in;
  set(1, in);
  EXPECT_EQ(find(flow(kA, kB), Direction::out), kNone);
  EXPECT_EQ(find(flow(kA, kB), Direction::in), 1u);
  set(2, policy_for({kA, 16}, {kB, 16}));
  EXPECT_EQ(find(flow(kA, kB), Direction::out), 2u);
  EXPECT_EQ(find(flow(kA, kB), Direction::in), 1u);
}

TEST_F(SpdTest, MatchesProtocolAndPortsUnderTheirMasks) {
  PolicySpec spec = policy_for({0, 0}, {0, 0});
  spec.selector.protocol = 17;
  spec.selector.dst_port = Be16{4500};
  spec.selector.dst_port_mask = Be16{0xffff};
  set(0, spec);
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::udp, 1, 4500)), 0u);
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::udp, 1, 4501)), kNone);
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::tcp, 1, 4500)), kNone);
  spec.selector.dst_port_mask = Be16{0xfff0};  // 4496 to 4511
  set(0, spec);
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::udp, 1, 4501)), 0u);
  EXPECT_EQ(find(flow(kA, kB, IpProtocol::udp, 1, 4512)), kNone);
}

TEST_F(SpdTest, MatchesNoSelectorThatNamesPortsWhereTheyAreHidden) {
  PolicySpec port_0 = policy_for({kA, 16}, {kB, 16});
  port_0.selector.dst_port_mask = Be16{0xffff};
  PolicySpec below_100 = policy_for({kA, 16}, {kB, 16});
  below_100.ranges.fields = kRangeDstPort;
  below_100.ranges.dst_port_last = Be16{99};
  PolicySpec nearly_all = policy_for({kA, 16}, {kB, 16});
  nearly_all.ranges.fields = kRangeSrcPort;
  nearly_all.ranges.src_port_last = Be16{0xfffe};
  FlowWords hidden = flow(kA, kB);
  hidden.rest |= kHiddenPortsBit;
  for (const PolicySpec& spec : {port_0, below_100, nearly_all}) {
    set(1, spec);
    EXPECT_EQ(find(flow(kA, kB)), 1u);
    EXPECT_EQ(find(hidden), kNone);
  }
  PolicySpec all = policy_for({kA, 16}, {kB, 16});
  all.ranges.fields = kRangeSrcPort;
  all.ranges.src_port_last = Be16{0xffff};
  set(1, all);
  EXPECT_EQ(find(hidden), 1u);
}

TEST_F(SpdTest, NeverMatchesADormantPolicy) {
  PolicySpec dormant = policy_for({kA, 16}, {kB, 16});
  dormant.is_dormant = 1;
  set(1, dormant);
  set(2, policy_for({kA, 16}, {kB, 16}, 1000));
  EXPECT_EQ(find(flow(kA, kB)), 2u);
  EXPECT_EQ(spd_->remove(1), Refusal::none);
  EXPECT_EQ(find(flow(kA, kB)), 2u);
}

TEST_F(SpdTest, TakesTheLowestPriorityNumberFirst) {
  set(1, policy_for({kA, 16}, {kB, 16}, 20));
  set(2, policy_for({0, 0}, {0, 0}, 10));
  set(3, policy_for({kA, 32}, {kB, 32}, 30));
  EXPECT_EQ(find(flow(kA, kB)), 2u);
  ASSERT_EQ(spd_->remove(2), Refusal::none);
  EXPECT_EQ(find(flow(kA, kB)), 1u);
  ASSERT_EQ(spd_->remove(1), Refusal::none);
  EXPECT_EQ(find(flow(kA, kB)), 3u);
  ASSERT_EQ(spd_->remove(3), Refusal::none);
  EXPECT_EQ(find(flow(kA, kB)), kNone);
}

TEST_F(SpdTest, TakesTheOldestOfEqualPriorities) {
  set(9, policy_for({kA, 16}, {kB, 16}, 5));
  set(1, policy_for({0, 0}, {kB, 16}, 5));
  set(5, policy_for({kA, 16}, {kB, 16}, 5));
  EXPECT_EQ(find(flow(kA, kB)), 9u);
  ASSERT_EQ(spd_->remove(9), Refusal::none);
  EXPECT_EQ(find(flow(kA, kB)), 1u);
  ASSERT_EQ(spd_->remove(1), Refusal::none);
  EXPECT_EQ(find(flow(kA, kB)), 5u);
}

TEST_F(SpdTest, KeepsThePlaceOfAPolicyReplacedUnderTheSameSelectorAndPriority) {
  set(1, policy_for({kA, 16}, {kB, 16}, 5));
  set(2, policy_for({kA, 16}, {kB, 16}, 5));
  PolicySpec rekeyed = policy_for({kA, 16}, {kB, 16}, 5);
  rekeyed.sa_count = 2;
  rekeyed.sas[0] = 77;
  rekeyed.sas[1] = 78;
  set(1, rekeyed);
  const PolicyEntry* const policy = spd_->lookup(Direction::out, flow(kA, kB));
  ASSERT_NE(policy, nullptr);
  EXPECT_EQ(policy->index, 1u);
  ASSERT_EQ(policy->sa_set().size(), 2u);
  EXPECT_EQ(policy->sa_set()[1], SaIndex{78});
}

TEST_F(SpdTest, PutsAPolicyReplacedUnderAnotherPriorityLastAmongItsEquals) {
  set(1, policy_for({kA, 16}, {kB, 16}, 5));
  set(2, policy_for({kA, 16}, {kB, 16}, 6));
  set(1, policy_for({kA, 16}, {kB, 16}, 6));
  EXPECT_EQ(find(flow(kA, kB)), 2u);
  EXPECT_EQ(spd_->size(), 2u);
}

// A worker may have passed the new policy's tuple before the policy was there.
TEST(SpdWriter, KeepsTheOldPolicyUntilQuiescenceWhenItGetsOtherPrefixLengths) {
  Observer observer;
  const auto spd = Spd::create(4, 1, observer);
  ASSERT_EQ(spd->set(0, policy_for({kA, 16}, {kB, 16})), Refusal::none);
  std::size_t tuples_meanwhile = 0;
  observer.look = [&] { tuples_meanwhile = spd->tuple_count(Direction::out); };
  ASSERT_EQ(spd->set(0, policy_for({kA, 24}, {kB, 16})), Refusal::none);
  EXPECT_EQ(tuples_meanwhile, 2u);
  EXPECT_EQ(spd->tuple_count(Direction::out), 1u);
}

TEST_F(SpdTest, GivesWorkersWhatThePolicySays) {
  PolicySpec spec = policy_for({kA, 16}, {kB, 16}, 42);
  spec.direction = Direction::in;
  spec.reqid = 99;
  spec.is_optional = 1;
  spec.template_src = IpAddress::v4(Be32{1});
  spec.template_dst = IpAddress::v4(Be32{2});
  set(3, spec);
  const PolicyEntry* const policy = spd_->lookup(Direction::in, flow(kA, kB));
  ASSERT_NE(policy, nullptr);
  EXPECT_EQ(policy->action, PolicyAction::protect);
  EXPECT_EQ(policy->priority, 42u);
  EXPECT_EQ(policy->reqid, 99u);
  EXPECT_TRUE(policy->is_optional);
  EXPECT_EQ(policy->template_src, spec.template_src);
  EXPECT_EQ(policy->template_dst, spec.template_dst);
  EXPECT_TRUE(policy->sa_set().empty());
}

TEST_F(SpdTest, MatchesEveryFlowWithASelectorOfNoFamily) {
  PolicySpec spec = policy_for({kA, 32}, {kB, 32});
  spec.selector.family = Family::none;
  set(0, spec);
  EXPECT_EQ(find(flow(1, 2, IpProtocol::icmp, 3, 4)), 0u);
}

TEST_F(SpdTest, RefusesWhatItCannotHold) {
  const PolicySpec good = policy_for({kA, 16}, {kB, 16});
  EXPECT_EQ(spd_->set(4096, good), Refusal::bad_index);
  PolicySpec spec = good;
  spec.direction = Direction::none;
  EXPECT_EQ(spd_->set(0, spec), Refusal::bad_enum);
  spec = good;
  spec.action = static_cast<PolicyAction>(4);
  EXPECT_EQ(spd_->set(0, spec), Refusal::bad_enum);
  spec = good;
  spec.selector.family = static_cast<Family>(5);
  EXPECT_EQ(spd_->set(0, spec), Refusal::bad_family);
  spec = good;
  spec.selector.dst_prefix_bits = 33;
  EXPECT_EQ(spd_->set(0, spec), Refusal::bad_prefix);
  spec = good;
  spec.sa_count = kMaxPolicySas + 1;
  EXPECT_EQ(spd_->set(0, spec), Refusal::bad_sa_set);
  EXPECT_EQ(spd_->remove(0), Refusal::slot_empty);
  EXPECT_EQ(spd_->remove(4096), Refusal::bad_index);
  EXPECT_EQ(spd_->size(), 0u);
  EXPECT_EQ(spd_->tuple_count(Direction::out), 0u);
}

TEST_F(SpdTest, RefusesMoreTuplesThanItHasAndReusesThoseThatBecameEmpty) {
  const auto with_masks = [](std::uint32_t i) {
    PolicySpec spec = policy_for({kA, 16}, {kB, 16});
    spec.selector.src_port_mask = Be16{static_cast<std::uint16_t>(i)};
    return spec;
  };
  for (std::uint32_t i = 0; i < 4095; ++i) set(i, with_masks(i));
  set(4095, with_masks(4095));
  EXPECT_EQ(spd_->tuple_count(Direction::out), Spd::kMaxTuples);
  EXPECT_EQ(spd_->set(0, with_masks(5000)), Refusal::too_many_masks);
  EXPECT_EQ(spd_->size(), 4096u);
  ASSERT_EQ(spd_->remove(17), Refusal::none);
  EXPECT_EQ(spd_->set(17, with_masks(5000)), Refusal::none);
  EXPECT_EQ(spd_->tuple_count(Direction::out), Spd::kMaxTuples);
}

TEST_F(SpdTest, ReplacesPoliciesWithoutEndInBoundedMemory) {
  set(0, policy_for({kA, 16}, {kB, 16}, 5));
  for (std::uint32_t i = 0; i < 100'000; ++i) set(0, policy_for({kA, 16}, {kB, 16}, i % 3));
  EXPECT_EQ(find(flow(kA, kB)), 0u);
  EXPECT_GT(quiescence_.waits(), 0);
  EXPECT_LT(quiescence_.waits(), 2000);
}

// The plainest SPD: a list, searched from end to end.
class PlainSpd {
 public:
  explicit PlainSpd(std::size_t size) : slots_(size) {}

  void set(std::uint32_t index, const PolicySpec& spec) {
    std::optional<Slot>& slot = slots_[index];
    const bool keeps_place = slot && slot->spec.priority == spec.priority &&
                             slot->spec.direction == spec.direction &&
                             slot->spec.selector == spec.selector;
    slot = Slot{spec, keeps_place ? slot->order : next_order_++};
  }
  void remove(std::uint32_t index) { slots_[index].reset(); }
  [[nodiscard]] bool holds(std::uint32_t index) const { return slots_[index].has_value(); }

  [[nodiscard]] std::uint32_t find(Direction direction, const FlowKey& key) const {
    std::uint32_t best = kNone;
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
      if (!slots_[i] || slots_[i]->spec.direction != direction || !matches(*slots_[i], key))
        continue;
      if (best == kNone || rank(i) < rank(best)) best = i;
    }
    return best;
  }

 private:
  struct Slot {
    PolicySpec spec;
    std::uint64_t order;
  };
  [[nodiscard]] std::pair<std::uint32_t, std::uint64_t> rank(std::uint32_t i) const {
    return {slots_[i]->spec.priority, slots_[i]->order};
  }
  static bool is_within(Ipv4Address address, const IpAddress& network, std::uint8_t bits) {
    return bits == 0 || (address.raw() ^ network.v4().host()) >> (32 - bits) == 0;
  }
  static bool matches(const Slot& slot, const FlowKey& key) {
    const Selector& selector = slot.spec.selector;
    return is_within(key.src, selector.src, selector.src_prefix_bits) &&
           is_within(key.dst, selector.dst, selector.dst_prefix_bits) &&
           (selector.protocol == 0 ||
            selector.protocol == static_cast<std::uint8_t>(key.protocol)) &&
           ((selector.src_port.host() ^ key.src_port) & selector.src_port_mask.host()) == 0 &&
           ((selector.dst_port.host() ^ key.dst_port) & selector.dst_port_mask.host()) == 0;
  }

  std::vector<std::optional<Slot>> slots_;
  std::uint64_t next_order_ = 0;
};

// Few addresses, ports and priorities, so that policies overlap and collide a lot.
class RandomPolicies {
 public:
  PolicySpec policy() {
    constexpr std::uint8_t kBits[] = {0, 8, 24, 30, 32};
    constexpr std::uint16_t kMasks[] = {0, 0, 0xffff, 0xfffe};
    PolicySpec spec = policy_for({address(), kBits[below(5)]}, {address(), kBits[below(5)]},
                                 below(4) == 0 ? below(1000) : below(3));
    spec.direction = below(2) == 0 ? Direction::in : Direction::out;
    spec.selector.protocol = below(2) == 0 ? std::uint8_t{0} : protocol();
    spec.selector.src_port_mask = Be16{kMasks[below(4)]};
    spec.selector.dst_port_mask = Be16{kMasks[below(4)]};
    spec.selector.src_port = Be16{port()};
    spec.selector.dst_port = Be16{port()};
    return spec;
  }
  FlowKey flow_key() {
    return {Ipv4Address{address()}, Ipv4Address{address()}, port(), port(),
            static_cast<IpProtocol>(protocol())};
  }
  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }

 private:
  std::uint32_t address() { return kA + below(2) * 0x01000000 + below(2) * 256 + below(6); }
  std::uint8_t protocol() { return below(2) == 0 ? 17 : 6; }
  std::uint16_t port() { return static_cast<std::uint16_t>(500 + below(4)); }

  std::mt19937 random_{11};
};

TEST_F(SpdTest, AgreesWithAPlainListUnderRandomUse) {
  constexpr std::uint32_t kPolicies = 300;
  PlainSpd plain(kPolicies);
  RandomPolicies policies;
  std::size_t found = 0;
  for (int step = 0; step < 3000; ++step) {
    const std::uint32_t index = policies.below(kPolicies);
    if (plain.holds(index) && policies.below(2) == 0) {
      ASSERT_EQ(spd_->remove(index), Refusal::none);
      plain.remove(index);
    } else {
      const PolicySpec spec = policies.policy();
      set(index, spec);
      plain.set(index, spec);
    }
    const Direction direction = step % 2 == 0 ? Direction::in : Direction::out;
    std::vector<FlowKey> flows;
    for (std::uint32_t i = 0; i < 1 + policies.below(70); ++i) flows.push_back(policies.flow_key());
    std::vector<FlowWords> words(flows.size());
    std::ranges::transform(flows, words.begin(), [](const FlowKey& key) { return words_of(key); });
    std::vector<const PolicyEntry*> entries(flows.size());
    spd_->lookup_burst(direction, words, entries);
    for (std::size_t i = 0; i < flows.size(); ++i) {
      const std::uint32_t index_found = entries[i] == nullptr ? kNone : entries[i]->index;
      ASSERT_EQ(index_found, plain.find(direction, flows[i])) << "step " << step;
      found += entries[i] != nullptr ? 1 : 0;
    }
  }
  EXPECT_GT(found, 10'000u);
}

}  // namespace
}  // namespace culvert
