// SPDX-License-Identifier: BSD-3-Clause
//
// One trial of RFC 2544: packets at a constant rate for a time, those that came out, how long each
// took.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "bench/throughput_gateway.h"
#include "bench/throughput_traffic.h"

namespace culvert {

// Runs the gateway's worker on a thread of its own until it goes.
class WorkerThread {
 public:
  WorkerThread(ThroughputGateway& gateway, unsigned core);
  ~WorkerThread();
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

 private:
  std::atomic<bool> ends_{false};
  std::thread thread_;
};

// How often a packet took how long: buckets of a sixteenth of each power of two of TSC cycles.
class Latencies {
 public:
  void add(std::uint64_t cycles) { ++counts_[bucket_of(cycles)]; }
  // In TSC cycles, the upper end of the bucket; `share` of 0 to 1.
  [[nodiscard]] std::uint64_t percentile(double share) const;

 private:
  static constexpr unsigned kStepBits = 4;
  [[nodiscard]] static std::size_t bucket_of(std::uint64_t cycles);
  std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(64u << kStepBits);
};

struct Trial {
  double offered_pps = 0;  // really reached
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  Latencies latencies;

  [[nodiscard]] double loss() const {
    return sent == 0 ? 1 : static_cast<double>(sent - received) / static_cast<double>(sent);
  }
};

// Sends at `pps` for `seconds`, and waits for what is under way. 0: as fast as the sender can.
[[nodiscard]] Trial run_trial(Traffic& traffic, double pps, double seconds);

}  // namespace culvert
