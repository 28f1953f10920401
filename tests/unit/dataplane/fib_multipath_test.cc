// SPDX-License-Identifier: BSD-3-Clause
// Routes of several next hops.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/fib.h"
#include "dataplane/keyed_hash.h"
#include "tests/unit/dataplane/reader_threads.h"
#include "tests/unit/dataplane/spd_test_support.h"

namespace culvert {
namespace {

constexpr PortId kWan{0};
constexpr PortId kLan{1};
constexpr MacAddress kMac{{2, 0, 0, 0, 0, 1}};

constexpr Ipv4Address ip(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return Ipv4Address{a << 24 | b << 16 | c << 8 | d};
}
constexpr IpPrefix kNet{ip(10, 0, 0, 0), 8};
constexpr IpPrefix kOtherNet{ip(172, 16, 0, 0), 16};
constexpr Ipv4Address kFar = ip(10, 1, 2, 3);

using Hop = WeightedHop<Ipv4Address>;
using Hops = std::vector<Hop>;
constexpr Hop kFirst{ip(192, 0, 2, 2), kWan};
constexpr Hop kSecond{ip(192, 0, 2, 3), kWan};
constexpr Hop kThird{ip(10, 9, 0, 2), kLan};

class FibMultipath : public testing::Test {
 protected:
  static constexpr FibLimits kLimits{.max_routes = 256,
                                     .max_long_networks = 16,
                                     .max_adjacencies = AdjacencyTable::kFirstNextHop + 10,
                                     .max_ipv6_routes = 256,
                                     .max_hop_groups = 2};
  FibMultipath() {
    static int made = 0;
    fib_ = Fib::create("multipath" + std::to_string(made++), kLimits, quiescence_);
    EXPECT_NE(fib_, nullptr);
  }

  // How many of a thousand flows each next hop gets; "" for those that go nowhere.
  template <typename Address>
  [[nodiscard]] std::map<std::string, int> flows_to(const Address& destination) const {
    std::map<std::string, int> result;
    for (std::uint64_t flow = 1; flow <= 1000; ++flow) {
      const AdjacencyIndex next =
          fib_->next_hop(fib_->lookup(destination), multiply_and_fold(flow, kHashSalt[0]));
      const Adjacency adjacency = fib_->adjacency(next);
      EXPECT_NE(adjacency.kind, AdjacencyKind::group);
      std::string name;
      if (adjacency.kind == AdjacencyKind::unresolved ||
          adjacency.kind == AdjacencyKind::resolved) {
        name = std::to_string(adjacency.next_hop.bytes[sizeof(Address) - 1]);
      }
      ++result[name + "@" + std::to_string(adjacency.port.raw())];
    }
    return result;
  }
  Refusal set(const IpPrefix& prefix, const Hops& hops) {
    const Refusal refusal = fib_->route_add(prefix, hops);
    fib_->publish();
    return refusal;
  }

