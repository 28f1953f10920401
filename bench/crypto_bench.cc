// SPDX-License-Identifier: BSD-3-Clause
// What sealing and opening cost, beside what ipsec-mb alone needs for the same bytes and keys.
//
//   crypto_bench [Google Benchmark's options]
//   crypto_bench --benchmark_filter=aes128-gcm_1424B --benchmark_format=json
//
// Figures are per packet; read the medians. The context lines say in which unit, on which code
// path, and how the canary read (AES-128-GCM sealing 1424 bytes, one key, one buffer; about 311
// core cycles on Zen 5): where it reads more, a neighbour is loud. Without hardware counters the
// unit is the thread's CPU time in TSC cycles, and core_estimate is that times the clock ratio
// measured beside it.
//   raw_*         direct calls of ipsec-mb, as few instructions around them as possible
//   engine_*      Engine::seal and open in bursts of 32, filling the jobs included
//   prefetched_*  the same with the keys of the next burst prefetched
// Opened packets are not authentic: the work is the same, and the buffers need no second copy.

#include <benchmark/benchmark.h>
#include <intel-ipsec-mb.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "bench/perf_counters.h"
#include "crypto/esp_transform.h"

namespace culvert {
namespace {

constexpr std::size_t kBurstPackets = 32;
constexpr std::size_t kBufferBytes = 1536;
constexpr std::uint32_t kAadBytes = 8;
constexpr std::size_t kHugePageBytes = 2u << 20;

enum class Way { raw, engine, prefetched };
enum class Direction { seal, open };

struct Case {
  Way way;
  Direction direction;
  TransformId transform;
  std::uint32_t payload_bytes;
  std::size_t keys;
};

// Expanded keys in huge pages where possible, as the SA table keeps them.
class KeyTable {
 public:
  KeyTable(Engine& engine, TransformId transform, std::size_t count) : count_(count) {
    const std::size_t bytes =
        (count * sizeof(ExpandedKey) + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
    keys_.reset(static_cast<ExpandedKey*>(std::aligned_alloc(kHugePageBytes, bytes)));
    madvise(keys_.get(), bytes, MADV_HUGEPAGE);
    const TransformInfo& info = *transform_info(transform);
    std::vector<std::byte> material(std::size_t{info.key_bytes} + info.salt_bytes);
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(material.data(), &i, sizeof i);
      if (engine.expand(transform, material, keys_.get()[i]) != ExpandStatus::ok) std::abort();
    }
    // Random order, so that no hardware prefetcher helps.
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::shuffle(order_.begin(), order_.end(), std::mt19937(1));
  }

  [[nodiscard]] const ExpandedKey& next() {
    const ExpandedKey& key = keys_.get()[order_[position_]];
    position_ = position_ + 1 == count_ ? 0 : position_ + 1;
    return key;
  }

 private:
  struct Free {
    void operator()(ExpandedKey* keys) const { std::free(keys); }
  };
  std::unique_ptr<ExpandedKey, Free> keys_;
  std::size_t count_;
  std::vector<std::size_t> order_;
  std::size_t position_ = 0;
};

using Burst = std::array<const ExpandedKey*, kBurstPackets>;

class Workbench {
 public:
  explicit Workbench(const Case& what)
      : what_(what),
        engine_(Engine::create()),
        manager_(alloc_mb_mgr(0)),
        keys_(*engine_, what.transform, what.keys),
        buffers_(kBurstPackets * kBufferBytes, std::byte{0x5a}) {
    init_mb_mgr_auto(manager_.get(), nullptr);
    raw_call_ = raw_call(what.direction, what.transform);
    take_keys(next_);
  }

  void run_burst() {
    std::swap(current_, next_);
    take_keys(next_);
    if (what_.way == Way::raw) return run_raw();
    if (what_.way == Way::prefetched) {
      for (const ExpandedKey* key : next_) {
        engine_->prefetch_key(*key, what_.transform, what_.payload_bytes);
      }
    }
    for (std::size_t i = 0; i < kBurstPackets; ++i) fill(jobs_[i], *current_[i], i);
    if (what_.direction == Direction::seal) return engine_->seal(jobs_);
    engine_->open(jobs_, verdicts_);
    benchmark::DoNotOptimize(verdicts_);
  }

 private:
  struct FreeManager {
    void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
  };

  [[nodiscard]] aes_gcm_enc_dec_t raw_call(Direction direction, TransformId transform) const {
    const bool is_seal = direction == Direction::seal;
    switch (transform) {
      case TransformId::none:
        break;
      case TransformId::aes128_gcm16:
        return is_seal ? manager_->gcm128_enc : manager_->gcm128_dec;
      case TransformId::aes192_gcm16:
        return is_seal ? manager_->gcm192_enc : manager_->gcm192_dec;
      case TransformId::aes256_gcm16:
        return is_seal ? manager_->gcm256_enc : manager_->gcm256_dec;
    }
    std::abort();
  }

  void take_keys(Burst& burst) {
    for (const ExpandedKey*& key : burst) key = &keys_.next();
  }

  void run_raw() {
    gcm_context_data context;
    for (std::size_t i = 0; i < kBurstPackets; ++i) {
      auto* payload = reinterpret_cast<std::uint8_t*>(buffers_.data() + i * kBufferBytes);
      raw_call_(reinterpret_cast<const gcm_key_data*>(current_[i]->schedule.data()), &context,
                payload, payload, what_.payload_bytes, raw_nonce_.data(), raw_aad_.data(),
                kAadBytes, payload + what_.payload_bytes, 16);
    }
  }

