// SPDX-License-Identifier: BSD-3-Clause
// Core cycles and instructions of the calling thread in user space. Core cycles move by 1 to 2 %
// between runs where TSC cycles move by 20 % with the clock frequency.
#pragma once

#include <cstdint>
#include <string_view>

struct perf_event_mmap_page;

namespace culvert {

// Core cycles that pass in one TSC cycle just now, from a chain of multiplications of known latency
// (3 core cycles each). It turns TSC figures into an estimate of core cycles where there are no
// counters; it cannot see a busy neighbour on the same core. Takes about 50 us.
[[nodiscard]] double core_cycles_per_tsc_cycle();

struct PerfReading {
  std::uint64_t cycles = 0;  // in unit()
  // 0 when they cannot be counted.
  std::uint64_t instructions = 0;
  std::uint64_t cache_misses = 0;  // of the last level
  std::uint64_t tlb_misses = 0;    // of data loads
};

// Counts for the thread that made it; only that thread may read it. Where the kernel or the machine
// offers no counters it falls back to the thread's CPU time in TSC cycles, which leaves out the
// time when other threads ran: unit() says so, and every report must.
class PerfCounters {
 public:
  PerfCounters();
  ~PerfCounters();
  PerfCounters(const PerfCounters&) = delete;
  PerfCounters& operator=(const PerfCounters&) = delete;

  // Without a system call where the kernel allows rdpmc (about 50 cycles), else with one: read
  // around loops of a millisecond or more.
  [[nodiscard]] PerfReading read() const;

  // "core_cycles" or "tsc_cycles".
  [[nodiscard]] std::string_view unit() const;
  // "rdpmc", "read" or "thread_cputime".
  [[nodiscard]] std::string_view method() const;

 private:
  class Counter {
   public:
    // type: PERF_TYPE_...; config: PERF_COUNT_HW_...; group_leader: descriptor of the first
    // counter, or -1.
    Counter(std::uint32_t type, std::uint64_t config, int group_leader);
    ~Counter();
    Counter(const Counter&) = delete;
    Counter& operator=(const Counter&) = delete;

    [[nodiscard]] int descriptor() const { return descriptor_; }
    [[nodiscard]] bool has_rdpmc() const;
    [[nodiscard]] std::uint64_t value() const;

   private:
    int descriptor_ = -1;
    const volatile perf_event_mmap_page* page_ = nullptr;
  };

  Counter cycles_;
  Counter instructions_;
  Counter cache_misses_;
  Counter tlb_misses_;
  double tsc_cycles_per_ns_ = 0;  // measured only where there are no counters
};

}  // namespace culvert
