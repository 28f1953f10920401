// SPDX-License-Identifier: BSD-3-Clause
// Forwarding of IPv6; what both families share is tested with IPv4 in fib_test.cc.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "dataplane/fib.h"
#include "tests/unit/dataplane/reader_threads.h"
#include "tests/unit/dataplane/spd_test_support.h"

namespace culvert {
namespace {

constexpr PortId kWan{0};
constexpr PortId kLan{1};
constexpr MacAddress kMac{{2, 0, 0, 0, 0, 1}};
constexpr Ipv6Address kDirect{};

constexpr Ipv6Address link_local(std::uint8_t last) {
  Ipv6Address address{0xfe, 0x80};
  address[15] = last;
  return address;
}

class FibIpv6Test : public testing::Test {
 protected:
  FibIpv6Test() { EXPECT_NE(fib_, nullptr); }

  Adjacency look(const Ipv6Address& destination) const {
    return fib_->adjacency(fib_->lookup(destination));
  }
  AdjacencyKind kind(const Ipv6Address& destination) const { return look(destination).kind; }
  // 2001:db8:1::1/64 on the WAN.
  void give_address() {
    ASSERT_EQ(fib_->address_add(kWan, Ipv6Prefix{ip6(1, 1), 64}), Refusal::none);
    fib_->publish();
  }
  static std::unique_ptr<Fib> make(Quiescence& quiescence, std::uint32_t max_ipv6_routes = 1024) {
    static int made = 0;
    return Fib::create("ipv6_" + std::to_string(made++),
                       {.max_routes = 64,
                        .max_long_networks = 16,
                        .max_adjacencies = 512,
                        .max_ipv6_routes = max_ipv6_routes},
                       quiescence);
  }

  NoReaders quiescence_;
  std::unique_ptr<Fib> fib_ = make(quiescence_);
};

using enum AdjacencyKind;

TEST_F(FibIpv6Test, MakesAnAddressLocalAndItsNetworkOnLink) {
  EXPECT_EQ(kind(ip6(1, 1)), no_route);
  ASSERT_EQ(fib_->address_add(kWan, Ipv6Prefix{ip6(1, 1), 64}), Refusal::none);
  EXPECT_EQ(kind(ip6(1, 1)), no_route);
  fib_->publish();
  EXPECT_EQ(kind(ip6(1, 1)), local);
  EXPECT_TRUE(fib_->is_local(ip6(1, 1)));
  EXPECT_EQ(kind(ip6(1, 2)), on_link);
  EXPECT_EQ(kind(ip6(1, 0xffff)), on_link);
  EXPECT_EQ(kind(ip6(2, 1)), no_route);
  ASSERT_EQ(fib_->address_delete(kWan, Ipv6Prefix{ip6(1, 1), 64}), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip6(1, 1)), no_route);
  EXPECT_EQ(kind(ip6(1, 2)), no_route);
}

TEST_F(FibIpv6Test, ResolvesNeighborsOnTheLink) {
  give_address();
  ASSERT_EQ(fib_->neighbor_set(kWan, ip6(1, 2), kMac), Refusal::none);
  fib_->publish();
  const Adjacency found = look(ip6(1, 2));
  EXPECT_EQ(found.kind, resolved);
  EXPECT_EQ(found.mac, kMac);
  EXPECT_EQ(found.family, Family::v6);
  EXPECT_EQ(found.next_hop.bytes, ip6(1, 2));
  EXPECT_EQ(fib_->neighbor(kWan, Family::v6, {ip6(1, 2)}), kMac);
  ASSERT_EQ(fib_->neighbor_delete(kWan, ip6(1, 2)), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip6(1, 2)), on_link);
  EXPECT_EQ(fib_->neighbor(kWan, Family::v6, {ip6(1, 2)}), std::nullopt);
}

TEST_F(FibIpv6Test, RoutesByWayOfLinkLocalNextHopsOfEachPort) {
  ASSERT_EQ(fib_->route_add(Ipv6Prefix{ip6(2, 0), 48}, link_local(9), kWan), Refusal::none);
  ASSERT_EQ(fib_->route_add(Ipv6Prefix{ip6(3, 0), 48}, link_local(9), kLan), Refusal::none);
  ASSERT_EQ(fib_->neighbor_set(kLan, link_local(9), kMac), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip6(2, 7)), unresolved);
  EXPECT_EQ(look(ip6(2, 7)).port, kWan);
  EXPECT_EQ(look(ip6(2, 7)).next_hop.bytes, link_local(9));
  EXPECT_EQ(kind(ip6(3, 7)), resolved);
  EXPECT_EQ(look(ip6(3, 7)).port, kLan);
  EXPECT_EQ(look(ip6(3, 7)).mac, kMac);
}

