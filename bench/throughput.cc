// SPDX-License-Identifier: BSD-3-Clause
//
// What a packet costs on its whole way through the gateway, beside what ipsec-mb alone needs for
// the same bytes, buffers, keys and order. See bench/README.md.
//
//   throughput [--list] [--filter TEXT] [--seconds N] [--core N] [--no-huge] [--json]
//
// One thread, no other process: the real worker between two ports that are rings in memory. Each
// sample goes in turns through the gateway, through the ports alone (packet source, receive,
// transmit, sink: what is taken off), and through ipsec-mb, so that a loud neighbour hits all
// three.

#include <rte_cycles.h>
#include <rte_eal.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/meter.h"
#include "bench/perf_counters.h"
#include "bench/throughput_gateway.h"
#include "bench/throughput_traffic.h"

namespace culvert {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kTurns = 4;  // of each of the three within one sample
constexpr std::size_t kLeastSamples = 5;
constexpr std::uint32_t kCanaryBytes = 1424;

struct Options {
  std::string filter;
  double seconds = 0.5;
  unsigned core = 1;
  bool uses_no_huge_pages = false;
  bool is_json = false;
  bool is_list = false;
};

// Cycles per packet, but for nanoseconds.
struct Result {
  TrafficKind kind;
  Spread path;  // the gateway's, source and sink taken off
  Spread raw;
  Spread ports;
  double instructions = 0;
  double path_ns = 0;
  double inner_bytes = 0;
  std::size_t samples = 0;

