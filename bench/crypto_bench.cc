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
//   raw_*     ipsec-mb alone (bench/crypto_raw.h), as few instructions around it as possible
//   engine_*  Engine::seal and open, filling the jobs included
// ..._32deep is the number of packets in one call. All use one transform; mixed ones are
// throughput's matter.
// Opened packets are not authentic with AES-GCM and the other AEADs: the work is the same, and the
// buffers need no second copy. With cipher and integrity apart only authentic packets are
// decrypted: there every burst is first copied from sealed packets, and what the copying alone
// costs is taken off.

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

#include "bench/crypto_raw.h"
#include "bench/perf_counters.h"
#include "crypto/esp_transform.h"

namespace culvert {
namespace {

constexpr std::size_t kMostPackets = 128;
constexpr std::size_t kBufferBytes = 1536;
constexpr std::size_t kPayloadOffset = 64;  // ESP header and IV in front
constexpr std::uint32_t kAadBytes = 8;
constexpr std::size_t kHugePageBytes = 2u << 20;

enum class Way { raw, engine };
using Direction = RawCrypto::Direction;

struct Case {
  Way way;
  Direction direction;
  TransformId transform;
  std::uint32_t payload_bytes;
  std::size_t keys;
  std::size_t depth;

  // Whether opening must find authentic packets to do its whole work.
  [[nodiscard]] bool needs_authentic() const {
    return direction == Direction::open &&
           transform_info(transform)->construction == Construction::combined;
  }
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
    std::vector<std::byte> material(info.material_bytes());
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(material.data(), &i, sizeof i);
      if (engine.expand(transform, material, keys_.get()[i]) != ExpandStatus::ok) std::abort();
    }
    // Random order, so that no hardware prefetcher helps.
    order_.resize(count);
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::shuffle(order_.begin(), order_.end(), std::mt19937(1));
  }

  [[nodiscard]] std::size_t next() {
    const std::size_t index = order_[position_];
    position_ = position_ + 1 == count_ ? 0 : position_ + 1;
    return index;
  }
  [[nodiscard]] const ExpandedKey& operator[](std::size_t index) const {
    return keys_.get()[index];
  }
  [[nodiscard]] std::size_t size() const { return count_; }

 private:
  struct Free {
    void operator()(ExpandedKey* keys) const { std::free(keys); }
  };
  std::unique_ptr<ExpandedKey, Free> keys_;
  std::size_t count_;
  std::vector<std::size_t> order_;
  std::size_t position_ = 0;
};

class Workbench {
 public:
  explicit Workbench(const Case& what)
      : what_(what),
        engine_(Engine::create()),
        raw_(what.transform, what.direction),
        keys_(*engine_, what.transform, what.keys),
        buffers_(kMostPackets * kBufferBytes, std::byte{0x5a}),
        jobs_(what.depth),
        verdicts_(what.depth),
        packets_(what.depth),
        current_(what.depth) {
    if (what.needs_authentic()) seal_originals();
  }

  void run_burst() {
    start_burst();
    if (what_.way == Way::raw) {
      for (std::size_t i = 0; i < what_.depth; ++i) {
        packets_[i] = {&keys_[current_[i]], payload(buffers_, i), what_.payload_bytes};
      }
      return raw_.run(packets_);
    }
    for (std::size_t i = 0; i < what_.depth; ++i) fill(jobs_[i], keys_[current_[i]], i);
    if (what_.direction == Direction::seal) return engine_->seal(jobs_);
    engine_->open(jobs_, verdicts_);
    benchmark::DoNotOptimize(verdicts_.data());
  }

  // What of run_burst() is not to be counted.
  void start_burst() {
    take_keys(current_);
    if (!what_.needs_authentic()) return;
    const std::size_t bytes = kPayloadOffset + what_.payload_bytes + kMaxIcvBytes;
    for (std::size_t i = 0; i < what_.depth; ++i) {
      std::memcpy(buffers_.data() + i * kBufferBytes,
                  originals_.data() + current_[i] * kBufferBytes, bytes);
    }
    benchmark::ClobberMemory();
  }

  // All packets of the last burst were authentic, or need not be.
  [[nodiscard]] bool is_valid() const {
    return !what_.needs_authentic() || what_.way == Way::raw ||
           std::ranges::all_of(verdicts_,
                               [](Verdict verdict) { return verdict == Verdict::authentic; });
  }

 private:
  static std::byte* payload(std::vector<std::byte>& buffers, std::size_t index) {
    return buffers.data() + index * kBufferBytes + kPayloadOffset;
  }