TEST_F(FibIpv6Test, LeadsNowhereOnAccountOfLinkLocalAddresses) {
  ASSERT_EQ(fib_->address_add(kWan, Ipv6Prefix{link_local(1), 64}), Refusal::none);
  ASSERT_EQ(fib_->address_add(kLan, Ipv6Prefix{link_local(1), 64}), Refusal::none);
  ASSERT_EQ(fib_->neighbor_set(kWan, link_local(2), kMac), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(link_local(1)), local);
  EXPECT_EQ(kind(link_local(2)), no_route);
  EXPECT_EQ(fib_->neighbor(kWan, Family::v6, {link_local(2)}), kMac);
}

TEST_F(FibIpv6Test, TakesTheLongestPrefix) {
  constexpr std::uint8_t kBits[] = {0, 32, 64, 65, 127, 128};
  for (const std::uint8_t bits : kBits) {
    ASSERT_EQ(fib_->route_add(Ipv6Prefix{ip6(1, 1), bits}, link_local(bits), kWan), Refusal::none);
  }
  fib_->publish();
  Ipv6Address half = ip6(1, 1);
  half[8] = 0x80;  // differs in the bit behind the first 64
  EXPECT_EQ(look(ip6(1, 1)).next_hop.bytes, link_local(128));
  EXPECT_EQ(look(ip6(1, 0)).next_hop.bytes, link_local(127));
  EXPECT_EQ(look(ip6(1, 2)).next_hop.bytes, link_local(65));
  EXPECT_EQ(look(half).next_hop.bytes, link_local(64));
  EXPECT_EQ(look(ip6(9, 1)).next_hop.bytes, link_local(32));
  EXPECT_EQ(look(link_local(77)).next_hop.bytes, link_local(0));
}

TEST_F(FibIpv6Test, KnowsBlackholes) {
  ASSERT_EQ(fib_->route_add(Ipv6Prefix{}, link_local(1), kWan), Refusal::none);
  ASSERT_EQ(fib_->route_add_blackhole(Ipv6Prefix{ip6(1, 0), 48}), Refusal::none);
  fib_->publish();
  EXPECT_EQ(kind(ip6(1, 1)), blackhole);
  EXPECT_EQ(kind(ip6(2, 1)), unresolved);
}

TEST_F(FibIpv6Test, SharesAdjacenciesWithIpv4) {
  ASSERT_EQ(fib_->route_add(Ipv6Prefix{}, link_local(1), kWan), Refusal::none);
  ASSERT_EQ(fib_->route_add(IpPrefix{}, Ipv4Address{0xc0000202}, kWan), Refusal::none);
  fib_->publish();
  EXPECT_EQ(look(ip6(1, 1)).family, Family::v6);
  const Adjacency v4 = fib_->adjacency(fib_->lookup(Ipv4Address{0x01020304}));
  EXPECT_EQ(v4.family, Family::v4);
  EXPECT_EQ(v4.next_hop, IpAddress::v4(Be32{0xc0000202}));
}

TEST_F(FibIpv6Test, CountsItsVersionOnWithEachPublication) {
  const std::uint64_t before = fib_->version();
  fib_->publish();
  EXPECT_EQ(fib_->version(), before);
  give_address();
  EXPECT_GT(fib_->version(), before);
}

TEST_F(FibIpv6Test, NamesAnAddressOfThePortThatHostsElsewhereMayAnswerTo) {
  EXPECT_EQ(fib_->own_ipv6_address(kWan), kDirect);
  ASSERT_EQ(fib_->address_add(kWan, Ipv6Prefix{link_local(1), 64}), Refusal::none);
  fib_->publish();
  EXPECT_EQ(fib_->own_ipv6_address(kWan), kDirect);
  give_address();
  EXPECT_EQ(fib_->own_ipv6_address(kWan), ip6(1, 1));
  EXPECT_EQ(fib_->own_ipv6_address(kLan), kDirect);
  ASSERT_EQ(fib_->address_delete(kWan, Ipv6Prefix{ip6(1, 1), 64}), Refusal::none);
  fib_->publish();
  EXPECT_EQ(fib_->own_ipv6_address(kWan), kDirect);
}

