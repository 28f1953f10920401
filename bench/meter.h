// SPDX-License-Identifier: BSD-3-Clause
// What the benches of the whole path do with their samples.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "bench/perf_counters.h"

namespace culvert {

struct Spread {
  double median = 0;
  double mad = 0;  // median of the distances from the median
  double least = 0;
};

// Of at least one value.
[[nodiscard]] double median_of(std::vector<double> values);
[[nodiscard]] Spread spread_of(const std::vector<double>& values);

// Sums over the turns of a sample; all results are per packet.
class Meter {
 public:
  explicit Meter(const PerfCounters& counters) : counters_(&counters) {}

  void measure(std::size_t packets, const std::function<void()>& work);

  [[nodiscard]] double cycles() const { return cycles_ / packets_; }
  [[nodiscard]] double instructions() const { return instructions_ / packets_; }
  [[nodiscard]] double cache_misses() const { return cache_misses_ / packets_; }
  [[nodiscard]] double tlb_misses() const { return tlb_misses_ / packets_; }
  [[nodiscard]] double ns() const { return ns_ / packets_; }  // of the thread's CPU time

 private:
  const PerfCounters* counters_;
  double cycles_ = 0;
  double instructions_ = 0;
  double cache_misses_ = 0;
  double tlb_misses_ = 0;
  double ns_ = 0;
  double packets_ = 0;
};

// The model name, as /proc/cpuinfo has it.
[[nodiscard]] std::string cpu_name();

}  // namespace culvert
