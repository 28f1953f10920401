// SPDX-License-Identifier: BSD-3-Clause
//
// How the whole path fares with more SAs than caches hold. See bench/README.md.
//
//   sa_scale [--sas N,N...] [--direction seal|open] [--bytes N,N...] [--samples N] [--core N]
//            [--no-huge] [--json]
//
// One thread, as in bench/throughput. With each number of SAs in the tables, turns of packets that
// all belong to one SA, that hit all uniformly at random, and by Zipf follow each other, so that a
// loud neighbour hits all of them; `relative` is the rate over that of the one SA.

#include <rte_cycles.h>
#include <rte_eal.h>
#include <sys/sysinfo.h>

#include <CLI/CLI.hpp>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/meter.h"
#include "bench/perf_counters.h"
#include "bench/sa_scale_draw.h"
#include "bench/throughput_gateway.h"
#include "bench/throughput_traffic.h"

namespace culvert {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kPatterns = {Pattern::one, Pattern::uniform, Pattern::zipf};
constexpr std::uint32_t kFlowsPerSa = 4;
constexpr std::uint64_t kSequencesOfARun = 1 << 28;
// What an SA and its policy take in this process, the bench's own part with it, and what must be
// left for the rest of the machine.
constexpr std::uint64_t kBytesPerSa = 3000;
constexpr std::uint64_t kBytesToSpare = 2ull << 30;

struct Options {
  std::vector<std::uint32_t> sas{1, 1000, 1 << 16, 1'000'000, 4'000'000};
  std::vector<std::string> directions{"seal", "open"};
  std::vector<std::uint32_t> bytes{64, 1420};
  unsigned samples = 9;
  unsigned core = 1;
  bool uses_no_huge_pages = false;
  bool is_json = false;
};

struct Sample {
  double cycles = 0;
  double ns = 0;
  double cache_misses = 0;
  double tlb_misses = 0;
};

struct Result {
  TrafficKind kind;
  Pattern pattern{};
  double cycles = 0;  // medians, per packet, source and sink taken off
  double mpps = 0;
  double relative = 1;  // to the turns of one SA
  double cache_misses = 0;
  double tlb_misses = 0;
};

// In proportion: shared pages count once.
std::uint64_t memory_bytes() {
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Pss:")) return std::stoull(line.substr(4)) * 1024;
  }
  return 0;
}

std::uint64_t free_bytes() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("MemAvailable:")) return std::stoull(line.substr(13)) * 1024;
  }
  return 0;
}

double median_field(const std::vector<Sample>& samples, double Sample::*value) {
  std::vector<double> values;
  for (const Sample& sample : samples) values.push_back(sample.*value);
  return median_of(values);
}

// Packets of one size. Nothing when some were lost.
class SizeRun {
 public:
  SizeRun(ThroughputGateway& gateway, const PerfCounters& counters, const TrafficKind& kind)
      : counters_(&counters), kind_(kind), traffic_(gateway, kind) {
    for (const Pattern pattern : kPatterns) draws_.emplace_back(pattern, kind.tunnels.count);
  }

  [[nodiscard]] std::optional<std::vector<Result>> measure(unsigned samples) {
    std::array<std::vector<Sample>, kPatterns.size()> taken;
    for (unsigned sample = 0; sample <= samples; ++sample) {
      for (std::size_t i = 0; i < kPatterns.size(); ++i) {
        const Sample turn = take(draws_[i]);
        if (sample != 0) taken[i].push_back(turn);  // the first warms up
      }
      if (!is_whole_) return std::nullopt;
    }
    std::vector<Result> results;
    for (std::size_t i = 0; i < kPatterns.size(); ++i) {
      results.push_back({.kind = kind_,
                         .pattern = kPatterns[i],
                         .cycles = median_field(taken[i], &Sample::cycles),
                         .mpps = 1e3 / median_field(taken[i], &Sample::ns),
                         .cache_misses = median_field(taken[i], &Sample::cache_misses),
                         .tlb_misses = median_field(taken[i], &Sample::tlb_misses)});
      results.back().relative = results.back().mpps / results.front().mpps;
    }
    return results;
  }

