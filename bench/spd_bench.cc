// SPDX-License-Identifier: BSD-3-Clause
// What the SPD costs: look-ups per packet in bursts of 32, flows in random order, and changes.
//   prefixes  selectors of prefixes; priorities follow prefix lengths, so some tuples are skipped
//   ranges    a range of destination ports, too, and priorities that overlap: every tuple counts
//   hits      every flow has a policy
//   misses    no flow has one: every tuple is probed
//   worst     one flow in the middle of as many ranges as may overlap, in every tuple, of which
//             none holds: every tuple is probed and every chain walked to its end
//   pairs     distinct pairs of prefix lengths
//   ipv6      the same policies and flows, their addresses in the first words of IPv6 ones
// spd_changes: nanoseconds for each of many changes by itself, with whatever interrupted it. `fill`
// adds all policies to an empty SPD; `delete` and `add` are of single ones when all are there.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
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

struct Ports {
  std::uint16_t first;
  std::uint16_t last;
};
constexpr Ports kRange{1000, 2000};
constexpr Ports kOutside{2001, 2047};  // but under the same mask

enum class Kind { prefixes, ranges };
struct Shape {
  std::uint32_t count = 0;
  std::uint32_t pairs = 0;
  Kind kind = Kind::prefixes;
  Family family = Family::v4;

  friend bool operator==(const Shape&, const Shape&) = default;
  [[nodiscard]] std::string text() const {
    return std::string(kind == Kind::ranges ? "ranges_" : "prefixes_") +
           counted(count, "policy_", "policies_") + counted(pairs, "pair", "pairs");
  }
};

// Policy `number` has the pair of prefix lengths number mod pairs: /32 downwards to sources of 16
// bits or more and destinations of 25 or more.
PolicySpec policy_of(std::uint32_t number, const Shape& shape) {
  const std::uint32_t pair = number % shape.pairs;
  PolicySpec spec;
  spec.direction = Direction::out;
  spec.action = PolicyAction::protect;
  spec.priority = 100 + pair;
  spec.selector.family = shape.family;
  spec.selector.src_prefix_bits = static_cast<std::uint8_t>(32 - pair % 16);
  spec.selector.dst_prefix_bits = static_cast<std::uint8_t>(32 - pair / 16);
  spec.selector.src = IpAddress::v4(Be32{0x0a000000 + (number << 16)});
  spec.selector.dst = IpAddress::v4(Be32{0x20000000 + (number / 256 << 8)});
  if (shape.kind == Kind::ranges) {
    spec.priority = number * 2654435761u >> 22;
    spec.selector.protocol = static_cast<std::uint8_t>(IpProtocol::udp);
    spec.selector.dst_port = Be16{kRange.first};
    spec.ranges.dst_port_last = Be16{kRange.last};
    spec.ranges.fields = kRangeDstPort;
  }
  return spec;
}

template <FamilyWords Words>
Words flow_to(const PolicySpec& spec, std::uint16_t port) {
  const Selector& selector = spec.selector;
  if constexpr (std::is_same_v<Words, FlowWords6>) {
    return words_of(FlowKey6{.src = selector.src.bytes,
                             .dst = selector.dst.bytes,
                             .src_port = 1000,
                             .dst_port = port,
                             .protocol = IpProtocol::udp});
  } else {
    return words_of(FlowKey{.src = Ipv4Address{selector.src.v4().host()},
                            .dst = Ipv4Address{selector.dst.v4().host()},
                            .src_port = 1000,
                            .dst_port = port,
                            .protocol = IpProtocol::udp});
  }
}

struct Policies {
  NoReaders quiescence;
  std::unique_ptr<Spd> spd;

  explicit Policies(std::uint32_t most)
      : spd(Spd::create(most + 1, 0x5bd1e995973b1a2f, quiescence)) {
    if (spd == nullptr) std::abort();
  }
  void set(std::uint32_t index, const PolicySpec& spec) const {
    if (spd->set(index, spec) != Refusal::none) std::abort();
  }
};

// Those asked for last are kept for the benchmarks and repetitions that come next.
const Spd& spd_with(const Shape& shape) {
  static Shape made_for;
  static std::unique_ptr<Policies> policies;
  if (policies != nullptr && made_for == shape) return *policies->spd;
  policies.reset();
  policies = std::make_unique<Policies>(shape.count);
  for (std::uint32_t i = 0; i < shape.count; ++i) policies->set(i, policy_of(i, shape));
  made_for = shape;
  return *policies->spd;
}

enum class Asked { hits, misses };

template <FamilyWords Words>
void measure_lookups(benchmark::State& state, const PerfCounters& counters, const Spd& spd,
                     std::span<const Words> flows, Asked asked) {
  std::array<const PolicyEntry*, kBurstPackets> found{};
  std::size_t position = 0;
  measure_packets(state, counters, kBurstPackets, [&] {
    spd.lookup_burst(Direction::out, flows.subspan(position, kBurstPackets), found);
    benchmark::DoNotOptimize(found);
    position = (position + kBurstPackets) % flows.size();
  });
  for (const PolicyEntry* policy : found) {
    if ((policy != nullptr) != (asked == Asked::hits)) std::abort();
  }
}

