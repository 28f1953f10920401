// SPDX-License-Identifier: BSD-3-Clause
#include "bench/ndr_trial.h"

#include <pthread.h>
#include <rte_cycles.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <bit>

namespace culvert {
namespace {

constexpr double kDrainSeconds = 0.05;
constexpr std::size_t kMostAtOnce = 32;  // the rest of a late burst goes out with the next

}  // namespace

WorkerThread::WorkerThread(ThroughputGateway& gateway, unsigned core)
    : thread_([this, &gateway, core] {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET(core, &cores);
        pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
        while (!ends_.load(std::memory_order_relaxed)) gateway.worker().run_once();
      }) {}

WorkerThread::~WorkerThread() {
  ends_.store(true, std::memory_order_relaxed);
  thread_.join();
}

std::size_t Latencies::bucket_of(std::uint64_t cycles) {
  if (cycles < 1u << kStepBits) return static_cast<std::size_t>(cycles);
  const auto power = static_cast<unsigned>(std::bit_width(cycles)) - 1;
  const std::uint64_t step = (cycles >> (power - kStepBits)) & ((1u << kStepBits) - 1);
  return (std::size_t{power} << kStepBits) + static_cast<std::size_t>(step);
}

std::uint64_t Latencies::percentile(double share) const {
  std::uint64_t total = 0;
  for (const std::uint64_t count : counts_) total += count;
  const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (seen == 0 || seen < wanted) continue;
    const std::size_t power = bucket >> kStepBits;
    if (power < kStepBits) return bucket;
    const std::uint64_t step = (bucket & ((1u << kStepBits) - 1)) + 1;
    return (std::uint64_t{1} << power) + (step << (power - kStepBits));
  }
  return 0;
}

Trial run_trial(Traffic& traffic, double pps, double seconds) {
  const auto hz = static_cast<double>(rte_get_tsc_hz());
  Trial trial;
  std::vector<std::uint64_t> sent_at(Traffic::kPackets);
  std::array<std::uint32_t, Traffic::kBurstPackets> slots;
  const auto collect = [&] {
    const std::size_t count = traffic.collect(slots);
    const std::uint64_t now = rte_rdtsc();
    for (std::size_t i = 0; i < count; ++i) trial.latencies.add(now - sent_at[slots[i]]);
    trial.received += count;
  };
  const std::uint64_t start = rte_rdtsc();
  const std::uint64_t end = start + static_cast<std::uint64_t>(seconds * hz);
  std::size_t next_slot = 0;
  std::uint64_t now = start;
  while ((now = rte_rdtsc()) < end) {
    const double due = pps == 0 ? static_cast<double>(trial.sent + kMostAtOnce)
                                : static_cast<double>(now - start) / hz * pps;
    const auto wanted = static_cast<std::uint64_t>(due);
    if (wanted > trial.sent) {
      const std::size_t count =
          std::min({kMostAtOnce, static_cast<std::size_t>(wanted - trial.sent),
                    Traffic::kPackets - next_slot});
      std::fill_n(sent_at.begin() + static_cast<std::ptrdiff_t>(next_slot), count, now);
      static_cast<void>(traffic.offer(next_slot, count));
      trial.sent += count;
      next_slot = (next_slot + count) % Traffic::kPackets;
    }
    collect();
  }
  trial.offered_pps = static_cast<double>(trial.sent) / (static_cast<double>(now - start) / hz);
  const std::uint64_t drained = now + static_cast<std::uint64_t>(kDrainSeconds * hz);
  while (trial.received < trial.sent && rte_rdtsc() < drained) collect();
  return trial;
}

}  // namespace culvert