  NoReaders quiescence_;
  std::unique_ptr<Fib> fib_;
};

TEST_F(FibMultipath, SpreadsFlowsOverAllNextHops) {
  ASSERT_EQ(set(kNet, {kFirst, kSecond, kThird}), Refusal::none);
  auto flows = flows_to(kFar);
  EXPECT_EQ(flows.size(), 3u);
  for (const char* const hop : {"2@0", "3@0", "2@1"}) EXPECT_NEAR(flows[hop], 333, 70) << hop;
}

TEST_F(FibMultipath, GivesTheFlowsOfANextHopThatGoesToTheOthers) {
  ASSERT_EQ(set(kNet, {kFirst, kSecond}), Refusal::none);
  ASSERT_EQ(set(kNet, {kSecond}), Refusal::none);
  EXPECT_EQ(flows_to(kFar), (std::map<std::string, int>{{"3@0", 1000}}));
  ASSERT_EQ(set(kNet, {kSecond, kFirst}), Refusal::none);
  EXPECT_EQ(flows_to(kFar).size(), 2u);
  ASSERT_EQ(fib_->route_delete(kNet), Refusal::none);
  fib_->publish();
  EXPECT_EQ(fib_->lookup(kFar), kNoRoute);
}

TEST_F(FibMultipath, SharesOneGroupAmongRoutesOverTheSameNextHops) {
  ASSERT_EQ(set(kNet, {kFirst, kSecond}), Refusal::none);
  ASSERT_EQ(set(kOtherNet, {kSecond, kFirst}), Refusal::none);
  EXPECT_EQ(fib_->lookup(kFar), fib_->lookup(ip(172, 16, 0, 1)));
  ASSERT_EQ(fib_->route_delete(kNet), Refusal::none);
  fib_->publish();
  EXPECT_EQ(flows_to(ip(172, 16, 0, 1)).size(), 2u);
}

TEST_F(FibMultipath, TakesItsPlaceBackWhenRoutesChange) {
  for (std::uint16_t round = 0; round < 100; ++round) {
    Hop heavier = kSecond;
    heavier.weight = static_cast<std::uint16_t>(1 + round);
    ASSERT_EQ(set(kNet, {kFirst, heavier}), Refusal::none) << round;
    ASSERT_EQ(set(kNet, {kThird}), Refusal::none) << round;
  }
  ASSERT_EQ(set(kNet, {}), Refusal::bad_hop_place);
}

TEST_F(FibMultipath, ChangesNothingWhereThereIsNoRoom) {
  ASSERT_EQ(set(kNet, {kFirst, kSecond}), Refusal::none);
  // Two next hops and a group are taken, seven indices are left.
  Hops many;
  for (std::uint32_t i = 0; i < 7; ++i) many.push_back({ip(192, 0, 2, 10 + i), kWan});
  EXPECT_EQ(set(kOtherNet, many), Refusal::no_table_memory);
  EXPECT_EQ(fib_->lookup(ip(172, 16, 0, 1)), kNoRoute);
  // They rest until the second publish.
  EXPECT_EQ(set(kOtherNet, {kFirst}), Refusal::none);
  many.pop_back();
  EXPECT_EQ(set(kOtherNet, many), Refusal::none);
  EXPECT_EQ(flows_to(ip(172, 16, 0, 1)).size(), 6u);
  // A third group finds no room.
  EXPECT_EQ(set({ip(172, 17, 0, 0), 16}, {kFirst, many.front()}), Refusal::no_table_memory);
  EXPECT_EQ(flows_to(kFar).size(), 2u);
}

TEST_F(FibMultipath, RefusesWhatNoGroupCanBe) {
  Hop hop = kSecond;
  hop.weight = 0;
  EXPECT_EQ(set(kNet, {kFirst, hop}), Refusal::bad_weight);
  hop.weight = kMaxHopWeight + 1;
  EXPECT_EQ(set(kNet, {kFirst, hop}), Refusal::bad_weight);
  hop = kFirst;
  hop.weight = 2;
  EXPECT_EQ(set(kNet, {kFirst, kSecond, hop}), Refusal::duplicate_hop);
  EXPECT_EQ(set(kNet, {kFirst, {kFirst.via, PortId{kMaxPorts}}}), Refusal::bad_port);
  EXPECT_EQ(set(kNet, Hops(kMaxRouteHops + 1, kFirst)), Refusal::too_many_hops);
  EXPECT_EQ(fib_->lookup(kFar), kNoRoute);
}

TEST_F(FibMultipath, PassesOverNextHopsWhoseLinkIsDown) {
  ASSERT_EQ(set(kNet, {kFirst, kThird}), Refusal::none);
  EXPECT_TRUE(fib_->set_link(kLan, false));
  EXPECT_EQ(flows_to(kFar), (std::map<std::string, int>{{"2@0", 1000}}));
  EXPECT_TRUE(fib_->set_link(kWan, false));
  EXPECT_EQ(flows_to(kFar).size(), 2u);
  EXPECT_TRUE(fib_->set_link(kLan, true));
  EXPECT_EQ(flows_to(kFar), (std::map<std::string, int>{{"2@1", 1000}}));
}

TEST_F(FibMultipath, LearnsOfANeighborAtOnceAndMovesNoFlow) {
  ASSERT_EQ(set(kNet, {kFirst, kSecond}), Refusal::none);
  const auto before = flows_to(kFar);
  ASSERT_EQ(fib_->neighbor_set(kWan, kFirst.via, kMac), Refusal::none);
  fib_->publish();
  EXPECT_EQ(flows_to(kFar), before);
  int resolved = 0;
  for (std::uint64_t bucket = 0; bucket < HopGroups::kBuckets; ++bucket) {
    const auto adjacency = fib_->packed(fib_->next_hop(fib_->lookup(kFar), bucket));
    resolved += adjacency.kind() == AdjacencyKind::resolved ? 1 : 0;
  }
  EXPECT_NEAR(resolved, HopGroups::kBuckets / 2, 200);
}

// A destination on one of two links is found there once its neighbour entry is known.
TEST_F(FibMultipath, FindsNeighborsOnTheLinksOfARouteWithoutGateways) {
  ASSERT_EQ(set(kNet, {{Ipv4Address{}, kWan}, {Ipv4Address{}, kLan}}), Refusal::none);
  EXPECT_EQ(flows_to(kFar).size(), 2u);
  ASSERT_EQ(fib_->neighbor_set(kLan, kFar, kMac), Refusal::none);
  fib_->publish();
  EXPECT_EQ(flows_to(kFar), (std::map<std::string, int>{{"3@1", 1000}}));
  EXPECT_EQ(flows_to(ip(10, 1, 2, 4)).size(), 2u);
}

TEST_F(FibMultipath, DoesTheSameForIpv6) {
  const Ipv6Prefix net{ip6(7, 0), 48};
  const Ipv6Address first{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
  const Ipv6Address second{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3};
  const std::vector<WeightedHop<Ipv6Address>> hops{{first, kWan, 3}, {second, kLan, 1}};
  ASSERT_EQ(fib_->route_add(net, hops), Refusal::none);
  fib_->publish();
  auto flows = flows_to(ip6(7, 1));
  EXPECT_NEAR(flows["2@0"], 750, 70);
  EXPECT_NEAR(flows["3@1"], 250, 70);
  ASSERT_EQ(fib_->route_add(net, second, kLan), Refusal::none);
  fib_->publish();
  EXPECT_EQ(flows_to(ip6(7, 1)), (std::map<std::string, int>{{"3@1", 1000}}));
}

}  // namespace
}  // namespace culvert
