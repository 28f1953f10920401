// SPDX-License-Identifier: BSD-3-Clause
// The SPD with IPv6 policies, and with those of both families side by side.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "dataplane/spd.h"
#include "tests/unit/dataplane/reader_threads.h"
#include "tests/unit/dataplane/spd_test_support.h"

namespace culvert {
namespace {

constexpr std::uint32_t kNone = 0xffffffff;

class SpdIpv6Test : public testing::Test {
 protected:
  template <typename Words>
  std::uint32_t find(const Words& words, Direction direction = Direction::out) const {
    const PolicyEntry* const policy = spd_->lookup(direction, words);
    return policy == nullptr ? kNone : policy->index;
  }
  void set(std::uint32_t index, const PolicySpec& spec) {
    ASSERT_EQ(spd_->set(index, spec), Refusal::none);
  }

  NoReaders quiescence_;
  std::unique_ptr<Spd> spd_ = Spd::create(512, 1234, quiescence_);
};

TEST_F(SpdIpv6Test, MatchesPrefixesOfEveryLength) {
  for (unsigned bits = 0; bits <= 128; ++bits) {
    const Net6 net{ip6(0xaaaa, 0x5555), static_cast<std::uint8_t>(bits)};
    set(0, policy6_for(net, net));
    EXPECT_EQ(find(flow(net.address, net.address)), 0u) << bits;
    for (unsigned flipped = 0; flipped < 128; ++flipped) {
      Ipv6Address other = net.address;
      other[flipped / 8] ^= static_cast<std::uint8_t>(0x80 >> flipped % 8);
      const std::uint32_t expected = flipped < bits ? kNone : 0u;
      EXPECT_EQ(find(flow(other, net.address)), expected) << bits << " " << flipped;
      EXPECT_EQ(find(flow(net.address, other)), expected) << bits << " " << flipped;
    }
  }
}

TEST_F(SpdIpv6Test, MatchesProtocolPortsAndDirection) {
  PolicySpec spec = policy6_for(Net6{ip6(1, 0), 48}, Net6{ip6(2, 0), 48});
  spec.direction = Direction::in;
  spec.selector.protocol = 58;
  spec.selector.src_port = Be16{128};
  spec.selector.src_port_mask = Be16{0xffff};
  set(3, spec);
  const auto icmp = [](std::uint16_t type) {
    return flow(ip6(1, 9), ip6(2, 9), IpProtocol::icmpv6, type, 0);
  };
  EXPECT_EQ(find(icmp(128), Direction::in), 3u);
  EXPECT_EQ(find(icmp(129), Direction::in), kNone);
  EXPECT_EQ(find(icmp(128), Direction::out), kNone);
  EXPECT_EQ(find(flow(ip6(1, 9), ip6(2, 9), IpProtocol::udp, 128, 0), Direction::in), kNone);
}

TEST_F(SpdIpv6Test, KeepsFamiliesApart) {
  set(1, policy_for(Net{0, 0}, Net{0, 0}));
  EXPECT_EQ(find(flow(1, 2)), 1u);
  EXPECT_EQ(find(flow(ip6(1, 1), ip6(1, 2))), kNone);
  set(2, policy6_for(Net6{}, Net6{}));
  EXPECT_EQ(find(flow(1, 2)), 1u);
  EXPECT_EQ(find(flow(ip6(1, 1), ip6(1, 2))), 2u);
  EXPECT_EQ(spd_->tuple_count(Direction::out, Family::v4), 1u);
  EXPECT_EQ(spd_->tuple_count(Direction::out, Family::v6), 1u);
}

TEST_F(SpdIpv6Test, MovesAPolicyToAnotherFamilyAndBack) {
  const PolicySpec v4 = policy_for(Net{0, 0}, Net{0, 0});
  const PolicySpec v6 = policy6_for(Net6{}, Net6{});
  PolicySpec both = v4;
  both.selector = Selector{};
  struct Step {
    const PolicySpec& spec;
    std::uint32_t v4, v6;
  };
  for (const Step& step : {Step{v4, 7, kNone}, Step{v6, kNone, 7}, Step{both, 7, 7},
                           Step{v6, kNone, 7}, Step{v4, 7, kNone}, Step{both, 7, 7}}) {
    set(7, step.spec);
    EXPECT_EQ(find(flow(1, 2)), step.v4);
    EXPECT_EQ(find(flow(ip6(1, 1), ip6(1, 2))), step.v6);
    EXPECT_EQ(spd_->size(), 1u);
  }
  ASSERT_EQ(spd_->remove(7), Refusal::none);
  EXPECT_EQ(find(flow(1, 2)), kNone);
  EXPECT_EQ(find(flow(ip6(1, 1), ip6(1, 2))), kNone);
  EXPECT_EQ(spd_->size(), 0u);
  EXPECT_EQ(spd_->remove(7), Refusal::slot_empty);
}

TEST_F(SpdIpv6Test, RefusesPrefixesBeyond128Bits) {
  EXPECT_EQ(spd_->set(0, policy6_for(Net6{{}, 129}, Net6{})), Refusal::bad_prefix);
  EXPECT_EQ(spd_->set(0, policy6_for(Net6{}, Net6{{}, 129})), Refusal::bad_prefix);
}

TEST_F(SpdIpv6Test, ReplacesPoliciesOfNoFamilyWithoutEndInBoundedMemory) {
  PolicySpec spec = policy_for(Net{}, Net{});
  spec.selector = Selector{};
  for (std::uint32_t round = 0; round < 20; ++round) {
    for (std::uint32_t i = 0; i < 512; ++i) {
      spec.priority = (i + round) % 5;
      set(i, spec);
    }
  }
  EXPECT_EQ(spd_->size(), 512u);
  EXPECT_EQ(find(flow(1, 2)), find(flow(ip6(1, 1), ip6(1, 2))));
  EXPECT_GT(quiescence_.waits(), 0);
}

// Against a plain list of policies, with few addresses, so that they overlap a lot.
TEST_F(SpdIpv6Test, AgreesWithAPlainListUnderRandomUse) {
  std::mt19937 random(5);
  const auto below = [&random](unsigned end) { return static_cast<unsigned>(random() % end); };
  const auto address = [&below] {
    return ip6(static_cast<std::uint16_t>(below(2) << 15 | below(2)),
               static_cast<std::uint16_t>(below(2) << 8 | below(2)));
  };
  const auto is_within = [](const Ipv6Address& of, const IpAddress& net, unsigned bits) {
    for (unsigned i = 0; i < bits; ++i) {
      const auto bit = static_cast<std::uint8_t>(0x80 >> i % 8);
      if (((of[i / 8] ^ net.bytes[i / 8]) & bit) != 0) return false;
    }
    return true;
  };
  constexpr std::uint8_t kBits[] = {0, 33, 48, 120, 128};
  std::map<std::uint32_t, PolicySpec> plain;
  std::size_t found = 0;
  for (std::uint32_t step = 0; step < 2000; ++step) {
    const std::uint32_t index = below(100);
    if (plain.contains(index) && below(2) == 0) {
      ASSERT_EQ(spd_->remove(index), Refusal::none);
      plain.erase(index);
    } else {
      // Distinct priorities: the list needs no order among equals.
      const PolicySpec spec =
          policy6_for(Net6{address(), kBits[below(5)]}, Net6{address(), kBits[below(5)]},
                      below(3) * 100'000 + step);
      set(index, spec);
      plain[index] = spec;
    }
    std::vector<FlowWords6> flows;
    for (unsigned i = 0; i < 1 + below(70); ++i) flows.push_back(flow(address(), address()));
    std::vector<const PolicyEntry*> entries(flows.size());
    spd_->lookup_burst(Direction::out, flows, entries);
    for (std::size_t i = 0; i < flows.size(); ++i) {
      const PolicySpec* best = nullptr;
      std::uint32_t best_index = kNone;
      for (const auto& [number, spec] : plain) {
        const Selector& selector = spec.selector;
        if (is_within(source_of(flows[i]), selector.src, selector.src_prefix_bits) &&
            is_within(destination_of(flows[i]), selector.dst, selector.dst_prefix_bits) &&
            (best == nullptr || spec.priority < best->priority)) {
          best = &spec;
          best_index = number;
        }
      }
      ASSERT_EQ(entries[i] == nullptr ? kNone : entries[i]->index, best_index) << step;
      found += best != nullptr ? 1 : 0;
    }
  }
  EXPECT_GT(found, 10'000u);
}

TEST(FlowOfIpv6, LooksBehindExtensionHeaders) {
  std::vector<std::byte> packet(40 + 8 + 8);
  auto& ip = *mutable_header_at<Ipv6Header>(packet, 0);
  ip = Ipv6Header{};
  ip.payload_length = Be16{16};
  ip.next_header = IpProtocol::ipv6_destination_options;
  ip.source = ip6(1, 2);
  ip.destination = ip6(3, 4);
  packet[40] = std::byte{17};
  *mutable_header_at<Be32>(packet, 48) = Be32{500u << 16 | 4500};
  const FlowWords6 words = flow_of(packet, walk_ipv6(packet));
  EXPECT_EQ(words, flow(ip6(1, 2), ip6(3, 4), IpProtocol::udp, 500, 4500));
  EXPECT_EQ(source_of(words), ip6(1, 2));
  EXPECT_EQ(destination_of(words), ip6(3, 4));
}

}  // namespace
}  // namespace culvert