 private:
  // Every turn has other SAs than the one before it.
  [[nodiscard]] Sample take(SaDraw& draw) {
    constexpr int kTurns = 4;
    Meter path(*counters_), ports(*counters_);
    for (int turn = 0; turn < kTurns; ++turn) {
      std::array<std::uint32_t, Traffic::kPackets> sas;
      draw.deal(sas);
      traffic_.deal(sas);
      traffic_.prepare();
      ports.measure(Traffic::kPackets, [&] { traffic_.through_ports(); });
      path.measure(Traffic::kPackets, [&] { is_whole_ = traffic_.through_gateway() && is_whole_; });
    }
    return {path.cycles() - ports.cycles(), path.ns() - ports.ns(),
            path.cache_misses() - ports.cache_misses(), path.tlb_misses() - ports.tlb_misses()};
  }

  const PerfCounters* counters_;
  TrafficKind kind_;
  Traffic traffic_;
  std::vector<SaDraw> draws_;
  bool is_whole_ = true;
};

Json to_json(const Result& result, const PerfCounters& counters) {
  const auto rounded = [](double value) { return std::round(value * 1000) / 1000; };
  const bool has_counters = counters.unit() == "core_cycles";
  return {{"direction", result.kind.direction == TrafficDirection::seal ? "seal" : "open"},
          {"inner_bytes", result.kind.inner_bytes},
          {"sas", result.kind.tunnels.count},
          {"pattern", name_of(result.pattern)},
          {"mpps", rounded(result.mpps)},
          {"relative", rounded(result.relative)},
          {"cycles_per_packet", rounded(result.cycles)},
          {"cache_misses_per_packet", has_counters ? Json(rounded(result.cache_misses)) : Json()},
          {"tlb_misses_per_packet", has_counters ? Json(rounded(result.tlb_misses)) : Json()}};
}

void print_row(const Result& result) {
  std::printf("%-5s %8u %6u %-8s %8.1f %8.3f %9.2f\n",
              result.kind.direction == TrafficDirection::seal ? "seal" : "open",
              result.kind.tunnels.count, result.kind.inner_bytes,
              std::string(name_of(result.pattern)).c_str(), result.cycles, result.mpps,
              result.relative);
  std::fflush(stdout);
}

struct Bench {
  const Options& options;
  ThroughputGateway gateway;
  PerfCounters counters;
  Json results = Json::array();
  Json filled = Json::array();

  // All sizes with so many SAs of that direction. False: an error was printed.
  [[nodiscard]] bool run(TrafficDirection direction, std::uint32_t sas) {
    const TunnelKind tunnels{
        .transform = TransformId::aes128_gcm16,
        .count = sas,
        .sites = Sites::hosts,
        .ends = direction == TrafficDirection::seal ? Ends::outbound : Ends::inbound};
    if (!fill(tunnels, direction)) return false;
    TrafficKind kind{.direction = direction, .tunnels = tunnels, .flows = kFlowsPerSa};
    for (const std::uint32_t bytes : options.bytes) {
      kind.inner_bytes = bytes;
      SizeRun run(gateway, counters, kind);
      kind.last_sequence += kSequencesOfARun;
      const auto measured = run.measure(options.samples);
      if (!measured) {
        std::fprintf(stderr, "sa_scale: packets were lost: %s\n", gateway.drops().c_str());
        return false;
      }
      for (const Result& result : *measured) {
        if (!options.is_json) print_row(result);
        results.push_back(to_json(result, counters));
      }
    }
    return true;
  }