  // One packet for each key.
  void seal_originals() {
    originals_.assign(keys_.size() * kBufferBytes, std::byte{0x5a});
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      CryptoJob job{};
      fill(job, keys_[i], 0);
      job.payload = payload(originals_, i);
      job.icv = job.payload + what_.payload_bytes;
      set_nonce(job, std::span<const std::byte, 8>(job.payload - 8, 8));
      engine_->seal({&job, 1});
    }
  }

  void take_keys(std::vector<std::size_t>& burst) {
    for (std::size_t& key : burst) key = keys_.next();
  }

  void fill(CryptoJob& job, const ExpandedKey& key, std::size_t index) {
    job.key = &key;
    job.payload = payload(buffers_, index);
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
  RawCrypto raw_;
  KeyTable keys_;
  std::vector<std::byte> buffers_;
  std::vector<std::byte> originals_;
  std::vector<CryptoJob> jobs_;
  std::vector<Verdict> verdicts_;
  std::vector<RawCrypto::Packet> packets_;
  std::vector<std::size_t> current_;
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
  for (std::size_t i = 0; i < what.keys / what.depth + 100; ++i) workbench.run_burst();
  const PerfReading before = counters.read();
  for (auto _ : state) workbench.run_burst();
  const PerfReading after = counters.read();
  if (!workbench.is_valid()) state.SkipWithError("packets were refused");
  PerfReading uncounted;
  if (what.needs_authentic()) {
    const PerfReading start = counters.read();
    for (benchmark::IterationCount i = 0; i < state.iterations(); ++i) workbench.start_burst();
    const PerfReading end = counters.read();
    uncounted = {end.cycles - start.cycles, end.instructions - start.instructions};
  }
  const double packets = static_cast<double>(state.iterations()) * static_cast<double>(what.depth);
  const auto per_packet = [&](std::uint64_t begin, std::uint64_t end, std::uint64_t without) {
    return (static_cast<double>(end - begin) - static_cast<double>(without)) / packets;
  };
  const double cycles = per_packet(before.cycles, after.cycles, uncounted.cycles);
  if (counters.unit() == "core_cycles") {
    state.counters["core_cycles"] = cycles;
    state.counters["instructions"] =
        per_packet(before.instructions, after.instructions, uncounted.instructions);
  } else {
    state.counters["tsc_cycles"] = cycles;
    state.counters["core_estimate"] = cycles * core_cycles_per_tsc_cycle();
  }
}

std::string name_of(const Case& what) {
  constexpr std::string_view kWays[] = {"raw", "engine"};
  constexpr std::string_view kDirections[] = {"seal", "open"};
  return std::string(kWays[static_cast<std::size_t>(what.way)]) + "_" +
         std::string(kDirections[static_cast<std::size_t>(what.direction)]) + "_" +
         std::string(transform_info(what.transform)->name) + "_" +
         std::to_string(what.payload_bytes) + "B_" + std::to_string(what.keys) +
         (what.keys == 1 ? "key_" : "keys_") + std::to_string(what.depth) + "deep";
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

// AES-GCM is done packet by packet: what matters is how many keys there are.
void register_gcm(const PerfCounters& counters) {
  for (const TransformId transform : {TransformId::aes128_gcm16, TransformId::aes256_gcm16}) {
    for (const Direction direction : {Direction::seal, Direction::open}) {
      for (const std::size_t keys : {std::size_t{1}, std::size_t{256}, std::size_t{10000}}) {
        for (const std::uint32_t payload_bytes : {64u, 512u, 1424u}) {
          for (const Way way : {Way::raw, Way::engine}) {
            register_case(counters, {way, direction, transform, payload_bytes, keys, 32});
          }
        }
      }
    }
  }
}

// One of each way to do the work, and what peers ask for most. What matters is how many packets
// there are at once.
constexpr std::string_view kGathered[] = {
    "aes128-gmac",
    "aes128-ccm",
    "aes256-ccm",
    "chacha20-poly1305",
    "aes128-cbc+hmac-sha1-96",
    "aes128-cbc+hmac-sha256-128",
    "aes192-cbc+hmac-sha256-128",
    "aes256-cbc+hmac-sha256-128",
    "aes256-cbc+hmac-sha384-192",
    "aes256-cbc+hmac-sha512-256",
    "aes128-cbc+hmac-md5-96",
    "aes128-cbc+aes-xcbc-96",
    "aes128-cbc+aes-cmac-96",
    "aes128-ctr+hmac-sha1-96",
    "aes256-ctr+hmac-sha256-128",
    "3des-cbc+hmac-sha1-96",
    "des-cbc+hmac-md5-96",
    "null+hmac-sha1-96",
    "null+hmac-sha256-128",
};

void register_gathered(const PerfCounters& counters) {
  for (const std::string_view name : kGathered) {
    for (const Direction direction : {Direction::seal, Direction::open}) {
      for (const std::size_t depth :
           {std::size_t{1}, std::size_t{16}, std::size_t{32}, std::size_t{128}}) {
        for (const std::uint32_t payload_bytes : {64u, 512u, 1424u}) {
          for (const Way way : {Way::raw, Way::engine}) {
            register_case(counters,
                          {way, direction, *transform_named(name), payload_bytes, 256, depth});
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
  job.key = &keys[0];
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
  culvert::register_gcm(counters);
  culvert::register_gathered(counters);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
