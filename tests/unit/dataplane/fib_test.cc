// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/fib.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/dataplane/reader_threads.h"

namespace culvert {
namespace {

constexpr PortId kWan{0};
constexpr PortId kLan{1};
constexpr MacAddress kMac{{2, 0, 0, 0, 0, 1}};
constexpr MacAddress kOtherMac{{2, 0, 0, 0, 0, 2}};

constexpr Ipv4Address ip(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return Ipv4Address{a << 24 | b << 16 | c << 8 | d};
}
constexpr Ipv4Address kGateway = ip(192, 0, 2, 2);
constexpr Ipv4Address kDirect{};

class FibTest : public testing::Test {
 protected:
  FibTest() { EXPECT_NE(fib_, nullptr); }

  Adjacency look(Ipv4Address destination) const {
    AdjacencyIndex index;
    fib_->lookup_burst(std::span(&destination, 1), std::span(&index, 1));
    return fib_->adjacency(index);
  }
  AdjacencyKind kind(Ipv4Address destination) const { return look(destination).kind; }

  // 192.0.2.1/24 on the WAN, as most tests want it.
  void give_address() {
    ASSERT_EQ(fib_->address_add(kWan, {ip(192, 0, 2, 1), 24}), Refusal::none);
    fib_->publish();
  }
  static std::unique_ptr<Fib> make(const FibLimits& limits, Quiescence& quiescence) {
    static int made = 0;
    return Fib::create("test" + std::to_string(made++), limits, quiescence);
  }

  static constexpr FibLimits kLimits{
      .max_routes = 4096, .max_long_networks = 256, .max_adjacencies = 1024};
  NoReaders quiescence_;
  std::unique_ptr<Fib> fib_ = make(kLimits, quiescence_);
};

using enum AdjacencyKind;

TEST_F(FibTest, KnowsNoRouteWhenItIsEmpty) {
  EXPECT_EQ(kind(ip(10, 0, 0, 1)), no_route);
  fib_->publish();
  EXPECT_EQ(quiescence_.waits(), 0);
}

TEST_F(FibTest, MakesAnAddressLocalAndItsNetworkOnLink) {
  give_address();
  EXPECT_EQ(kind(ip(192, 0, 2, 1)), local);
  EXPECT_EQ(kind(ip(192, 0, 2, 7)), on_link);
  EXPECT_EQ(look(ip(192, 0, 2, 7)).port, kWan);
  EXPECT_EQ(kind(ip(192, 0, 2, 255)), broadcast);
  EXPECT_EQ(kind(ip(192, 0, 3, 1)), no_route);
}

TEST_F(FibTest, HasNoBroadcastAddressInNetworksOfTwo) {
  ASSERT_EQ(fib_->address_add(kWan, {ip(192, 0, 2, 0), 31}), Refusal::none);
  ASSERT_EQ(fib_->address_add(kLan, {ip(10, 9, 9, 9), 32}), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip(192, 0, 2, 0)), local);
  EXPECT_EQ(kind(ip(192, 0, 2, 1)), on_link);
  EXPECT_EQ(kind(ip(10, 9, 9, 9)), local);
}

TEST_F(FibTest, ChangesNothingForWorkersBeforePublish) {
  ASSERT_EQ(fib_->address_add(kWan, {ip(192, 0, 2, 1), 24}), Refusal::none);
  EXPECT_EQ(kind(ip(192, 0, 2, 1)), no_route);
  fib_->publish();
  EXPECT_EQ(kind(ip(192, 0, 2, 1)), local);
  EXPECT_EQ(quiescence_.waits(), 1);
}

TEST_F(FibTest, ResolvesANeighborThatComesAfterTheAddress) {
  give_address();
  ASSERT_EQ(fib_->neighbor_set(kWan, kGateway, kMac), Refusal::none);
  fib_->publish();
  const Adjacency found = look(kGateway);
  EXPECT_EQ(found.kind, resolved);
  EXPECT_EQ(found.mac, kMac);
  EXPECT_EQ(found.port, kWan);
  EXPECT_EQ(found.next_hop, ip_address(kGateway));
  EXPECT_EQ(kind(ip(192, 0, 2, 3)), on_link);
}

TEST_F(FibTest, ResolvesANeighborThatComesBeforeTheAddress) {
  ASSERT_EQ(fib_->neighbor_set(kWan, kGateway, kMac), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(kGateway), no_route);
  give_address();
  EXPECT_EQ(kind(kGateway), resolved);
}

TEST_F(FibTest, TakesANewMacAtOnce) {
  give_address();
  ASSERT_EQ(fib_->neighbor_set(kWan, kGateway, kMac), Refusal::none);
  fib_->publish();
  ASSERT_EQ(fib_->neighbor_set(kWan, kGateway, kOtherMac), Refusal::none);
  EXPECT_EQ(look(kGateway).mac, kOtherMac);
}

TEST_F(FibTest, GoesBackToTheLinkWhenANeighborIsLost) {
  give_address();
  ASSERT_EQ(fib_->neighbor_set(kWan, kGateway, kMac), Refusal::none);
  ASSERT_EQ(fib_->neighbor_delete(kWan, kGateway), Refusal::none);
  EXPECT_EQ(fib_->neighbor_delete(kWan, kGateway), Refusal::slot_empty);
  fib_->publish();
  EXPECT_EQ(kind(kGateway), on_link);
}

TEST_F(FibTest, IgnoresANeighborOnAPortWhoseLinkItIsNot) {
  give_address();
  ASSERT_EQ(fib_->neighbor_set(kLan, kGateway, kMac), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(kGateway), on_link);
}

TEST_F(FibTest, SendsARouteByWayOfItsGateway) {
  give_address();
  ASSERT_EQ(fib_->route_add({ip(10, 2, 0, 0), 16}, kGateway, kWan), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip(10, 2, 3, 4)), unresolved);
  EXPECT_EQ(look(ip(10, 2, 3, 4)).next_hop, ip_address(kGateway));
  ASSERT_EQ(fib_->neighbor_set(kWan, kGateway, kMac), Refusal::none);
  EXPECT_EQ(kind(ip(10, 2, 3, 4)), resolved);
  EXPECT_EQ(look(ip(10, 2, 3, 4)).mac, kMac);
  ASSERT_EQ(fib_->neighbor_delete(kWan, kGateway), Refusal::none);
  EXPECT_EQ(kind(ip(10, 2, 3, 4)), unresolved);
  EXPECT_EQ(kind(ip(10, 3, 0, 0)), no_route);
}

