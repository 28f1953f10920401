// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/spd.h"
#include "tests/unit/dataplane/reader_threads.h"
#include "tests/unit/dataplane/spd_test_support.h"

namespace culvert {
namespace {

constexpr std::uint32_t kNetworks = 16;
constexpr std::uint32_t network(std::uint32_t i) {
  return 0x0a000000 + i * 0x100;
}

// Every flow is under a policy at every moment, though the policies are replaced all the time,
// under the same selector and under others, and better ones come and go. A policy always carries
// reqid = the network it is for, so that a mixed-up or half-written one would show.
TEST(SpdThreads, AlwaysFindARightPolicyWhilePoliciesAreReplaced) {
  ReaderThreads readers(2);
  const auto spd = Spd::create(2 * kNetworks, 5, readers);
  ASSERT_NE(spd, nullptr);
  const auto policy = [](std::uint32_t i, std::uint8_t src_bits, std::uint32_t priority) {
    PolicySpec spec = policy_for({0, src_bits}, {network(i), 24}, priority);
    spec.reqid = network(i);
    return spec;
  };
  for (std::uint32_t i = 0; i < kNetworks; ++i) {
    ASSERT_EQ(spd->set(i, policy(i, 0, 10)), Refusal::none);
  }
  readers.start([&] {
    std::array<FlowWords, kNetworks> flows;
    std::array<const PolicyEntry*, kNetworks> found{};
    for (std::uint32_t i = 0; i < kNetworks; ++i) flows[i] = flow(1, network(i) + 5);
    for (int repeat = 0; repeat < 30; ++repeat) {
      spd->lookup_burst(Direction::out, flows, found);
      for (std::uint32_t i = 0; i < kNetworks; ++i) {
        ASSERT_NE(found[i], nullptr) << i;
        ASSERT_EQ(found[i]->reqid, network(i));
        ASSERT_EQ(found[i]->index % kNetworks, i);
      }
    }
  });
  for (std::uint32_t round = 0; round < 60; ++round) {
    for (std::uint32_t i = 0; i < kNetworks; ++i) {
      const auto src_bits = static_cast<std::uint8_t>((round + i) % 5);
      ASSERT_EQ(spd->set(i, policy(i, src_bits, 10 + round % 3)), Refusal::none);
      ASSERT_EQ(spd->set(i, policy(i, src_bits, 10 + round % 3)), Refusal::none);
      if (round % 2 == 0) {
        ASSERT_EQ(spd->set(kNetworks + i, policy(i, 0, i)), Refusal::none);
      } else {
        ASSERT_EQ(spd->remove(kNetworks + i), Refusal::none);
      }
    }
  }
  readers.stop();
}

// Every flow is under a policy with a range at every moment, while the chain around it changes: the
// policy moves from place to place, and others come and go before it.
TEST(SpdThreads, AlwaysFindAPolicyInAChainThatChanges) {
  ReaderThreads readers(2);
  const auto spd = Spd::create(32, 5, readers);
  ASSERT_NE(spd, nullptr);
  // Around port 32768, so that all are in one chain; only that of index 0 is for the flow.
  const auto policy = [](std::uint16_t first, std::uint16_t last, std::uint32_t priority) {
    PolicySpec spec = policy_for({network(0), 24}, {network(1), 24}, priority);
    spec.selector.dst_port = Be16{first};
    spec.ranges.dst_port_last = Be16{last};
    spec.ranges.fields = kRangeDstPort;
    return spec;
  };
  ASSERT_EQ(spd->set(0, policy(1000, 40000, 50)), Refusal::none);
  readers.start([&] {
    const FlowWords words = flow(network(0) + 1, network(1) + 1, IpProtocol::udp, 7, 2000);
    for (int repeat = 0; repeat < 200; ++repeat) {
      const PolicyEntry* const found = spd->lookup(Direction::out, words);
      ASSERT_NE(found, nullptr);
      ASSERT_EQ(found->index, 0u);
    }
  });
  for (std::uint32_t round = 0; round < 3000; ++round) {
    const std::uint32_t other = 1 + round % 30;
    ASSERT_EQ(spd->set(other, policy(30000, 40000, round * 7 % 100)), Refusal::none);
    if (round % 5 == 0) {
      ASSERT_EQ(spd->set(0, policy(1000, 40000, round * 13 % 100)), Refusal::none);
    }
    if (round % 3 == 0) {
      ASSERT_EQ(spd->remove(other), Refusal::none);
    }
  }
  readers.stop();
}

}  // namespace
}  // namespace culvert
