// SPDX-License-Identifier: BSD-3-Clause
// What finding an inbound SA costs per packet: bursts of 32, SPIs in random order.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/table_bench.h"
#include "dataplane/sa_table.h"

namespace culvert {
namespace {

constexpr std::uint64_t kSecret = 0x5bd1e995973b1a2f;
constexpr std::size_t kKeys = 1u << 16;  // names in turn, so that they themselves stay in the cache

SaKey key_of(std::uint32_t number) {
  return {.destination = IpAddress::v4(Be32{0xc0000201}),
          .spi = Spi{(number + 256) * 2654435761u | 256},
          .family = Family::v4};
}

std::shared_ptr<SaTable> make_table(std::uint32_t sas) {
  std::shared_ptr<SaTable> table = SaTable::create(sas, kSecret);
  if (table == nullptr) std::abort();
  for (std::uint32_t i = 0; i < sas; ++i) (void)table->insert(key_of(i), SaIndex{i});
  return table;
}

enum class Asked { hits, misses };

void find(benchmark::State& state, const PerfCounters& counters, std::uint32_t sas, Asked asked) {
  const std::shared_ptr<SaTable> table = make_table(sas);
  std::mt19937 random(1);
  std::vector<SaKey> keys;
  for (std::size_t i = 0; i < kKeys; ++i) {
    const auto number = static_cast<std::uint32_t>(random() % sas);
    keys.push_back(key_of(asked == Asked::hits ? number : number + sas));
  }
  std::array<SaIndex, kBurstPackets> found{};
  std::size_t position = 0;
  measure_packets(state, counters, kBurstPackets, [&] {
    table->find_burst(std::span(keys).subspan(position, kBurstPackets), found);
    benchmark::DoNotOptimize(found);
    position = (position + kBurstPackets) % kKeys;
  });
}

// One insert and one erase a round, of a slot that is free.
void insert_and_erase(benchmark::State& state, const PerfCounters& counters, std::uint32_t sas) {
  const std::shared_ptr<SaTable> table = make_table(sas);
  std::mt19937 random(1);
  measure_packets(state, counters, 1, [&] {
    const SaIndex index{static_cast<std::uint32_t>(random() % sas)};
    (void)table->erase(index);
    benchmark::DoNotOptimize(table->insert(key_of(index.raw()), index));
  });
}

void register_all(const PerfCounters& counters) {
  for (const std::uint32_t sas : {1u, 1000u, 100'000u, 1'000'000u}) {
    const std::string suffix = counted(sas, "sa", "sas");
    add_benchmark(counters, "sa_table_find_burst32_hits_" + suffix,
                  [=](auto& state, auto& perf) { find(state, perf, sas, Asked::hits); });
    add_benchmark(counters, "sa_table_find_burst32_misses_" + suffix,
                  [=](auto& state, auto& perf) { find(state, perf, sas, Asked::misses); });
    add_benchmark(counters, "sa_table_insert_and_erase_" + suffix,
                  [=](auto& state, auto& perf) { insert_and_erase(state, perf, sas); });
  }
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  return culvert::run_benchmarks(argc, argv, culvert::register_all);
}
