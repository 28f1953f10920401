// SPDX-License-Identifier: BSD-3-Clause
// What the SPD costs: look-ups per packet in bursts of 32, flows in random order, and changes.
//   hits      every flow has a policy; priorities follow prefix lengths, so some tuples are skipped
//   misses    no flow has one: every tuple is probed, the worst case
//   tuples    distinct pairs of prefix lengths
//   ipv6      the same policies and flows, their addresses in the first words of IPv6 ones
// add_and_remove is per pair of changes; "packets" there are pairs.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/table_bench.h"
#include "dataplane/spd.h"

namespace culvert {
namespace {

constexpr std::size_t kFlows = 1u << 15;

class NoReaders final : public Quiescence {
 public:
  void wait() override {}
};

// Policy `number` has the pair of prefix lengths number mod tuples: /32 downwards to sources of 16
// bits or more and destinations of 25 or more.
PolicySpec policy_of(std::uint32_t number, std::uint32_t tuples) {
  const std::uint32_t tuple = number % tuples;
  PolicySpec spec;
  spec.direction = Direction::out;
  spec.action = PolicyAction::protect;
  spec.priority = 100 + tuple;
  spec.selector.family = Family::v4;
  spec.selector.src_prefix_bits = static_cast<std::uint8_t>(32 - tuple % 16);
  spec.selector.dst_prefix_bits = static_cast<std::uint8_t>(32 - tuple / 16);
  spec.selector.src = IpAddress::v4(Be32{0x0a000000 + (number << 16)});
  spec.selector.dst = IpAddress::v4(Be32{0x20000000 + (number / 256 << 8)});
  return spec;
}

struct Policies {
  NoReaders quiescence;
  std::unique_ptr<Spd> spd;
};

std::shared_ptr<Policies> make_policies(std::uint32_t count, std::uint32_t tuples) {
  auto policies = std::make_shared<Policies>();
  policies->spd = Spd::create(count + 1, 0x5bd1e995973b1a2f, policies->quiescence);
  if (policies->spd == nullptr) std::abort();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (policies->spd->set(i, policy_of(i, tuples)) != Refusal::none) std::abort();
  }
  return policies;
}

enum class Asked { hits, misses };

void lookup(benchmark::State& state, const PerfCounters& counters, std::uint32_t count,
            std::uint32_t tuples, Asked asked) {
  const std::shared_ptr<Policies> policies = make_policies(count, tuples);
  std::mt19937 random(1);
  std::vector<FlowWords> flows;
  for (std::size_t i = 0; i < kFlows; ++i) {
    const auto number = static_cast<std::uint32_t>(random() % count);
    const Selector selector = policy_of(number, tuples).selector;
    const std::uint32_t other = asked == Asked::hits ? 0 : 0x80000000;
    flows.push_back(words_of(FlowKey{.src = Ipv4Address{selector.src.v4().host()},
                                     .dst = Ipv4Address{selector.dst.v4().host() ^ other},
                                     .src_port = 1000,
                                     .dst_port = 2000,
                                     .protocol = IpProtocol::udp}));
  }
  std::array<const PolicyEntry*, kBurstPackets> found{};
  std::size_t position = 0;
  measure_packets(state, counters, kBurstPackets, [&] {
    policies->spd->lookup_burst(Direction::out, std::span(flows).subspan(position, kBurstPackets),
                                found);
    benchmark::DoNotOptimize(found);
    position = (position + kBurstPackets) % kFlows;
  });
}

// The same policy of IPv6: its addresses and prefix lengths are those of the first 32 bits.
PolicySpec ipv6_policy_of(std::uint32_t number, std::uint32_t tuples) {
  PolicySpec spec = policy_of(number, tuples);
  spec.selector.family = Family::v6;
  return spec;
}

void lookup_ipv6(benchmark::State& state, const PerfCounters& counters, std::uint32_t count,
                 std::uint32_t tuples, Asked asked) {
  NoReaders quiescence;
  const std::unique_ptr<Spd> spd = Spd::create(count + 1, 0x5bd1e995973b1a2f, quiescence);
  if (spd == nullptr) std::abort();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (spd->set(i, ipv6_policy_of(i, tuples)) != Refusal::none) std::abort();
  }
  std::mt19937 random(1);
  std::vector<FlowWords6> flows;
  for (std::size_t i = 0; i < kFlows; ++i) {
    const auto number = static_cast<std::uint32_t>(random() % count);
    Selector selector = ipv6_policy_of(number, tuples).selector;
    if (asked == Asked::misses) selector.dst.bytes[0] ^= 0x80;
    flows.push_back(words_of(FlowKey6{.src = selector.src.bytes,
                                      .dst = selector.dst.bytes,
                                      .src_port = 1000,
                                      .dst_port = 2000,
                                      .protocol = IpProtocol::udp}));
  }
  std::array<const PolicyEntry*, kBurstPackets> found{};
  std::size_t position = 0;
  measure_packets(state, counters, kBurstPackets, [&] {
    spd->lookup_burst(Direction::out, std::span(flows).subspan(position, kBurstPackets), found);
    benchmark::DoNotOptimize(found);
    position = (position + kBurstPackets) % kFlows;
  });
}

void add_and_remove(benchmark::State& state, const PerfCounters& counters, std::uint32_t count,
                    std::uint32_t tuples) {
  const std::shared_ptr<Policies> policies = make_policies(count, tuples);
  std::mt19937 random(1);
  measure_packets(state, counters, 1, [&] {
    const auto index = static_cast<std::uint32_t>(random() % count);
    (void)policies->spd->remove(index);
    benchmark::DoNotOptimize(policies->spd->set(index, policy_of(index, tuples)));
  });
}

void register_all(const PerfCounters& counters) {
  for (const std::uint32_t count : {1u, 100u, 1000u, 100'000u, 1'000'000u}) {
    for (const std::uint32_t tuples : {1u, 16u, 128u}) {
      if (tuples > count) continue;
      const std::string suffix =
          counted(count, "policy_", "policies_") + counted(tuples, "tuple", "tuples");
      add_benchmark(counters, "spd_lookup_burst32_hits_" + suffix, [=](auto& state, auto& perf) {
        lookup(state, perf, count, tuples, Asked::hits);
      });
      add_benchmark(counters, "spd_lookup_burst32_misses_" + suffix, [=](auto& state, auto& perf) {
        lookup(state, perf, count, tuples, Asked::misses);
      });
      add_benchmark(
          counters, "spd_lookup_ipv6_burst32_hits_" + suffix,
          [=](auto& state, auto& perf) { lookup_ipv6(state, perf, count, tuples, Asked::hits); });
      add_benchmark(
          counters, "spd_lookup_ipv6_burst32_misses_" + suffix,
          [=](auto& state, auto& perf) { lookup_ipv6(state, perf, count, tuples, Asked::misses); });
      add_benchmark(counters, "spd_add_and_remove_" + suffix,
                    [=](auto& state, auto& perf) { add_and_remove(state, perf, count, tuples); });
    }
  }
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  return culvert::run_benchmarks(argc, argv, culvert::register_all);
}