TEST_F(FibIpv6Test, RefusesWhatItCannotHold) {
  const auto small = make(quiescence_, 2);
  EXPECT_EQ(fib_->route_add(Ipv6Prefix{ip6(1, 0), 129}, kDirect, kWan), Refusal::bad_prefix);
  EXPECT_EQ(fib_->route_add(Ipv6Prefix{}, kDirect, PortId{kMaxPorts}), Refusal::bad_port);
  EXPECT_EQ(fib_->route_delete(Ipv6Prefix{}), Refusal::slot_empty);
  EXPECT_EQ(fib_->neighbor_delete(kWan, ip6(1, 1)), Refusal::slot_empty);
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(small->route_add(Ipv6Prefix{ip6(1, 0), 48}, kDirect, kWan), Refusal::none);
    ASSERT_EQ(small->route_add(Ipv6Prefix{ip6(2, 0), 48}, kDirect, kWan), Refusal::none);
    EXPECT_EQ(small->route_add(Ipv6Prefix{ip6(3, 0), 48}, kDirect, kWan), Refusal::no_table_memory);
    small->publish();
    EXPECT_EQ(small->packed(small->lookup(ip6(2, 1))).kind(), on_link);
    ASSERT_EQ(small->route_delete(Ipv6Prefix{ip6(1, 0), 48}), Refusal::none);
    ASSERT_EQ(small->route_delete(Ipv6Prefix{ip6(2, 0), 48}), Refusal::none);
    small->publish();
    EXPECT_EQ(small->packed(small->lookup(ip6(2, 1))).kind(), no_route);
  }
}

// Whoever has passed the length of a new prefix may still come to the one that it replaces.
TEST(FibIpv6, TakesAPrefixAwayOnlyAfterQuiescence) {
  Observer observer;
  const auto fib = Fib::create(
      "ipv6_away", {.max_routes = 64, .max_long_networks = 16, .max_adjacencies = 512}, observer);
  ASSERT_NE(fib, nullptr);
  ASSERT_EQ(fib->route_add(Ipv6Prefix{ip6(1, 0), 48}, link_local(48), kWan), Refusal::none);
  fib->publish();
  ASSERT_EQ(fib->route_add(Ipv6Prefix{ip6(1, 0), 64}, link_local(64), kWan), Refusal::none);
  ASSERT_EQ(fib->route_delete(Ipv6Prefix{ip6(1, 0), 48}), Refusal::none);
  Ipv6Address beside = ip6(1, 1);
  beside[7] = 1;  // in the /48 and not in the /64
  std::vector<AdjacencyKind> seen;
  std::vector<std::uint64_t> versions;
  observer.look = [&] {
    EXPECT_EQ(fib->adjacency(fib->lookup(ip6(1, 1))).next_hop.bytes, link_local(64));
    seen.push_back(fib->packed(fib->lookup(beside)).kind());
    versions.push_back(fib->version());
  };
  fib->publish();
  EXPECT_EQ(seen, (std::vector{unresolved, no_route}));
  ASSERT_EQ(versions.size(), 2u);
  EXPECT_LT(versions[0], versions[1]);
}

// Against a map that is searched from the longest length on.
TEST_F(FibIpv6Test, AgreesWithAPlainTableUnderRandomUse) {
  std::mt19937 random(3);
  const auto below = [&random](unsigned end) { return static_cast<unsigned>(random() % end); };
  const auto address = [&below] {
    return ip6(static_cast<std::uint16_t>(below(3)), static_cast<std::uint16_t>(below(4) << 6));
  };
  constexpr std::uint8_t kBits[] = {0, 16, 46, 48, 64, 112, 122, 128};
  std::map<Ipv6Prefix, Ipv6Address> plain;
  for (int step = 0; step < 2000; ++step) {
    const Ipv6Prefix prefix = network_of(Ipv6Prefix{address(), kBits[below(8)]});
    if (below(2) == 0) {
      const Ipv6Address via = link_local(static_cast<std::uint8_t>(1 + below(9)));
      ASSERT_EQ(fib_->route_add(prefix, via, kWan), Refusal::none);
      plain[prefix] = via;
    } else {
      const bool is_there = plain.erase(prefix) != 0;
      ASSERT_EQ(fib_->route_delete(prefix), is_there ? Refusal::none : Refusal::slot_empty);
    }
    if (below(4) != 0) continue;
    fib_->publish();
    std::vector<Ipv6Address> destinations(1 + below(90));
    for (Ipv6Address& destination : destinations) destination = address();
    std::vector<AdjacencyIndex> found(destinations.size());
    fib_->lookup_burst(destinations, found);
    for (std::size_t i = 0; i < destinations.size(); ++i) {
      Ipv6Address expected{};
      for (unsigned bits = 0; bits <= 128; ++bits) {
        const auto covering =
            plain.find(network_of(Ipv6Prefix{destinations[i], static_cast<std::uint8_t>(bits)}));
        if (covering != plain.end()) expected = covering->second;
      }
      ASSERT_EQ(fib_->adjacency(found[i]).next_hop.bytes, expected) << step;
    }
  }
}

}  // namespace
}  // namespace culvert
