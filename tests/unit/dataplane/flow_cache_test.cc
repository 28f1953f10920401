// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flow_cache.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "tests/unit/dataplane/reader_threads.h"
#include "tests/unit/dataplane/spd_test_support.h"

namespace culvert {
namespace {

constexpr PortId kPort{0};
constexpr std::uint32_t kNet = 0x0a000000;  // 10.0.0.0/8
constexpr std::uint32_t kMulticast = 0xe0000001;
constexpr std::uint32_t kLoopback = 0x7f000001;
constexpr Ipv4Address kGateway{0xc0000202};
constexpr Ipv4Address kOtherGateway{0xc0000203};

class FlowCacheTest : public testing::Test {
 protected:
  FlowCacheTest() {
    EXPECT_NE(spd_, nullptr);
    EXPECT_NE(fib_, nullptr);
  }

  FlowVerdict look(const FlowWords& flow) {
    FlowVerdict verdict;
    cache_->lookup_burst(std::span(&flow, 1), std::span(&verdict, 1));
    return verdict;
  }
  void route(Ipv4Address gateway) {
    ASSERT_EQ(fib_->route_add({Ipv4Address{kNet}, 8}, gateway, kPort), Refusal::none);
    fib_->publish();
  }
  // What the cache is to say, from the tables themselves.
  void expect_truth(const FlowWords& flow, const FlowVerdict& verdict) const {
    ASSERT_EQ(verdict.inbound, spd_->lookup(Direction::in, flow));
    ASSERT_EQ(verdict.outbound, spd_->lookup(Direction::out, flow));
    ASSERT_EQ(verdict.adjacency,
              fib_->lookup(Ipv4Address{static_cast<std::uint32_t>(flow.addresses)}));
  }

