// SPDX-License-Identifier: BSD-3-Clause
// What the replay window costs per packet: bursts of 32 of one SA.
//   pre_check   the read before the packet is opened, ESN inference included
//   commit      the write after it
//   in_order: consecutive numbers; late: every fourth one comes 40 numbers late; mixed: each packet
//   of a burst falls into another block, the worst that a sender can do.

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/table_bench.h"
#include "dataplane/replay_window.h"

namespace culvert {
namespace {

enum class Order { in_order, late, mixed };

// The numbers of the next burst, all of them new.
class Numbers {
 public:
  explicit Numbers(Order order) : order_(order) {}

  std::span<const SeqNum> next_burst() {
    for (std::size_t i = 0; i < kBurstPackets; ++i) {
      switch (order_) {
        case Order::in_order:
          numbers_[i] = SeqNum{next_ + i};
          break;
        case Order::late:
          numbers_[i] = SeqNum{next_ + i - (i % 4 == 0 ? 40 : 0)};
          break;
        case Order::mixed:
          numbers_[i] = SeqNum{next_ + i % 2 * 32 + i};
          break;
      }
    }
    next_ += order_ == Order::mixed ? 2 * kBurstPackets : kBurstPackets;
    return numbers_;
  }

 private:
  Order order_;
  std::uint64_t next_ = 1000;
  std::array<SeqNum, kBurstPackets> numbers_{};
};

struct Window {
  explicit Window(std::uint32_t size)
      : slots(window_slots_for(size)), view(top, slots.front(), size) {
    view.initialise(SeqNum{900});
  }
  std::atomic<std::uint64_t> top{0};
  std::vector<std::atomic<std::uint64_t>> slots;
  ReplayWindow view;
};

void commit(benchmark::State& state, const PerfCounters& counters, Order order,
            std::uint32_t window_size) {
  Window window(window_size);
  Numbers numbers(order);
  std::array<ReplayVerdict, kBurstPackets> verdicts{};
  measure_packets(state, counters, kBurstPackets, [&] {
    window.view.commit(numbers.next_burst(), verdicts);
    benchmark::DoNotOptimize(verdicts);
  });
}

void pre_check(benchmark::State& state, const PerfCounters& counters, std::uint32_t window_size) {
  Window window(window_size);
  Numbers numbers(Order::in_order);
  std::array<ReplayVerdict, kBurstPackets> verdicts{};
  measure_packets(state, counters, kBurstPackets, [&] {
    const std::span<const SeqNum> burst = numbers.next_burst();
    for (std::size_t i = 0; i < burst.size(); ++i) {
      const auto wire_low = static_cast<std::uint32_t>(burst[i].raw());
      verdicts[i] = window.view.pre_check(window.view.infer_esn(wire_low));
    }
    benchmark::DoNotOptimize(verdicts);
  });
}

void register_all(const PerfCounters& counters) {
  for (const std::uint32_t size : {64u, 1024u, 32768u}) {
    const std::string suffix = std::string("_w") + std::to_string(size) + "_1thread";
    add_benchmark(counters, "replay_window_pre_check_esn" + suffix,
                  [=](auto& state, auto& perf) { pre_check(state, perf, size); });
    for (const auto& [order, name] :
         {std::pair{Order::in_order, "in_order"}, std::pair{Order::late, "late"},
          std::pair{Order::mixed, "mixed"}}) {
      add_benchmark(
          counters, std::string("replay_window_commit_") + name + suffix,
          [=, order = order](auto& state, auto& perf) { commit(state, perf, order, size); });
    }
  }
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  return culvert::run_benchmarks(argc, argv, culvert::register_all);
}
