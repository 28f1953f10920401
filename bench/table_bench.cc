// SPDX-License-Identifier: BSD-3-Clause
#include "bench/table_bench.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "bench/meter.h"

namespace culvert {
namespace {

double mad(const std::vector<double>& values) {
  return spread_of(values).mad;
}
double least(const std::vector<double>& values) {
  return *std::ranges::min_element(values);
}
double greatest(const std::vector<double>& values) {
  return *std::ranges::max_element(values);
}

}  // namespace

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
  std::string text = std::to_string(count);
  text += count == 1 ? one : many;
  return text;
}

void add_benchmark(const PerfCounters& counters, const std::string& name, BenchmarkBody body) {
  benchmark::RegisterBenchmark(
      name.c_str(),
      [&counters, body = std::move(body)](benchmark::State& state) { body(state, counters); })
      ->MinTime(0.005)  // short and often: the median then leaves out the runs that were preempted
      ->Repetitions(21)
      ->ReportAggregatesOnly()
      ->ComputeStatistics("mad", mad)
      ->ComputeStatistics("min", least)
      ->ComputeStatistics("max", greatest);
}

void add_once(const std::string& name, std::function<void(benchmark::State&)> body) {
  benchmark::RegisterBenchmark(name.c_str(), std::move(body))->Iterations(1);
}

int run_benchmarks(int argc, char** argv,
                   const std::function<void(const PerfCounters&)>& register_all) {
  static char json[] = "--benchmark_format=json";
  for (char*& word : std::span(argv, static_cast<std::size_t>(argc))) {
    if (std::string_view(word) == "--json") word = json;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const PerfCounters counters;
  benchmark::AddCustomContext("unit", std::string(counters.unit()));
  benchmark::AddCustomContext("counter", std::string(counters.method()));
  register_all(counters);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace culvert
