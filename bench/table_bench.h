// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "bench/perf_counters.h"

// What the benchmarks of the dataplane's tables share: cycles per packet, of which the medians
// count, in the unit that the context line names.

namespace culvert {

inline constexpr std::size_t kBurstPackets = 32;

// Runs `one_round`, which handles `packets` packets, until Google Benchmark has seen enough.
template <typename Round>
void measure_packets(benchmark::State& state, const PerfCounters& counters, std::size_t packets,
                     const Round& one_round) {
  const PerfReading before = counters.read();
  for (auto _ : state) one_round();
  const PerfReading after = counters.read();
  const double total = static_cast<double>(state.iterations()) * static_cast<double>(packets);
  const double cycles = static_cast<double>(after.cycles - before.cycles) / total;
  state.counters[std::string(counters.unit())] = cycles;
  if (counters.unit() == "core_cycles") {
    state.counters["instructions"] =
        static_cast<double>(after.instructions - before.instructions) / total;
  } else {
    state.counters["core_estimate"] = cycles * core_cycles_per_tsc_cycle();
  }
}

// "1sa", "1000sas": how benchmark names say how many.
std::string counted(std::size_t count, std::string_view one, std::string_view many);

using BenchmarkBody = std::function<void(benchmark::State&, const PerfCounters&)>;

// Registers `body` with repetitions, median, MAD, min and max.
void add_benchmark(const PerfCounters& counters, const std::string& name, BenchmarkBody body);

// Registers `body` to run once: it measures single steps itself and sets counters of its own.
void add_once(const std::string& name, std::function<void(benchmark::State&)> body);

// The whole of a benchmark's main(): `register_all` calls add_benchmark() and add_once(). --json is
// short for --benchmark_format=json.
int run_benchmarks(int argc, char** argv,
                   const std::function<void(const PerfCounters&)>& register_all);

}  // namespace culvert
