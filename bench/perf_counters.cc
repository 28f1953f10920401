// SPDX-License-Identifier: BSD-3-Clause
#include "bench/perf_counters.h"

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#include <algorithm>
#include <atomic>
#include <ctime>

namespace culvert {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::uint64_t kDataTlbReadMisses = PERF_COUNT_HW_CACHE_DTLB |
                                             PERF_COUNT_HW_CACHE_OP_READ << 8 |
                                             PERF_COUNT_HW_CACHE_RESULT_MISS << 16;

// The kernel's recipe (linux/perf_event.h, struct perf_event_mmap_page). False when the counter is
// not on the CPU just now.
bool read_by_rdpmc(const volatile perf_event_mmap_page& page, std::uint64_t& value) {
  std::uint32_t lock_before;
  std::uint32_t index;
  do {
    lock_before = page.lock;
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the kernel writes it on this very CPU
    index = page.index;
    value = static_cast<std::uint64_t>(page.offset);
    if (index != 0) {
      const unsigned unused_bits = 64u - page.pmc_width;
      const std::uint64_t counter = __rdpmc(static_cast<int>(index - 1));
      value += static_cast<std::uint64_t>(static_cast<std::int64_t>(counter << unused_bits) >>
                                          unused_bits);
    }
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } while (page.lock != lock_before);
  return index != 0;
}

std::uint64_t clock_ns(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(now.tv_nsec);
}

double measure_tsc_cycles_per_ns() {
  constexpr std::uint64_t kMeasuredNs = 20'000'000;
  const std::uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
  const std::uint64_t start_tsc = __rdtsc();
  std::uint64_t elapsed_ns = 0;
  while (elapsed_ns < kMeasuredNs) elapsed_ns = clock_ns(CLOCK_MONOTONIC) - start_ns;
  return static_cast<double>(__rdtsc() - start_tsc) / static_cast<double>(elapsed_ns);
}

}  // namespace

PerfCounters::Counter::Counter(std::uint32_t type, std::uint64_t config, int group_leader) {
  perf_event_attr attributes{};
  attributes.type = type;
  attributes.size = sizeof attributes;
  attributes.config = config;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  descriptor_ = static_cast<int>(
      syscall(SYS_perf_event_open, &attributes, 0, -1, group_leader, PERF_FLAG_FD_CLOEXEC));
  if (descriptor_ < 0) return;
  void* page = mmap(nullptr, kPageBytes, PROT_READ, MAP_SHARED, descriptor_, 0);
  if (page != MAP_FAILED) page_ = static_cast<const volatile perf_event_mmap_page*>(page);
}

PerfCounters::Counter::~Counter() {
  if (page_ != nullptr) munmap(const_cast<perf_event_mmap_page*>(page_), kPageBytes);
  if (descriptor_ >= 0) close(descriptor_);
}

bool PerfCounters::Counter::has_rdpmc() const {
  return page_ != nullptr && page_->cap_user_rdpmc != 0;
}

std::uint64_t PerfCounters::Counter::value() const {
  std::uint64_t value = 0;
  if (has_rdpmc() && read_by_rdpmc(*page_, value)) return value;
  if (descriptor_ < 0 || ::read(descriptor_, &value, sizeof value) != sizeof value) return 0;
  return value;
}

double core_cycles_per_tsc_cycle() {
  constexpr int kMultiplications = 4096;
  constexpr double kCoreCycles = 3.0 * kMultiplications;
  std::uint64_t least_tsc_cycles = ~std::uint64_t{0};
  for (int run = 0; run < 8; ++run) {  // the quickest run is the one without an interrupt
    std::uint64_t product = 3;
    const std::uint64_t before = __rdtsc();
    for (int i = 0; i < kMultiplications / 16; ++i) {
      for (int unrolled = 0; unrolled < 16; ++unrolled) {
        asm volatile("imulq %0, %0" : "+r"(product));
      }
    }
    least_tsc_cycles = std::min<std::uint64_t>(least_tsc_cycles, __rdtsc() - before);
  }
  return kCoreCycles / static_cast<double>(least_tsc_cycles);
}

PerfCounters::PerfCounters()
    : cycles_(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, -1),
      instructions_(PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, cycles_.descriptor()),
      cache_misses_(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, cycles_.descriptor()),
      tlb_misses_(PERF_TYPE_HW_CACHE, kDataTlbReadMisses, cycles_.descriptor()) {
  if (cycles_.descriptor() < 0) tsc_cycles_per_ns_ = measure_tsc_cycles_per_ns();
}

PerfCounters::~PerfCounters() = default;

PerfReading PerfCounters::read() const {
  if (cycles_.descriptor() >= 0) {
    return {.cycles = cycles_.value(),
            .instructions = instructions_.value(),
            .cache_misses = cache_misses_.value(),
            .tlb_misses = tlb_misses_.value()};
  }
  const auto cpu_ns = static_cast<double>(clock_ns(CLOCK_THREAD_CPUTIME_ID));
  return {.cycles = static_cast<std::uint64_t>(cpu_ns * tsc_cycles_per_ns_)};
}

std::string_view PerfCounters::unit() const {
  return cycles_.descriptor() < 0 ? "tsc_cycles" : "core_cycles";
}

std::string_view PerfCounters::method() const {
  if (cycles_.descriptor() < 0) return "thread_cputime";
  return cycles_.has_rdpmc() ? "rdpmc" : "read";
}

}  // namespace culvert
