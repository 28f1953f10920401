// SPDX-License-Identifier: BSD-3-Clause
#include "bench/meter.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>

namespace culvert {
namespace {

double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

}  // namespace

double median_of(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

Spread spread_of(const std::vector<double>& values) {
  const double median = median_of(values);
  std::vector<double> distances;
  for (const double value : values) distances.push_back(std::abs(value - median));
  return {median, median_of(distances), *std::ranges::min_element(values)};
}

void Meter::measure(std::size_t packets, const std::function<void()>& work) {
  const double ns = cpu_ns();
  const PerfReading before = counters_->read();
  work();
  const PerfReading after = counters_->read();
  ns_ += cpu_ns() - ns;
  cycles_ += static_cast<double>(after.cycles - before.cycles);
  instructions_ += static_cast<double>(after.instructions - before.instructions);
  cache_misses_ += static_cast<double>(after.cache_misses - before.cache_misses);
  tlb_misses_ += static_cast<double>(after.tlb_misses - before.tlb_misses);
  packets_ += static_cast<double>(packets);
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

}  // namespace culvert