TEST_F(FibTest, KeepsAGatewayUntilItsLastRouteGoes) {
  ASSERT_EQ(fib_->route_add({ip(10, 2, 0, 0), 16}, kGateway, kWan), Refusal::none);
  ASSERT_EQ(fib_->route_add({ip(10, 3, 0, 0), 16}, kGateway, kWan), Refusal::none);
  ASSERT_EQ(fib_->neighbor_set(kWan, kGateway, kMac), Refusal::none);
  ASSERT_EQ(fib_->route_delete({ip(10, 2, 0, 0), 16}), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip(10, 2, 0, 1)), no_route);
  EXPECT_EQ(kind(ip(10, 3, 0, 1)), resolved);
}

TEST_F(FibTest, ReplacesARoute) {
  give_address();
  ASSERT_EQ(fib_->route_add({ip(10, 2, 0, 0), 16}, kGateway, kWan), Refusal::none);
  fib_->publish();
  ASSERT_EQ(fib_->route_add({ip(10, 2, 0, 0), 16}, ip(172, 16, 0, 1), kLan), Refusal::none);
  fib_->publish();
  EXPECT_EQ(look(ip(10, 2, 0, 1)).next_hop, ip_address(ip(172, 16, 0, 1)));
  EXPECT_EQ(look(ip(10, 2, 0, 1)).port, kLan);
  ASSERT_EQ(fib_->route_add_blackhole({ip(10, 2, 0, 0), 16}), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip(10, 2, 0, 1)), blackhole);
  ASSERT_EQ(fib_->route_add({ip(10, 2, 0, 0), 16}, kDirect, kLan), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip(10, 2, 0, 1)), on_link);
}