template <FamilyWords Words>
void lookup(benchmark::State& state, const PerfCounters& counters, const Shape& shape,
            Asked asked) {
  const Spd& spd = spd_with(shape);
  std::mt19937 random(1);
  std::vector<Words> flows;
  for (std::size_t i = 0; i < kFlows; ++i) {
    PolicySpec spec = policy_of(static_cast<std::uint32_t>(random() % shape.count), shape);
    if (asked == Asked::misses) spec.selector.dst.bytes[0] ^= 0x80;
    flows.push_back(flow_to<Words>(spec, 1500));
  }
  measure_lookups<Words>(state, counters, spd, flows, asked);
}

// All policies are around one flow, which is in none of them.
template <FamilyWords Words>
void lookup_worst(benchmark::State& state, const PerfCounters& counters, Shape shape) {
  shape.kind = Kind::ranges;
  const Policies policies(shape.count);
  for (std::uint32_t i = 0; i < shape.count; ++i) {
    PolicySpec spec = policy_of(i % shape.pairs, shape);
    spec.priority = i;
    spec.selector.src = policy_of(0, shape).selector.src;
    spec.selector.dst = policy_of(0, shape).selector.dst;
    spec.selector.dst_port = Be16{static_cast<std::uint16_t>(kRange.first - i / shape.pairs)};
    policies.set(i, spec);
  }
  const std::vector<Words> flows(kBurstPackets,
                                 flow_to<Words>(policy_of(0, shape), kOutside.first));
  measure_lookups<Words>(state, counters, *policies.spd, flows, Asked::misses);
}

class ChangeTimes {
 public:
  explicit ChangeTimes(std::size_t count) { nanoseconds_.reserve(count); }
  template <typename Change>
  void time(const Change& change) {
    const auto before = std::chrono::steady_clock::now();
    change();
    const auto after = std::chrono::steady_clock::now();
    nanoseconds_.push_back(static_cast<double>((after - before).count()));
  }
  void report(const std::string& name, benchmark::State& state) {
    std::ranges::sort(nanoseconds_);
    const auto put = [&](const char* what, double rank) {
      const auto last = static_cast<double>(nanoseconds_.size() - 1);
      state.counters[name + what] = nanoseconds_[static_cast<std::size_t>(last * rank)];
    };
    put("_p50", 0.5);
    put("_p99", 0.99);
    put("_p99.9", 0.999);
    put("_max", 1);
  }

 private:
  std::vector<double> nanoseconds_;
};

void changes(benchmark::State& state, const Shape& shape) {
  constexpr std::uint32_t kChanges = 200'000;
  constexpr std::uint32_t kWarming = 10'000;  // so that memory for replaced entries was used before
  for (auto _ : state) {
    ChangeTimes fills(shape.count);
    ChangeTimes removals(kChanges);
    ChangeTimes additions(kChanges);
    const Policies policies(shape.count);
    for (std::uint32_t i = 0; i < shape.count; ++i) {
      const PolicySpec spec = policy_of(i, shape);
      fills.time([&] { policies.set(i, spec); });
    }
    std::mt19937 random(1);
    for (std::uint32_t i = 0; i < kWarming; ++i) {
      const auto index = static_cast<std::uint32_t>(random() % shape.count);
      (void)policies.spd->remove(index);
      policies.set(index, policy_of(index, shape));
    }
    for (std::uint32_t i = 0; i < kChanges; ++i) {
      const auto index = static_cast<std::uint32_t>(random() % shape.count);
      const PolicySpec spec = policy_of(index, shape);
      removals.time([&] { benchmark::DoNotOptimize(policies.spd->remove(index)); });
      additions.time([&] { policies.set(index, spec); });
    }
    fills.report("fill", state);
    removals.report("delete", state);
    additions.report("add", state);
  }
}

template <FamilyWords Words>
void register_lookups(const PerfCounters& counters, Shape shape, const std::string& name) {
  shape.family = std::is_same_v<Words, FlowWords6> ? Family::v6 : Family::v4;
  add_benchmark(counters, name + "_hits_" + shape.text(),
                [=](auto& state, auto& perf) { lookup<Words>(state, perf, shape, Asked::hits); });
  add_benchmark(counters, name + "_misses_" + shape.text(),
                [=](auto& state, auto& perf) { lookup<Words>(state, perf, shape, Asked::misses); });
}

void register_worst(const PerfCounters& counters, std::uint32_t pairs) {
  Shape shape{.count = Spd::kMaxRanges * pairs, .pairs = pairs, .kind = Kind::ranges};
  const std::string what = "burst32_worst_" + shape.text();
  add_benchmark(counters, "spd_lookup_" + what,
                [=](auto& state, auto& perf) { lookup_worst<FlowWords>(state, perf, shape); });
  shape.family = Family::v6;
  add_benchmark(counters, "spd_lookup_ipv6_" + what,
                [=](auto& state, auto& perf) { lookup_worst<FlowWords6>(state, perf, shape); });
}

void register_all(const PerfCounters& counters) {
  for (const std::uint32_t pairs : {1u, 16u, 128u}) {
    for (const std::uint32_t count : {1u, 1000u, 100'000u, 1'000'000u}) {
      if (pairs > count) continue;
      for (const Kind kind : {Kind::prefixes, Kind::ranges}) {
        const Shape shape{.count = count, .pairs = pairs, .kind = kind};
        register_lookups<FlowWords>(counters, shape, "spd_lookup_burst32");
        register_lookups<FlowWords6>(counters, shape, "spd_lookup_ipv6_burst32");
        add_once("spd_changes_" + shape.text(),
                 [=](benchmark::State& state) { changes(state, shape); });
      }
    }
    register_worst(counters, pairs);
  }
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  return culvert::run_benchmarks(argc, argv, culvert::register_all);
}