  [[nodiscard]] double overhead() const { return path.median - raw.median; }
};

std::string_view transform_name(const TrafficKind& kind) {
  return kind.tunnels.is_mixed() ? "mix" : transform_info(kind.tunnels.transform)->name;
}

std::string name_of(const TrafficKind& kind) {
  std::string name = kind.direction == TrafficDirection::seal ? "seal_" : "open_";
  name += transform_name(kind);
  name += kind.inner_bytes == kImix ? "_imix" : "_" + std::to_string(kind.inner_bytes) + "B";
  name += "_" + std::to_string(kind.tunnels.count) + "sa";
  if (kind.has_esn()) name += "_esn";
  if (kind.is_udp_encapsulated()) name += kind.is_over_ipv6() ? "_udp6" : "_udp";
  return name;
}

// All sizes of what such tunnels carry, in both directions.
void add_sizes(const TunnelKind& tunnels, std::vector<TrafficKind>& kinds) {
  for (const auto direction : {TrafficDirection::seal, TrafficDirection::open}) {
    for (const std::uint32_t bytes : {64u, 512u, 1420u, kImix}) {
      kinds.push_back({direction, bytes, tunnels});
    }
  }
}

std::vector<TrafficKind> all_kinds() {
  std::vector<TrafficKind> kinds;
  for (std::size_t i = 1; i < kTransformCount; ++i) {
    const auto transform = static_cast<TransformId>(i);
    for (const std::uint32_t count : {1u, kMaxTunnels}) {
      for (const std::uint32_t flags : {0u, kSaEsn, kSaUdpEncap}) {
        add_sizes({transform, count, flags}, kinds);
      }
      TunnelKind over_ipv6{transform, count, kSaUdpEncap};
      over_ipv6.family = Family::v6;
      add_sizes(over_ipv6, kinds);
    }
  }
  add_sizes({.count = kMaxTunnels}, kinds);
  return kinds;
}

// Nothing on failure.
std::optional<Result> measure(ThroughputGateway& gateway, const PerfCounters& counters,
                              const TrafficKind& kind, double seconds) {
  if (const std::string error = gateway.set_tunnels(kind.tunnels); !error.empty()) {
    std::fprintf(stderr, "throughput: %s\n", error.c_str());
    return std::nullopt;
  }
  Traffic traffic(gateway, kind);
  bool is_whole = true;
  const auto gateway_turn = [&] { is_whole = traffic.through_gateway() && is_whole; };
  std::vector<double> path, raw, ports, instructions, ns;
  const std::uint64_t end =
      rte_get_tsc_cycles() +
      static_cast<std::uint64_t>(seconds * static_cast<double>(rte_get_tsc_hz()));
  traffic.prepare();
  gateway_turn();  // pages, caches and branches get to know it
  if (is_whole && !traffic.came_out_right()) {
    std::fprintf(stderr, "throughput: %s: packets came out wrong\n", name_of(kind).c_str());
    return std::nullopt;
  }
  while (is_whole && (path.size() < kLeastSamples || rte_get_tsc_cycles() < end)) {
    Meter path_meter(counters), raw_meter(counters), ports_meter(counters);
    for (int turn = 0; turn < kTurns; ++turn) {
      traffic.prepare();
      ports_meter.measure(Traffic::kPackets, [&] { traffic.through_ports(); });
      path_meter.measure(Traffic::kPackets, gateway_turn);
      raw_meter.measure(Traffic::kPackets, [&] { traffic.through_ipsec_mb(); });
    }
    path.push_back(path_meter.cycles() - ports_meter.cycles());
    raw.push_back(raw_meter.cycles());
    ports.push_back(ports_meter.cycles());
    instructions.push_back(path_meter.instructions() - ports_meter.instructions());
    ns.push_back(path_meter.ns() - ports_meter.ns());
  }
  if (!is_whole) {
    std::fprintf(stderr, "throughput: %s: packets were lost: %s\n", name_of(kind).c_str(),
                 gateway.drops().c_str());
    return std::nullopt;
  }
  return Result{.kind = kind,
                .path = spread_of(path),
                .raw = spread_of(raw),
                .ports = spread_of(ports),
                .instructions = median_of(instructions),
                .path_ns = median_of(ns),
                .inner_bytes = traffic.mean_inner_bytes(),
                .samples = path.size()};
}

// AES-128-GCM of 1424 bytes in one hot buffer with one key, the median of 15 runs.
double canary_cycles(const PerfCounters& counters) {
  constexpr int kCalls = 2000;
  const auto engine = Engine::create();
  auto key = std::make_unique<ExpandedKey>();
  const auto material = key_material(TransformId::aes128_gcm16, 0);
  if (engine->expand(TransformId::aes128_gcm16, material, *key) != ExpandStatus::ok) return 0;
  std::array<std::byte, 2048> buffer{};
  CryptoJob job{.key = key.get(),
                .payload = buffer.data(),
                .icv = buffer.data() + kCanaryBytes,
                .payload_bytes = kCanaryBytes,
                .aad_bytes = 8,
                .nonce = {},
                .aad = {}};
  std::vector<double> runs;
  for (int run = 0; run < 15; ++run) {
    const PerfReading before = counters.read();
    for (int call = 0; call < kCalls; ++call) engine->seal({&job, 1});
    runs.push_back(static_cast<double>(counters.read().cycles - before.cycles) / kCalls);
  }
  return median_of(runs);
}

double rounded(double value) {
  return std::round(value * 10) / 10;
}

// Of the machine when it was measured.
struct Machine {
  std::string unit;
  std::string method;
  std::string code_path;
  bool has_huge_pages = false;
  double canary = 0;
  double core_cycles_per_unit = 1;  // measured, where the unit is another
};

Machine inspect(const PerfCounters& counters, ThroughputGateway& gateway) {
  const bool is_core = counters.unit() == "core_cycles";
  return {.unit = std::string(counters.unit()),
          .method = std::string(counters.method()),
          .code_path = gateway.status().code_path.data(),
          .has_huge_pages = gateway.status().uses_huge_pages != 0,
          .canary = canary_cycles(counters),
          .core_cycles_per_unit = is_core ? 1 : core_cycles_per_tsc_cycle()};
}

double mpps(const Result& result) {
  return 1e3 / result.path_ns;
}
double gbps(const Result& result) {
  return mpps(result) * result.inner_bytes * 8 / 1e3;
}

Json to_json(const Machine& machine, const std::vector<Result>& results) {
  Json document;
  document["machine"] = {
      {"cpu", cpu_name()},
      {"tsc_hz", rte_get_tsc_hz()},
      {"ipsec_mb", imb_get_version_str()},
      {"code_path", machine.code_path},
      {"unit", machine.unit},
      {"counted_by", machine.method},
      {"core_cycles_per_unit", std::round(machine.core_cycles_per_unit * 100) / 100},
      {"huge_pages", machine.has_huge_pages},
      {"canary_cycles", rounded(machine.canary)}};
  document["results"] = Json::array();
  for (const Result& result : results) {
    Json entry = {{"direction", result.kind.direction == TrafficDirection::seal ? "seal" : "open"},
                  {"transform", transform_name(result.kind)}};
    if (result.kind.inner_bytes == kImix) {
      entry["inner_bytes"] = "imix";
    } else {
      entry["inner_bytes"] = result.kind.inner_bytes;
    }
    entry["sas"] = result.kind.tunnels.count;
    entry["udp_encap"] = result.kind.is_udp_encapsulated();
    entry["esn"] = result.kind.has_esn();
    entry["outer_family"] = result.kind.is_over_ipv6() ? 6 : 4;
    entry["cycles_per_packet"] = rounded(result.path.median);
    entry["raw_cycles_per_packet"] = rounded(result.raw.median);
    entry["overhead_cycles"] = rounded(result.overhead());
    entry["instructions_per_packet"] =
        result.instructions > 0 ? Json(rounded(result.instructions)) : Json();
    entry["mpps"] = std::round(mpps(result) * 1000) / 1000;
    entry["gbps"] = std::round(gbps(result) * 1000) / 1000;
    entry["samples"] = result.samples;
    entry["mad"] = rounded(result.path.mad);
    entry["min"] = rounded(result.path.least);
    entry["raw_mad"] = rounded(result.raw.mad);
    entry["raw_min"] = rounded(result.raw.least);
    entry["ports_cycles_per_packet"] = rounded(result.ports.median);
    entry["overhead_core_cycles"] = rounded(result.overhead() * machine.core_cycles_per_unit);
    document["results"].push_back(entry);
  }
  return document;
}

void print_head(const Machine& machine) {
  std::printf("%s, ipsec-mb %s, %s, %s pages\n", cpu_name().c_str(), imb_get_version_str(),
              machine.code_path.c_str(), machine.has_huge_pages ? "huge" : "small");
  std::printf("unit %s (%s), 1 = %.2f core cycles; canary %.0f\n\n", machine.unit.c_str(),
              machine.method.c_str(), machine.core_cycles_per_unit, machine.canary);
  std::printf("%-34s %7s %5s %7s %7s %5s %8s %6s %7s %7s\n", "cycles per packet", "gateway", "mad",
              "min", "ipsecmb", "ports", "overhead", "(core)", "Mpps", "Gbit/s");
}

void print_row(const Machine& machine, const Result& result) {
  std::printf("%-34s %7.1f %5.1f %7.1f %7.1f %5.1f %8.1f %6.1f %7.3f %7.3f\n",
              name_of(result.kind).c_str(), result.path.median, result.path.mad, result.path.least,
              result.raw.median, result.ports.median, result.overhead(),
              result.overhead() * machine.core_cycles_per_unit, mpps(result), gbps(result));
  std::fflush(stdout);
}

int run(const Options& options) {
  std::vector<TrafficKind> kinds = all_kinds();
  std::erase_if(kinds, [&](const TrafficKind& kind) {
    return name_of(kind).find(options.filter) == std::string::npos;
  });
  if (options.is_list) {
    for (const TrafficKind& kind : kinds) std::puts(name_of(kind).c_str());
    return 0;
  }
  if (kinds.empty()) {
    std::fprintf(stderr, "throughput: --filter %s: no case has it; see --list\n",
                 options.filter.c_str());
    return 2;
  }
  ThroughputGateway gateway;
  const std::string error = gateway.start(
      {.core = static_cast<std::uint16_t>(options.core),
       .use_huge_pages = static_cast<std::uint8_t>(options.uses_no_huge_pages ? 0 : 1)});
  if (!error.empty()) {
    std::fprintf(stderr, "throughput: %s\n", error.c_str());
    return 1;
  }
  const PerfCounters counters;
  const Machine machine = inspect(counters, gateway);
  if (!options.is_json) print_head(machine);
  std::vector<Result> results;
  for (const TrafficKind& kind : kinds) {
    const auto result = measure(gateway, counters, kind, options.seconds);
    if (!result) return 1;
    results.push_back(*result);
    if (!options.is_json) print_row(machine, *result);
  }
  if (options.is_json) std::puts(to_json(machine, results).dump(2).c_str());
  return 0;
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  culvert::Options options;
  CLI::App app("What a packet costs on its whole way through the gateway");
  app.add_option("--filter", options.filter, "only cases whose name contains this");
  app.add_option("--seconds", options.seconds, "of each case; at least 5 samples are taken")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  app.add_option("--core", options.core, "CPU to run on")
      ->check(CLI::Range(0u, 1023u))
      ->capture_default_str();
  app.add_flag("--no-huge", options.uses_no_huge_pages, "do without huge pages");
  app.add_flag("--json", options.is_json, "one JSON document on standard output");
  app.add_flag("--list", options.is_list, "print the names of the cases and end");
  CLI11_PARSE(app, argc, argv);
  const int status = culvert::run(options);
  const bool has_begun = !options.is_list && status != 2;
  if (has_begun) rte_eal_cleanup();
  return status;
}