TEST_F(FibTest, PrefersTheLongestPrefixAndFallsBack) {
  ASSERT_EQ(fib_->route_add({ip(0, 0, 0, 0), 0}, ip(1, 1, 1, 1), kWan), Refusal::none);
  ASSERT_EQ(fib_->route_add({ip(10, 0, 0, 0), 8}, ip(2, 2, 2, 2), kWan), Refusal::none);
  ASSERT_EQ(fib_->route_add({ip(10, 1, 1, 128), 25}, ip(3, 3, 3, 3), kWan), Refusal::none);
  fib_->publish();
  EXPECT_EQ(look(ip(9, 0, 0, 1)).next_hop, ip_address(ip(1, 1, 1, 1)));
  EXPECT_EQ(look(ip(10, 1, 1, 1)).next_hop, ip_address(ip(2, 2, 2, 2)));
  EXPECT_EQ(look(ip(10, 1, 1, 200)).next_hop, ip_address(ip(3, 3, 3, 3)));
  ASSERT_EQ(fib_->route_delete({ip(10, 1, 1, 128), 25}), Refusal::none);
  ASSERT_EQ(fib_->route_delete({ip(10, 0, 0, 0), 8}), Refusal::none);
  fib_->publish();
  EXPECT_EQ(look(ip(10, 1, 1, 200)).next_hop, ip_address(ip(1, 1, 1, 1)));
  ASSERT_EQ(fib_->route_delete({ip(0, 0, 0, 0), 0}), Refusal::none);
  EXPECT_EQ(fib_->route_delete({ip(0, 0, 0, 0), 0}), Refusal::slot_empty);
  fib_->publish();
  EXPECT_EQ(kind(ip(10, 1, 1, 200)), no_route);
}

TEST_F(FibTest, FallsBackToRoutesWhenAnAddressGoes) {
  give_address();
  ASSERT_EQ(fib_->route_add({ip(192, 0, 2, 0), 24}, ip(172, 16, 0, 1), kLan), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip(192, 0, 2, 1)), local);
  EXPECT_EQ(look(ip(192, 0, 2, 9)).next_hop, ip_address(ip(172, 16, 0, 1)));
  ASSERT_EQ(fib_->address_delete(kWan, {ip(192, 0, 2, 1), 24}), Refusal::none);
  EXPECT_EQ(fib_->address_delete(kWan, {ip(192, 0, 2, 1), 24}), Refusal::slot_empty);
  fib_->publish();
  EXPECT_EQ(look(ip(192, 0, 2, 1)).next_hop, ip_address(ip(172, 16, 0, 1)));
  EXPECT_EQ(look(ip(192, 0, 2, 255)).next_hop, ip_address(ip(172, 16, 0, 1)));
}

TEST_F(FibTest, UsesANeighborOnlyWhileTheLongestPrefixIsTheLink) {
  give_address();
  ASSERT_EQ(fib_->neighbor_set(kWan, ip(192, 0, 2, 200), kMac), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip(192, 0, 2, 200)), resolved);
  ASSERT_EQ(fib_->route_add({ip(192, 0, 2, 128), 25}, kGateway, kWan), Refusal::none);
  fib_->publish();
  EXPECT_EQ(look(ip(192, 0, 2, 200)).next_hop, ip_address(kGateway));
  ASSERT_EQ(fib_->route_delete({ip(192, 0, 2, 128), 25}), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip(192, 0, 2, 200)), resolved);
}

TEST_F(FibTest, ResolvesANeighborOfARouteOnTheLink) {
  ASSERT_EQ(fib_->route_add({ip(10, 9, 9, 9), 32}, kDirect, kLan), Refusal::none);
  ASSERT_EQ(fib_->neighbor_set(kLan, ip(10, 9, 9, 9), kMac), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip(10, 9, 9, 9)), resolved);
  ASSERT_EQ(fib_->route_delete({ip(10, 9, 9, 9), 32}), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip(10, 9, 9, 9)), no_route);
}

TEST_F(FibTest, NeverTakesANeighborForAnAddressOfOurs) {
  ASSERT_EQ(fib_->neighbor_set(kWan, ip(192, 0, 2, 1), kMac), Refusal::none);
  give_address();
  EXPECT_EQ(kind(ip(192, 0, 2, 1)), local);
}

