// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/flow_cache.h"
#include "tests/unit/dataplane/reader_threads.h"
#include "tests/unit/dataplane/spd_test_support.h"

namespace culvert {
namespace {

constexpr PortId kPort{0};
constexpr std::uint32_t kNetworks = 16;
constexpr std::uint32_t network(std::uint32_t i) {
  return 0x0a000000 + i * 0x100;
}
constexpr Ipv4Address gateway(std::uint32_t i) {
  return Ipv4Address{0xc0000200 + i};
}

// Policies and routes are replaced all the time, so that their entries and adjacencies serve again
// for others. Whatever a worker remembers, it must be of the flow's own network.
TEST(FlowCacheThreads, NeverRememberWhatHasGoneToAnother) {
  ReaderThreads readers(2);
  const auto spd = Spd::create(kNetworks, 5, readers);
  const auto fib = Fib::create(
      "kept", {.max_routes = 512, .max_long_networks = 64, .max_adjacencies = 256}, readers);
  ASSERT_NE(spd, nullptr);
  ASSERT_NE(fib, nullptr);
  const auto set_policy = [&spd](std::uint32_t i, std::uint8_t src_bits) {
    PolicySpec spec = policy_for({0, src_bits}, {network(i), 24}, 10);
    spec.reqid = network(i);
    return spd->set(i, spec);
  };
  const auto set_route = [&fib](std::uint32_t i, std::uint32_t round) {
    const Ipv4Address via = gateway(i + kNetworks * (round % 3));
    return fib->route_add({Ipv4Address{network(i)}, 24}, via, kPort);
  };
  for (std::uint32_t i = 0; i < kNetworks; ++i) {
    ASSERT_EQ(set_policy(i, 0), Refusal::none);
    ASSERT_EQ(set_route(i, 0), Refusal::none);
  }
  fib->publish();
  readers.start([&] {
    thread_local FlowCache cache(*spd, *fib, 7);
    std::array<FlowWords, kNetworks> flows;
    std::array<FlowVerdict, kNetworks> verdicts;
    for (std::uint32_t i = 0; i < kNetworks; ++i) flows[i] = flow(1, network(i) + 5);
    for (int repeat = 0; repeat < 30; ++repeat) {
      cache.lookup_burst(flows, verdicts);
      for (std::uint32_t i = 0; i < kNetworks; ++i) {
        ASSERT_NE(verdicts[i].outbound, nullptr) << i;
        ASSERT_EQ(verdicts[i].outbound->reqid, network(i));
        const Adjacency adjacency = fib->adjacency(verdicts[i].adjacency);
        ASSERT_NE(adjacency.kind, AdjacencyKind::no_route);
        ASSERT_EQ(adjacency.next_hop.v4().host() % kNetworks, i);
      }
    }
  });
  for (std::uint32_t round = 0; round < 200; ++round) {
    for (std::uint32_t i = 0; i < kNetworks; ++i) {
      ASSERT_EQ(set_policy(i, static_cast<std::uint8_t>((round + i) % 5)), Refusal::none);
      ASSERT_EQ(set_route(i, round), Refusal::none);
    }
    fib->publish();
  }
  readers.stop();
}

}  // namespace
}  // namespace culvert