  [[nodiscard]] bool fill(const TunnelKind& tunnels, TrafficDirection direction) {
    if (const std::string error = gateway.set_tunnels({.count = 0}); !error.empty())
      return fail(error);
    const std::uint64_t before = memory_bytes();
    const auto start = std::chrono::steady_clock::now();
    if (const std::string error = gateway.set_tunnels(tunnels); !error.empty()) return fail(error);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const std::uint64_t grown = std::max(memory_bytes(), before) - before;
    filled.push_back({{"direction", direction == TrafficDirection::seal ? "seal" : "open"},
                      {"sas", tunnels.count},
                      {"seconds", std::round(seconds.count() * 1000) / 1000},
                      {"memory_bytes_more", grown}});
    return true;
  }

  static bool fail(const std::string& error) {
    std::fprintf(stderr, "sa_scale: %s\n", error.c_str());
    return false;
  }
};

// Those that memory does not hold are left out, and named.
void keep_what_fits(std::vector<std::uint32_t>& sas) {
  const std::uint64_t available = free_bytes();
  std::erase_if(sas, [available](std::uint32_t count) {
    const bool fits = count * kBytesPerSa + kBytesToSpare <= available;
    if (!fits) {
      std::fprintf(stderr, "sa_scale: %u SAs left out: they take %.1f GB, %.1f GB are free\n",
                   count, static_cast<double>(count) * kBytesPerSa / 1e9,
                   static_cast<double>(available) / 1e9);
    }
    return !fits;
  });
}

int run(Options options) {
  keep_what_fits(options.sas);
  if (options.sas.empty()) return 1;
  Bench bench{.options = options, .gateway = {}, .counters = {}};
  const std::string error = bench.gateway.start(
      {.core = static_cast<std::uint16_t>(options.core),
       .use_huge_pages = static_cast<std::uint8_t>(options.uses_no_huge_pages ? 0 : 1),
       .max_sas = std::max(4096u, std::ranges::max(options.sas))});
  if (!error.empty()) return Bench::fail(error) ? 0 : 1;
  if (!options.is_json) {
    std::printf("%s, unit %s\n%-5s %8s %6s %-8s %8s %8s %9s\n", cpu_name().c_str(),
                std::string(bench.counters.unit()).c_str(), "", "SAs", "bytes", "pattern", "cycles",
                "Mpps", "relative");
  }
  for (const std::string& direction : options.directions) {
    for (const std::uint32_t sas : options.sas) {
      if (!bench.run(direction == "seal" ? TrafficDirection::seal : TrafficDirection::open, sas)) {
        return 1;
      }
    }
  }
  if (options.is_json) {
    const Json document = {{"machine",
                            {{"cpu", cpu_name()},
                             {"tsc_hz", rte_get_tsc_hz()},
                             {"unit", bench.counters.unit()},
                             {"code_path", bench.gateway.status().code_path.data()},
                             {"huge_pages", bench.gateway.status().uses_huge_pages != 0}}},
                           {"filled", bench.filled},
                           {"results", bench.results}};
    std::puts(document.dump(2).c_str());
  }
  return 0;
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  culvert::Options options;
  CLI::App app("Throughput of the whole path with up to millions of SAs");
  app.add_option("--sas", options.sas, "numbers of SAs")
      ->delimiter(',')
      ->check(CLI::Range(1u, culvert::kMaxHostTunnels))
      ->capture_default_str();
  app.add_option("--direction", options.directions, "seal, open")
      ->delimiter(',')
      ->check(CLI::IsMember({"seal", "open"}))
      ->capture_default_str();
  app.add_option("--bytes", options.bytes, "sizes of inner packets")
      ->delimiter(',')
      ->check(CLI::Range(64u, 1420u))
      ->capture_default_str();
  app.add_option("--samples", options.samples, "of each case")
      ->check(CLI::Range(5u, 1000u))
      ->capture_default_str();
  app.add_option("--core", options.core, "CPU to run on")
      ->check(CLI::Range(0u, 1023u))
      ->capture_default_str();
  app.add_flag("--no-huge", options.uses_no_huge_pages, "do without huge pages");
  app.add_flag("--json", options.is_json, "one JSON document on standard output");
  CLI11_PARSE(app, argc, argv);
  const int status = culvert::run(options);
  rte_eal_cleanup();
  return status;
}