TEST_F(FibTest, HoldsOneNetworkFromTwoAddresses) {
  give_address();
  ASSERT_EQ(fib_->address_add(kWan, {ip(192, 0, 2, 5), 24}), Refusal::none);
  ASSERT_EQ(fib_->address_delete(kWan, {ip(192, 0, 2, 1), 24}), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip(192, 0, 2, 5)), local);
  EXPECT_EQ(kind(ip(192, 0, 2, 1)), on_link);
  EXPECT_EQ(kind(ip(192, 0, 2, 255)), broadcast);
}

TEST_F(FibTest, RefusesPrefixesAndPortsThatDoNotExist) {
  EXPECT_EQ(fib_->address_add(kWan, {ip(1, 1, 1, 1), 33}), Refusal::bad_prefix);
  EXPECT_EQ(fib_->route_add({ip(1, 1, 1, 1), 33}, kGateway, kWan), Refusal::bad_prefix);
  EXPECT_EQ(fib_->route_add_blackhole({ip(1, 1, 1, 1), 33}), Refusal::bad_prefix);
  EXPECT_EQ(fib_->route_delete({ip(1, 1, 1, 1), 33}), Refusal::bad_prefix);
  EXPECT_EQ(fib_->address_add(PortId{32}, {ip(1, 1, 1, 1), 24}), Refusal::bad_port);
  EXPECT_EQ(fib_->route_add({ip(1, 1, 1, 1), 24}, kGateway, kNoPort), Refusal::bad_port);
  EXPECT_EQ(fib_->neighbor_set(kNoPort, kGateway, kMac), Refusal::bad_port);
}

TEST_F(FibTest, RefusesWhatDoesNotFitAndStaysAsItWas) {
  const auto fib =
      make({.max_routes = 8, .max_long_networks = 2, .max_adjacencies = 101}, quiescence_);
  ASSERT_NE(fib, nullptr);
  // Three next hops fit.
  for (std::uint32_t i = 1; i <= 3; ++i) {
    ASSERT_EQ(fib->route_add({ip(10, i, 0, 0), 16}, ip(1, 1, 1, i), kWan), Refusal::none);
  }
  EXPECT_EQ(fib->route_add({ip(10, 4, 0, 0), 16}, ip(1, 1, 1, 4), kWan), Refusal::no_table_memory);
  EXPECT_EQ(fib->neighbor_set(kWan, ip(1, 1, 1, 4), kMac), Refusal::no_table_memory);
  // Long prefixes fit into two networks; an address in a third leaves nothing behind.
  ASSERT_EQ(fib->route_add_blackhole({ip(20, 0, 0, 1), 32}), Refusal::none);
  ASSERT_EQ(fib->route_add_blackhole({ip(20, 0, 1, 1), 32}), Refusal::none);
  EXPECT_EQ(fib->address_add(kWan, {ip(20, 0, 2, 1), 24}), Refusal::no_table_memory);
  EXPECT_EQ(fib->address_delete(kWan, {ip(20, 0, 2, 1), 24}), Refusal::slot_empty);
  EXPECT_EQ(fib->route_add_blackhole({ip(20, 0, 2, 1), 32}), Refusal::no_table_memory);
  // Eight prefixes fit.
  for (std::uint32_t i = 6; i <= 8; ++i) {
    ASSERT_EQ(fib->route_add_blackhole({ip(30, i, 0, 0), 16}), Refusal::none);
  }
  EXPECT_EQ(fib->route_add_blackhole({ip(30, 9, 0, 0), 16}), Refusal::no_table_memory);
  fib->publish();
  ASSERT_EQ(fib->route_delete({ip(30, 8, 0, 0), 16}), Refusal::none);
  EXPECT_EQ(fib->route_add_blackhole({ip(30, 9, 0, 0), 16}), Refusal::none);
  fib->publish();
}

TEST_F(FibTest, ReusesNextHopsOnlyAfterTheSecondPublish) {
  const auto fib =
      make({.max_routes = 8, .max_long_networks = 2, .max_adjacencies = 99}, quiescence_);
  ASSERT_NE(fib, nullptr);
  const IpPrefix prefix{ip(10, 0, 0, 0), 8};
  ASSERT_EQ(fib->route_add(prefix, ip(1, 1, 1, 1), kWan), Refusal::none);
  ASSERT_EQ(fib->route_delete(prefix), Refusal::none);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(fib->route_add(prefix, ip(1, 1, 1, 2), kWan), Refusal::no_table_memory);
    fib->publish();
    ASSERT_EQ(fib->route_add_blackhole(prefix), Refusal::none);
    ASSERT_EQ(fib->route_delete(prefix), Refusal::none);
  }
  EXPECT_EQ(fib->route_add(prefix, ip(1, 1, 1, 2), kWan), Refusal::none);
}

