// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataplane/fib.h"
#include "tests/unit/dataplane/reader_threads.h"
#include "tests/unit/dataplane/spd_test_support.h"

namespace culvert {
namespace {

constexpr PortId kPort{0};
constexpr std::uint32_t kNetworks = 32;
constexpr Ipv4Address network(std::uint32_t i) {
  return Ipv4Address{0x0a000000 + i * 256};
}
constexpr Ipv4Address gateway(std::uint32_t i) {
  return Ipv4Address{0xc0000200 + i};
}

// Each network has a /24 by way of its own gateway, and within it longer prefixes by way of the
// same gateway flap. Whatever is there at a moment, the gateway is always the network's own:
// rte_fib's recycled groups, a half-made change or an adjacency used again would lead to another.
TEST(FibThreads, AlwaysFindTheRightGatewayWhilePrefixesFlap) {
  ReaderThreads readers(2);
  const auto fib = Fib::create(
      "flap", {.max_routes = 2048, .max_long_networks = 64, .max_adjacencies = 512}, readers);
  ASSERT_NE(fib, nullptr);
  for (std::uint32_t i = 0; i < kNetworks; ++i) {
    ASSERT_EQ(fib->route_add({network(i), 24}, gateway(i), kPort), Refusal::none);
  }
  fib->publish();
  readers.start([&fib] {
    std::array<Ipv4Address, kNetworks> destinations;
    std::array<AdjacencyIndex, kNetworks> found;
    for (std::uint32_t host = 0; host < 256; host += 15) {
      for (std::uint32_t i = 0; i < kNetworks; ++i) {
        destinations[i] = Ipv4Address{network(i).raw() + host};
      }
      fib->lookup_burst(destinations, found);
      for (std::uint32_t i = 0; i < kNetworks; ++i) {
        const Adjacency adjacency = fib->adjacency(found[i]);
        ASSERT_NE(adjacency.kind, AdjacencyKind::no_route);
        ASSERT_EQ(adjacency.next_hop.v4().host() % 64, i);
      }
    }
  });
  // The network's second gateway, so that adjacencies are taken and given back, too.
  const auto other_gateway = [](std::uint32_t i) { return Ipv4Address{gateway(i).raw() + 64}; };
  for (std::uint32_t round = 0; round < 600; ++round) {
    for (std::uint32_t i = 0; i < kNetworks; ++i) {
      const auto bits = static_cast<std::uint8_t>(25 + (round / 2 + i) % 8);
      const IpPrefix prefix{network(i), bits};
      const Ipv4Address via = round % 3 == 0 ? gateway(i) : other_gateway(i);
      ASSERT_EQ(round % 2 == 0 ? fib->route_add(prefix, via, kPort) : fib->route_delete(prefix),
                Refusal::none);
    }
    fib->publish();
  }
  readers.stop();
}

// The same with IPv6, where each network is also handed over between one /48 and its two halves.
TEST(FibThreads, AlwaysFindTheRightGatewayWhileIpv6PrefixesFlap) {
  ReaderThreads readers(2);
  const auto fib = Fib::create(
      "flap6",
      {.max_routes = 64, .max_long_networks = 16, .max_adjacencies = 512, .max_ipv6_routes = 512},
      readers);
  ASSERT_NE(fib, nullptr);
  const auto net = [](std::uint32_t i) { return ip6(static_cast<std::uint16_t>(i), 0); };
  const auto link_local = [](std::uint32_t last) {
    Ipv6Address address{0xfe, 0x80};
    address[15] = static_cast<std::uint8_t>(last);
    return address;
  };
  for (std::uint32_t i = 0; i < kNetworks; ++i) {
    ASSERT_EQ(fib->route_add(Ipv6Prefix{net(i), 48}, link_local(i), kPort), Refusal::none);
  }
  fib->publish();
  readers.start([&] {
    std::array<Ipv6Address, kNetworks> destinations;
    std::array<AdjacencyIndex, kNetworks> found;
    for (std::uint32_t host = 0; host < 32; ++host) {
      for (std::uint32_t i = 0; i < kNetworks; ++i) {
        destinations[i] = net(i);
        destinations[i][6] = host % 2 == 0 ? 0 : 0x80;
        destinations[i][15] = static_cast<std::uint8_t>(host);
      }
      fib->lookup_burst(destinations, found);
      for (std::uint32_t i = 0; i < kNetworks; ++i) {
        const Adjacency adjacency = fib->adjacency(found[i]);
        ASSERT_EQ(adjacency.kind, AdjacencyKind::unresolved);
        ASSERT_EQ(adjacency.next_hop.bytes[15] % 64, i);
      }
    }
  });
  for (std::uint32_t round = 0; round < 600; ++round) {
    for (std::uint32_t i = 0; i < kNetworks; ++i) {
      const bool is_whole = (round + i) % 2 == 0;
      const Ipv6Address via = link_local(round % 3 == 0 ? i : i + 64);
      Ipv6Prefix half{net(i), 49};
      if (is_whole) {
        ASSERT_EQ(fib->route_add(Ipv6Prefix{net(i), 48}, via, kPort), Refusal::none);
      }
      for (const std::uint8_t bit : {std::uint8_t{0}, std::uint8_t{0x80}}) {
        half.address[6] = bit;
        if (!is_whole) {
          ASSERT_EQ(fib->route_add(half, via, kPort), Refusal::none);
        } else {
          static_cast<void>(fib->route_delete(half));
        }
      }
      if (!is_whole) {
        static_cast<void>(fib->route_delete(Ipv6Prefix{net(i), 48}));
      }
    }
    fib->publish();
  }
  readers.stop();
}

// Sets of next hops come and go, and with them groups and adjacencies, and links fail: a flow
// always goes to one of its network's own gateways, and never nowhere.
TEST(FibThreads, AlwaysFindOneOfTheRightGatewaysWhileNextHopsFlap) {
  ReaderThreads readers(2);
  const auto fib = Fib::create("hops",
                               {.max_routes = 256,
                                .max_long_networks = 16,
                                .max_adjacencies = 512,
                                .max_hop_groups = 4 * kNetworks},
                               readers);
  ASSERT_NE(fib, nullptr);
  using Hop = WeightedHop<Ipv4Address>;
  const auto hop = [](std::uint32_t i, std::uint32_t which) {
    return Hop{gateway(i + 64 * which), PortId{static_cast<std::uint16_t>(which)}};
  };
  const auto set_hops = [&](std::uint32_t i, std::uint32_t round) {
    std::vector<Hop> hops{hop(i, round % 4)};
    if (round % 3 != 0) hops.push_back(hop(i, (round + 1) % 4));
    if (round % 3 == 2) hops.push_back(hop(i, (round + 2) % 4));
    ASSERT_EQ(fib->route_add({network(i), 24}, hops), Refusal::none);
  };
  for (std::uint32_t i = 0; i < kNetworks; ++i) set_hops(i, 1);
  fib->publish();
  readers.start([&fib] {
    for (std::uint32_t i = 0; i < kNetworks; ++i) {
      const AdjacencyIndex found = fib->lookup(network(i));
      for (std::uint64_t flow = 0; flow < 64; ++flow) {
        const Adjacency adjacency = fib->adjacency(fib->next_hop(found, flow * 61));
        ASSERT_EQ(adjacency.kind, AdjacencyKind::unresolved);
        ASSERT_EQ(adjacency.next_hop.v4().host() % 64, i);
      }
    }
  });
  for (std::uint32_t round = 0; round < 40; ++round) {
    for (std::uint32_t i = 0; i < kNetworks; ++i) set_hops(i, round + i);
    fib->publish();
    fib->set_link(PortId{static_cast<std::uint16_t>(round / 2 % 4)}, round % 2 == 0);
  }
  readers.stop();
}

}  // namespace
}  // namespace culvert
