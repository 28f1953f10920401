// SPDX-License-Identifier: BSD-3-Clause
//
// The highest rate at which no packet is lost (RFC 2544 26.1, "throughput"), and how long packets
// take at it and below (26.2). See bench/README.md.
//
//   ndr [--direction seal|open] [--transform NAME] [--bytes N] [--sas N] [--seconds N] [--json] ...
//
// One worker on one core, between two ports that are rings of 1024 packets in memory; sender and
// receiver on another core.

#include <rte_cycles.h>
#include <rte_eal.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/ndr_trial.h"

namespace culvert {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string direction = "seal";
  std::string transform = "aes128-gcm";
  std::uint32_t inner_bytes = 64;
  std::uint32_t sas = 1;
  double seconds = 2;
  double precision = 0.01;  // of the rate
  double most_loss = 0;     // share of packets
  unsigned worker_core = 1;
  unsigned sender_core = 0;
  bool uses_no_huge_pages = false;
  bool is_json = false;
};

struct Found {
  double pps = 0;  // 0: every rate that was tried lost packets
  std::vector<Trial> trials;
};

// Halves the distance between a rate without loss and one with it. Each trial counts, as RFC 2544
// says; on a machine that is not quiet that finds the rate that its pauses leave.
Found search(Traffic& traffic, const Options& options) {
  Found found;
  const auto passes = [&](double pps) {
    found.trials.push_back(run_trial(traffic, pps, options.seconds));
    const Trial& trial = found.trials.back();
    const bool passed = trial.loss() <= options.most_loss;
    std::fprintf(stderr, "ndr: %8.3f Mpps offered, %.6f %% lost\n", trial.offered_pps / 1e6,
                 100 * trial.loss());
    if (passed) found.pps = std::max(found.pps, trial.offered_pps);
    return passed;
  };
  // What the gateway carries when it is never idle is above every rate that it carries without
  // loss.
  const Trial flood = run_trial(traffic, 0, options.seconds);
  double high = static_cast<double>(flood.received) / options.seconds * 1.05;
  double low = 0;
  while (high - low > options.precision * high) {
    const double middle = (low + high) / 2;
    (passes(middle) ? low : high) = middle;
    if (high < 1000) break;
  }
  return found;
}

double microseconds(std::uint64_t cycles) {
  return std::round(static_cast<double>(cycles) / static_cast<double>(rte_get_tsc_hz()) * 1e9) /
         1e3;
}

// RFC 2544 26.2 asks for the latency at the throughput; below it, packets do not wait for each
// other.
Json latency_at(Traffic& traffic, double share, double pps, double seconds) {
  const Trial trial = run_trial(traffic, share * pps, seconds);
  const auto at = [&trial](double percentile) {
    return microseconds(trial.latencies.percentile(percentile));
  };
  return {{"share_of_rate", share}, {"mpps", std::round(trial.offered_pps / 1e3) / 1e3},
          {"loss", trial.loss()},   {"p50_us", at(0.5)},
          {"p90_us", at(0.9)},      {"p99_us", at(0.99)},
          {"p99_9_us", at(0.999)},  {"max_us", at(1)}};
}

void print(const Json& result) {
  std::printf("%s %s, %u bytes, %u SAs: %.3f Mpps, %.3f Gbit/s of inner packets, loss at most %g\n",
              result["direction"].get<std::string>().c_str(),
              result["transform"].get<std::string>().c_str(), result["inner_bytes"].get<unsigned>(),
              result["sas"].get<unsigned>(), result["mpps"].get<double>(),
              result["gbps"].get<double>(), result["most_loss"].get<double>());
  std::printf("%10s %10s %10s %10s %10s %10s %10s\n", "of rate", "p50 [us]", "p90", "p99", "p99.9",
              "max", "lost");
  for (const Json& entry : result["latency"]) {
    std::printf("%9.0f%% %10.2f %10.2f %10.2f %10.2f %10.2f %10.6f\n",
                100 * entry["share_of_rate"].get<double>(), entry["p50_us"].get<double>(),
                entry["p90_us"].get<double>(), entry["p99_us"].get<double>(),
                entry["p99_9_us"].get<double>(), entry["max_us"].get<double>(),
                entry["loss"].get<double>());
  }
}

int fail(const std::string& text) {
  std::fprintf(stderr, "ndr: %s\n", text.c_str());
  return 1;
}

int run(const Options& options) {
  const auto transform = transform_named(options.transform);
  if (!transform) {
    return fail("transform \"" + options.transform + "\": `throughput --list` has their names");
  }
  ThroughputGateway gateway;
  std::string error = gateway.start(
      {.core = static_cast<std::uint16_t>(options.sender_core),
       .use_huge_pages = static_cast<std::uint8_t>(options.uses_no_huge_pages ? 0 : 1)});
  const TrafficKind kind{
      options.direction == "seal" ? TrafficDirection::seal : TrafficDirection::open,
      options.inner_bytes,
      {*transform, options.sas, 0}};
  if (error.empty()) error = gateway.set_tunnels(kind.tunnels);
  if (!error.empty()) return fail(error);
  Traffic traffic(gateway, kind);
  const WorkerThread worker(gateway, options.worker_core);
  const Found found = search(traffic, options);
  if (found.pps == 0) return fail("every rate lost packets: the machine pauses too long");
  Json result = {{"direction", options.direction},
                 {"transform", options.transform},
                 {"inner_bytes", options.inner_bytes},
                 {"sas", options.sas},
                 {"most_loss", options.most_loss},
                 {"trial_seconds", options.seconds},
                 {"mpps", std::round(found.pps / 1e3) / 1e3},
                 {"gbps", std::round(found.pps * traffic.mean_inner_bytes() * 8 / 1e6) / 1e3}};
  result["latency"] = Json::array();
  for (const double share : {1.0, 0.9, 0.5, 0.1}) {
    result["latency"].push_back(latency_at(traffic, share, found.pps, options.seconds));
  }
  if (options.is_json) {
    std::puts(result.dump().c_str());
  } else {
    print(result);
  }
  return 0;
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  culvert::Options options;
  CLI::App app("The highest rate without loss, and latency at it (RFC 2544 26.1, 26.2)");
  app.add_option("--direction", options.direction, "what the gateway does")
      ->check(CLI::IsMember({"seal", "open"}))
      ->capture_default_str();
  app.add_option("--transform", options.transform, "as `throughput --list` names it")
      ->capture_default_str();
  app.add_option("--bytes", options.inner_bytes, "of inner packets")
      ->check(CLI::Range(64u, 1420u))
      ->capture_default_str();
  app.add_option("--sas", options.sas, "tunnels")
      ->check(CLI::Range(1u, culvert::kMaxTunnels))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "of each trial; RFC 2544 24 wants 60")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_option("--precision", options.precision, "of the rate, as a share")
      ->check(CLI::Range(0.0001, 0.5))
      ->capture_default_str();
  app.add_option("--loss", options.most_loss, "share of packets that may be lost")
      ->check(CLI::Range(0.0, 0.5))
      ->capture_default_str();
  app.add_option("--core", options.worker_core, "CPU of the worker")
      ->check(CLI::Range(0u, 1023u))
      ->capture_default_str();
  app.add_option("--sender-core", options.sender_core, "CPU of sender and receiver")
      ->check(CLI::Range(0u, 1023u))
      ->capture_default_str();
  app.add_flag("--no-huge", options.uses_no_huge_pages, "do without huge pages");
  app.add_flag("--json", options.is_json, "one line of JSON on standard output");
  CLI11_PARSE(app, argc, argv);
  const int status = culvert::run(options);
  rte_eal_cleanup();
  return status;
}