TEST_F(FibTest, TakesLongPrefixesWithTheNextHopOfTheShorterOneWithoutEnd) {
  ASSERT_EQ(fib_->route_add({ip(10, 0, 0, 0), 24}, kDirect, kWan), Refusal::none);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(fib_->route_add({ip(10, 0, 0, 1), 32}, kDirect, kWan), Refusal::none) << i;
    ASSERT_EQ(fib_->route_delete({ip(10, 0, 0, 1), 32}), Refusal::none);
  }
}

TEST_F(FibTest, ShowsTheNewStateBeforeItWaitsAndNeverTheOldOneAgain) {
  Observer observer;
  const auto fib = make(kLimits, observer);
  ASSERT_NE(fib, nullptr);
  const Ipv4Address destination = ip(10, 0, 0, 1);
  const auto is_blackhole = [&] {
    AdjacencyIndex index;
    fib->lookup_burst(std::span(&destination, 1), std::span(&index, 1));
    return fib->adjacency(index).kind == blackhole;
  };
  bool meanwhile = false;
  observer.look = [&] { meanwhile = is_blackhole(); };
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(fib->route_add_blackhole({destination, 32}), Refusal::none);
    EXPECT_FALSE(is_blackhole());
    fib->publish();
    EXPECT_TRUE(meanwhile);
    EXPECT_TRUE(is_blackhole());
    ASSERT_EQ(fib->route_delete({destination, 32}), Refusal::none);
    EXPECT_TRUE(is_blackhole());
    fib->publish();
    EXPECT_FALSE(meanwhile);
    EXPECT_FALSE(is_blackhole());
  }
}

// Longest-prefix match over a map, the plain way.
AdjacencyKind plain_lookup(const std::map<IpPrefix, AdjacencyKind>& routes, Ipv4Address address) {
  for (int bits = 32; bits >= 0; --bits) {
    const std::uint32_t mask = bits == 0 ? 0 : ~0u << (32 - bits);
    const auto found =
        routes.find({Ipv4Address{address.raw() & mask}, static_cast<std::uint8_t>(bits)});
    if (found != routes.end()) return found->second;
  }
  return no_route;
}

TEST_F(FibTest, AgreesWithAPlainLongestPrefixMatchUnderRandomUse) {
  std::mt19937 random(3);
  const auto below = [&](std::uint32_t end) { return static_cast<std::uint32_t>(random() % end); };
  // Around four /24 networks, so that prefixes nest and long ones come and go.
  const auto address = [&] {
    return Ipv4Address{0x0a000000 + below(2) * 0x10000 + below(2) * 256 + below(256)};
  };
  std::map<IpPrefix, AdjacencyKind> routes;
  for (int step = 0; step < 4000; ++step) {
    const auto bits = static_cast<std::uint8_t>(below(8) == 0 ? below(24) : 22 + below(11));
    const std::uint32_t mask = bits == 0 ? 0 : ~0u << (32 - bits);
    const IpPrefix prefix{Ipv4Address{address().raw() & mask}, bits};
    if (routes.contains(prefix) && below(2) == 0) {
      ASSERT_EQ(fib_->route_delete(prefix), Refusal::none);
      routes.erase(prefix);
    } else if (below(2) == 0) {
      ASSERT_EQ(fib_->route_add_blackhole(prefix), Refusal::none);
      routes[prefix] = blackhole;
    } else {
      ASSERT_EQ(fib_->route_add(prefix, kDirect, kWan), Refusal::none);
      routes[prefix] = on_link;
    }
    if (step % 3 != 0) continue;
    fib_->publish();
    for (int i = 0; i < 40; ++i) {
      const Ipv4Address probe = address();
      ASSERT_EQ(kind(probe), plain_lookup(routes, probe)) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace culvert