  void fill(CryptoJob& job, const ExpandedKey& key, std::size_t index) {
    job.key = &key;
    job.payload = buffers_.data() + index * kBufferBytes;
    job.icv = job.payload + what_.payload_bytes;
    job.payload_bytes = what_.payload_bytes;
    job.aad_bytes = kAadBytes;
    ++sequence_number_;
    std::array<std::byte, 8> iv;
    std::memcpy(iv.data(), &sequence_number_, iv.size());
    set_nonce(job, iv);
    std::memcpy(job.aad.data(), &sequence_number_, sizeof sequence_number_);
  }

  Case what_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<IMB_MGR, FreeManager> manager_;
  KeyTable keys_;
  std::vector<std::byte> buffers_;
  aes_gcm_enc_dec_t raw_call_ = nullptr;
  alignas(16) std::array<std::uint8_t, 16> raw_nonce_{};
  alignas(16) std::array<std::uint8_t, 16> raw_aad_{};
  std::array<CryptoJob, kBurstPackets> jobs_{};
  std::array<Verdict, kBurstPackets> verdicts_{};
  Burst current_{};
  Burst next_{};
  std::uint64_t sequence_number_ = 0;
};

// Median absolute deviation.
double mad(const std::vector<double>& values) {
  const auto median = [](std::vector<double> sorted) {
    std::ranges::sort(sorted);
    return sorted[sorted.size() / 2];
  };
  const double middle = median(values);
  std::vector<double> distances;
  for (const double value : values) distances.push_back(std::abs(value - middle));
  return median(distances);
}
double least(const std::vector<double>& values) {
  return *std::ranges::min_element(values);
}
double greatest(const std::vector<double>& values) {
  return *std::ranges::max_element(values);
}

void measure(benchmark::State& state, const PerfCounters& counters, const Case& what) {
  Workbench workbench(what);
  for (std::size_t i = 0; i < what.keys / kBurstPackets + 100; ++i) workbench.run_burst();
  const PerfReading before = counters.read();
  for (auto _ : state) workbench.run_burst();
  const PerfReading after = counters.read();
  const double packets = static_cast<double>(state.iterations()) * kBurstPackets;
  const double cycles = static_cast<double>(after.cycles - before.cycles) / packets;
  if (counters.unit() == "core_cycles") {
    state.counters["core_cycles"] = cycles;
    state.counters["instructions"] =
        static_cast<double>(after.instructions - before.instructions) / packets;
  } else {
    state.counters["tsc_cycles"] = cycles;
    state.counters["core_estimate"] = cycles * core_cycles_per_tsc_cycle();
  }
}

std::string name_of(const Case& what) {
  constexpr std::string_view kWays[] = {"raw", "engine", "prefetched"};
  constexpr std::string_view kDirections[] = {"seal", "open"};
  return std::string(kWays[static_cast<std::size_t>(what.way)]) + "_" +
         std::string(kDirections[static_cast<std::size_t>(what.direction)]) + "_" +
         std::string(transform_info(what.transform)->name) + "_" +
         std::to_string(what.payload_bytes) + "B_" + std::to_string(what.keys) +
         (what.keys == 1 ? "key" : "keys");
}

void register_case(const PerfCounters& counters, const Case& what) {
  benchmark::RegisterBenchmark(
      name_of(what).c_str(),
      [&counters, what](benchmark::State& state) { measure(state, counters, what); })
      ->MinTime(0.005)  // short and often: the median then leaves out the runs that were preempted
      ->Repetitions(21)
      ->ReportAggregatesOnly()
      ->ComputeStatistics("mad", mad)
      ->ComputeStatistics("min", least)
      ->ComputeStatistics("max", greatest);
}

void register_all(const PerfCounters& counters) {
  for (const TransformId transform : {TransformId::aes128_gcm16, TransformId::aes256_gcm16}) {
    for (const Direction direction : {Direction::seal, Direction::open}) {
      for (const std::size_t keys : {std::size_t{1}, std::size_t{256}, std::size_t{10000}}) {
        for (const std::uint32_t payload_bytes : {64u, 512u, 1424u}) {
          for (const Way way : {Way::raw, Way::engine, Way::prefetched}) {
            register_case(counters, {way, direction, transform, payload_bytes, keys});
          }
        }
      }
    }
  }
}

// AES-128-GCM over 1424 bytes of one hot buffer with one key, the median of 15 runs.
double canary_cycles(const PerfCounters& counters) {
  constexpr int kCalls = 2000;
  const std::unique_ptr<Engine> engine = Engine::create();
  KeyTable keys(*engine, TransformId::aes128_gcm16, 1);
  std::array<std::byte, kBufferBytes> buffer{};
  CryptoJob job{};
  job.key = &keys.next();
  job.payload = buffer.data();
  job.icv = buffer.data() + 1424;
  job.payload_bytes = 1424;
  job.aad_bytes = kAadBytes;
  std::vector<double> runs;
  for (int run = 0; run < 15; ++run) {
    const PerfReading before = counters.read();
    for (int call = 0; call < kCalls; ++call) engine->seal({&job, 1});
    runs.push_back(static_cast<double>(counters.read().cycles - before.cycles) / kCalls);
  }
  std::ranges::sort(runs);
  return runs[runs.size() / 2];
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  using culvert::Engine;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const std::unique_ptr<Engine> engine = Engine::create();
  if (engine == nullptr) {
    std::fputs("crypto_bench: this CPU has no AES instructions\n", stderr);
    return 1;
  }
  const culvert::PerfCounters counters;
  benchmark::AddCustomContext("unit", std::string(counters.unit()));
  benchmark::AddCustomContext("counter", std::string(counters.method()));
  benchmark::AddCustomContext("ipsec_mb", imb_get_version_str());
  benchmark::AddCustomContext("code_path", std::string(engine->code_path()));
  benchmark::AddCustomContext("canary_cycles", std::to_string(culvert::canary_cycles(counters)));
  culvert::register_all(counters);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