  Observer quiescence_;
  std::unique_ptr<Spd> spd_ = Spd::create(256, 3, quiescence_);
  std::unique_ptr<Fib> fib_ = Fib::create(
      "cached", {.max_routes = 512, .max_long_networks = 256, .max_adjacencies = 256}, quiescence_);
  std::unique_ptr<FlowCache> cache_ = std::make_unique<FlowCache>(*spd_, *fib_, 5);
};

// More flows than it keeps, some of them again and again, in bursts in which flows repeat.
TEST_F(FlowCacheTest, SaysWhatTheTablesSayWhileTheyChange) {
  std::mt19937 random(1);
  route(kGateway);
  for (std::uint32_t step = 0; step < 400; ++step) {
    const auto index = static_cast<std::uint32_t>(random() % 64);
    PolicySpec spec = policy_for({0, 0}, {kNet + (index << 8), 24}, index % 4);
    spec.direction = random() % 2 == 0 ? Direction::in : Direction::out;
    if (random() % 3 == 0) {
      static_cast<void>(spd_->remove(index));
    } else {
      ASSERT_EQ(spd_->set(index, spec), Refusal::none);
    }
    if (step % 10 == 0) route(random() % 2 == 0 ? kGateway : kOtherGateway);
    for (int burst = 0; burst < 8; ++burst) {
      std::vector<FlowWords> flows;
      const std::uint32_t hosts = burst % 2 == 0 ? 40'000 : 16;
      for (std::size_t i = 0; i < 1 + random() % kBurst; ++i) {
        flows.push_back(flow(1, kNet + static_cast<std::uint32_t>(random() % hosts)));
      }
      std::vector<FlowVerdict> verdicts(flows.size());
      cache_->lookup_burst(flows, verdicts);
      for (std::size_t i = 0; i < flows.size(); ++i) expect_truth(flows[i], verdicts[i]);
    }
  }
}

TEST_F(FlowCacheTest, TellsFlowsApartByEveryFieldOfTheirs) {
  ASSERT_EQ(spd_->set(1, policy_for({0, 0}, {0, 0}, 10)), Refusal::none);
  PolicySpec narrow = policy_for({kNet + 1, 32}, {kNet + 2, 32}, 1);
  narrow.selector.protocol = 17;
  narrow.selector.src_port = Be16{5};
  narrow.selector.src_port_mask = Be16{0xffff};
  narrow.selector.dst_port = Be16{6};
  narrow.selector.dst_port_mask = Be16{0xffff};
  ASSERT_EQ(spd_->set(0, narrow), Refusal::none);
  const FlowWords flows[] = {flow(kNet + 1, kNet + 2, IpProtocol::udp, 5, 6),
                             flow(kNet + 3, kNet + 2, IpProtocol::udp, 5, 6),
                             flow(kNet + 1, kNet + 3, IpProtocol::udp, 5, 6),
                             flow(kNet + 1, kNet + 2, IpProtocol::tcp, 5, 6),
                             flow(kNet + 1, kNet + 2, IpProtocol::udp, 7, 6),
                             flow(kNet + 1, kNet + 2, IpProtocol::udp, 5, 7)};
  for (int repeat = 0; repeat < 2; ++repeat) {
    for (std::size_t i = 0; i < std::size(flows); ++i) {
      EXPECT_EQ(look(flows[i]).outbound->index, i == 0 ? 0u : 1u) << i;
    }
  }
}

TEST_F(FlowCacheTest, FollowsAPolicyThatComesAndGoes) {
  const FlowWords here = flow(1, kNet + 1);
  EXPECT_EQ(look(here).outbound, nullptr);
  ASSERT_EQ(spd_->set(7, policy_for({0, 0}, {kNet, 8}, 1)), Refusal::none);
  EXPECT_EQ(look(here).outbound->index, 7u);
  ASSERT_EQ(spd_->remove(7), Refusal::none);
  EXPECT_EQ(look(here).outbound, nullptr);
}

TEST_F(FlowCacheTest, FollowsARouteThatChanges) {
  const FlowWords here = flow(1, kNet + 1);
  route(kGateway);
  EXPECT_EQ(fib_->adjacency(look(here).adjacency).next_hop, ip_address(kGateway));
  route(kOtherGateway);
  EXPECT_EQ(fib_->adjacency(look(here).adjacency).next_hop, ip_address(kOtherGateway));
}

// Whoever was quiescent while the writer waited must not use what it remembers from before.
TEST_F(FlowCacheTest, TablesCountTheirVersionOnBeforeTheyWait) {
  const FlowWords here = flow(1, kNet + 1);
  ASSERT_EQ(spd_->set(0, policy_for({0, 0}, {kNet, 8}, 1)), Refusal::none);
  route(kGateway);
  int waits = 0;
  std::uint64_t before = 0;
  quiescence_.look = [&] {
    ++waits;
    EXPECT_NE(spd_->version() + fib_->version(), before);
    expect_truth(here, look(here));
  };
  for (std::uint8_t bits = 9; bits < 25; ++bits) {  // each a tuple of its own
    before = spd_->version() + fib_->version();
    ASSERT_EQ(spd_->set(0, policy_for({0, 0}, {kNet, bits}, bits)), Refusal::none);
    before = spd_->version() + fib_->version();
    route(bits % 2 == 0 ? kGateway : kOtherGateway);
  }
  EXPECT_GE(waits, 32);
}

// As with IPv4 above, over prefixes of several lengths.
TEST_F(FlowCacheTest, SaysWhatTheTablesSayOfIpv6WhileTheyChange) {
  std::mt19937 random(2);
  for (std::uint32_t step = 0; step < 200; ++step) {
    const auto number = static_cast<std::uint16_t>(random() % 16);
    PolicySpec spec = policy6_for({}, {ip6(number, 0), 48}, number % 4);
    spec.direction = random() % 2 == 0 ? Direction::in : Direction::out;
    if (random() % 3 == 0) {
      static_cast<void>(spd_->remove(number));
    } else {
      ASSERT_EQ(spd_->set(number, spec), Refusal::none);
    }
    Ipv6Address gateway{0xfe, 0x80};
    gateway[15] = static_cast<std::uint8_t>(1 + random() % 3);
    ASSERT_EQ(fib_->route_add(Ipv6Prefix{ip6(number, 0), 48}, gateway, kPort), Refusal::none);
    fib_->publish();
    for (int burst = 0; burst < 8; ++burst) {
      std::vector<FlowWords6> flows;
      const std::uint32_t hosts = burst % 2 == 0 ? 10'000 : 4;
      for (std::size_t i = 0; i < 1 + random() % kBurst; ++i) {
        flows.push_back(flow(ip6(99, 1), ip6(static_cast<std::uint16_t>(random() % 16),
                                             static_cast<std::uint16_t>(random() % hosts))));
      }
      std::vector<FlowVerdict> verdicts(flows.size());
      cache_->lookup_burst(flows, verdicts);
      for (std::size_t i = 0; i < flows.size(); ++i) {
        ASSERT_EQ(verdicts[i].inbound, spd_->lookup(Direction::in, flows[i]));
        ASSERT_EQ(verdicts[i].outbound, spd_->lookup(Direction::out, flows[i]));
        ASSERT_EQ(verdicts[i].adjacency, fib_->lookup(destination_of(flows[i])));
      }
    }
  }
}

TEST_F(FlowCacheTest, TellsIpv6FlowsApartByEveryWordOfTheirs) {
  ASSERT_EQ(spd_->set(1, policy6_for({}, {}, 10)), Refusal::none);
  PolicySpec narrow = policy6_for({ip6(1, 1), 128}, {ip6(2, 2), 128}, 1);
  narrow.selector.protocol = 17;
  ASSERT_EQ(spd_->set(0, narrow), Refusal::none);
  const FlowWords6 flows[] = {
      flow(ip6(1, 1), ip6(2, 2)), flow(ip6(3, 1), ip6(2, 2)),
      flow(ip6(1, 3), ip6(2, 2)), flow(ip6(1, 1), ip6(3, 2)),
      flow(ip6(1, 1), ip6(2, 3)), flow(ip6(1, 1), ip6(2, 2), IpProtocol::tcp)};
  for (int repeat = 0; repeat < 2; ++repeat) {
    std::array<FlowVerdict, std::size(flows)> verdicts;
    cache_->lookup_burst(flows, verdicts);
    for (std::size_t i = 0; i < std::size(flows); ++i) {
      EXPECT_EQ(verdicts[i].outbound->index, i == 0 ? 0u : 1u) << i;
    }
  }
}

TEST_F(FlowCacheTest, KnowsIpv6FlowsThatNobodyMayForward) {
  Ipv6Address link_local{0xfe, 0x80};
  link_local[15] = 1;
  Ipv6Address loopback{};
  loopback[15] = 1;
  const Ipv6Address multicast{0xff, 0x0e};
  const std::array<std::pair<FlowWords6, FlowScope>, 6> cases{{
      {flow(ip6(1, 1), ip6(1, 2)), FlowScope::one_host},
      {flow(ip6(1, 1), multicast), FlowScope::for_many},
      {flow(ip6(1, 1), link_local), FlowScope::unroutable},
      {flow(link_local, ip6(1, 1)), FlowScope::unroutable},
      {flow(Ipv6Address{}, ip6(1, 1)), FlowScope::unroutable},
      {flow(ip6(1, 1), loopback), FlowScope::unroutable},
  }};
  for (int repeat = 0; repeat < 2; ++repeat) {
    for (const auto& [words, scope] : cases) {
      FlowVerdict verdict;
      cache_->lookup_burst(std::span(&words, 1), std::span(&verdict, 1));
      EXPECT_EQ(verdict.scope, scope);
    }
  }
}

TEST_F(FlowCacheTest, KnowsFlowsThatNobodyMayForward) {
  const std::array<std::pair<FlowWords, FlowScope>, 5> cases{{
      {flow(kNet + 1, kNet + 2), FlowScope::one_host},
      {flow(kNet + 1, kMulticast), FlowScope::for_many},
      {flow(kNet + 1, 0xffffffff), FlowScope::for_many},
      {flow(kNet + 1, kLoopback), FlowScope::unroutable},
      {flow(kLoopback, kNet + 1), FlowScope::unroutable},
  }};
  for (int repeat = 0; repeat < 2; ++repeat) {
    for (const auto& [words, scope] : cases) EXPECT_EQ(look(words).scope, scope);
  }
}

}  // namespace
}  // namespace culvert
