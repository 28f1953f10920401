// SPDX-License-Identifier: BSD-3-Clause
//
// One SA carried by two workers at once, beside what ipsec-mb alone reaches on the same two cores.
// See bench/README.md.
//
//   one_sa_scaling [--direction seal|open] [--bytes N,N...] [--samples N] [--core N] [--no-huge]
//                  [--json]
//
// Worker 0 on --core, worker 1 on the one after it, each with its own queue of both ports and half
// of the tunnel's flows, as RSS would deal them. Turns of one worker, of both, and of ipsec-mb on
// one core and on both follow each other. Rates are packets by each thread's own CPU time, summed
// over the threads, source and sink with them: what other programs take counts little, what the
// threads take from each other counts in full.

#include <pthread.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_pause.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bench/meter.h"
#include "bench/throughput_gateway.h"
#include "bench/throughput_traffic.h"

namespace culvert {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint16_t kWorkers = 2;
constexpr int kTurns = 4;  // in one sample
// Nothing is refused as too old although one worker may be a whole turn ahead of the other.
constexpr std::uint32_t kWindow = 32768;
static_assert(kWindow > 2 * kWorkers * Traffic::kPackets);
constexpr std::uint64_t kSequencesOfARun = 1 << 26;

struct Options {
  std::vector<std::string> directions{"seal", "open"};
  std::vector<std::uint32_t> bytes{64, 1420};
  unsigned samples = 21;
  unsigned core = 0;
  bool uses_no_huge_pages = false;
  bool is_json = false;
};

// A thread on another core that does a piece of work now and then, and sleeps in between: one that
// spins would slow its neighbour down where both are threads of one core.
class Helper {
 public:
  explicit Helper(unsigned core) : thread_([this, core] { run(core); }) {}
  ~Helper() {
    work_ = nullptr;
    turn_.fetch_add(1);
    turn_.notify_one();
    thread_.join();
  }
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;

  // Both begin at the same moment.
  void beside(const std::function<void()>& mine, const std::function<void()>& its) {
    work_ = &its;
    is_ready_ = false;
    is_done_ = false;
    turn_.fetch_add(1);
    turn_.notify_one();
    while (!is_ready_) rte_pause();
    goes_ = turn_.load();
    mine();
    while (!is_done_) rte_pause();
  }

 private:
  void run(unsigned core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    pthread_setaffinity_np(pthread_self(), sizeof cores, &cores);
    for (unsigned turn = 0;; ++turn) {
      turn_.wait(turn);
      if (work_ == nullptr) return;
      is_ready_ = true;
      while (goes_ != turn + 1) rte_pause();
      (*work_)();
      is_done_ = true;
    }
  }

  const std::function<void()>* work_ = nullptr;
  std::atomic<unsigned> turn_{0};
  std::atomic<unsigned> goes_{0};
  std::atomic<bool> is_ready_{false};
  std::atomic<bool> is_done_{false};
  std::thread thread_;
};

std::uint64_t cpu_time_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// The CPU time that each worker took for its packets of a sample.
class Stopwatch {
 public:
  void time(std::size_t worker, const std::function<void()>& work) {
    const std::uint64_t start = cpu_time_ns();
    work();
    ns_[worker] += cpu_time_ns() - start;
  }
  // Millions of packets a second, of all that worked.
  [[nodiscard]] double mpps() const {
    double sum = 0;
    for (const std::uint64_t ns : ns_) {
      if (ns != 0)
        sum += 1e3 * static_cast<double>(Traffic::kPackets) * kTurns / static_cast<double>(ns);
    }
    return sum;
  }

 private:
  std::array<std::uint64_t, kWorkers> ns_{};
};

// Millions of packets a second; the last two of a pair of workers.
struct Rates {
  double one = 0;
  double both = 0;
};

// How many of the packets came out behind one with a higher number: of their own flow, and of all
// of the SA, which says something of sealed packets only: opened ones have no numbers any more.
struct Disorder {
  double of_sa = 0;
  double of_flow = 0;
};

Disorder disorder_of(std::vector<Traffic::Departure> departures) {
  std::ranges::stable_sort(departures, {}, &Traffic::Departure::time);
  std::uint64_t newest = 0;
  std::map<std::uint16_t, std::uint64_t> newest_of_flow;
  Disorder disorder;
  for (const Traffic::Departure& packet : departures) {
    std::uint64_t& newest_of_its = newest_of_flow[packet.source_port];
    disorder.of_sa += packet.sequence < newest ? 1 : 0;
    disorder.of_flow += packet.sequence < newest_of_its ? 1 : 0;
    newest = std::max(newest, packet.sequence);
    newest_of_its = std::max(newest_of_its, packet.sequence);
  }
  const auto count = static_cast<double>(departures.size());
  return {disorder.of_sa / count, disorder.of_flow / count};
}

struct Result {
  TrafficKind kind;
  Rates path;
  Rates raw;
  Disorder disorder;

  [[nodiscard]] double speedup() const { return path.both / path.one; }
  [[nodiscard]] double ceiling() const { return raw.both / raw.one; }
};

class Pair {
 public:
  Pair(ThroughputGateway& gateway, Helper& helper, const TrafficKind& kind)
      : helper_(&helper),
        kind_(kind),
        traffics_{Traffic(gateway, of_worker(kind, 0)), Traffic(gateway, of_worker(kind, 1))} {}

  // Nothing: a packet was lost or refused.
  [[nodiscard]] std::optional<Result> measure(unsigned samples) {
    std::vector<double> one, both, raw_one, raw_both, of_sa, of_flow;
    for (unsigned sample = 0; sample <= samples; ++sample) {
      Stopwatch alone, together, raw_alone, raw_together;
      for (int turn = 0; turn < kTurns; ++turn) {
        prepare();
        alone.time(0, [this] { carry(0); });
        prepare();
        helper_->beside([&] { together.time(0, [this] { carry(0); }); },
                        [&] { together.time(1, [this] { carry(1); }); });
        if (!is_whole_[0] || !is_whole_[1]) return std::nullopt;
        const Disorder disorder = disorder_of(all_departures());
        of_sa.push_back(disorder.of_sa);
        of_flow.push_back(disorder.of_flow);
        raw_alone.time(0, [this] { traffics_[0].through_ipsec_mb(); });
        helper_->beside([&] { raw_together.time(0, [this] { traffics_[0].through_ipsec_mb(); }); },
                        [&] { raw_together.time(1, [this] { traffics_[1].through_ipsec_mb(); }); });
      }
      if (sample == 0) continue;  // it warms up
      one.push_back(alone.mpps());
      both.push_back(together.mpps());
      raw_one.push_back(raw_alone.mpps());
      raw_both.push_back(raw_together.mpps());
    }
    return Result{.kind = kind_,
                  .path = {median_of(one), median_of(both)},
                  .raw = {median_of(raw_one), median_of(raw_both)},
                  .disorder = {median_of(of_sa), median_of(of_flow)}};
  }

 private:
  // Numbers alternate, as they would if packets were dealt one by one.
  static TrafficKind of_worker(TrafficKind kind, std::uint16_t worker) {
    kind.worker = worker;
    kind.sequence_step = kWorkers;
    kind.last_sequence += worker;
    return kind;
  }
  void prepare() {
    for (Traffic& traffic : traffics_) traffic.prepare();
  }
  void carry(std::size_t worker) {
    is_whole_[worker] = traffics_[worker].through_gateway() && is_whole_[worker];
  }
  [[nodiscard]] std::vector<Traffic::Departure> all_departures() const {
    std::vector<Traffic::Departure> all = traffics_[0].departures();
    for (const Traffic::Departure& departure : traffics_[1].departures()) {
      all.push_back(departure);
    }
    return all;
  }

  Helper* helper_;
  TrafficKind kind_;
  std::array<Traffic, kWorkers> traffics_;
  std::array<bool, kWorkers> is_whole_{true, true};
};

double rounded(double value) {
  return std::round(value * 1000) / 1000;
}

std::string direction_of(const Result& result) {
  return result.kind.direction == TrafficDirection::seal ? "seal" : "open";
}

void add_json(const Result& result, Json& results) {
  const auto add = [&](int workers, double mpps, double speedup, double ceiling) {
    results.push_back({{"direction", direction_of(result)},
                       {"inner_bytes", result.kind.inner_bytes},
                       {"workers", workers},
                       {"mpps", rounded(mpps)},
                       {"speedup", rounded(speedup)},
                       {"ceiling_speedup", rounded(ceiling)},
                       {"reordered", workers == 1 ? 0.0 : rounded(result.disorder.of_flow)},
                       {"reordered_in_sa", result.kind.direction == TrafficDirection::open ? Json()
                                           : workers == 1 ? Json(0.0)
                                                          : Json(rounded(result.disorder.of_sa))}});
  };
  add(1, result.path.one, 1, 1);
  add(2, result.path.both, result.speedup(), result.ceiling());
}

void print_row(const Result& result) {
  std::printf("%-5s %6u %8.3f %8.3f %8.2f %8.2f %10.3f %8.3f", direction_of(result).c_str(),
              result.kind.inner_bytes, result.path.one, result.path.both, result.speedup(),
              result.ceiling(), result.speedup() / result.ceiling(), result.disorder.of_flow);
  const bool is_sealed = result.kind.direction == TrafficDirection::seal;
  if (is_sealed) std::printf(" %8.3f", result.disorder.of_sa);
  std::putchar('\n');
  std::fflush(stdout);
}

int fail(const std::string& text) {
  std::fprintf(stderr, "one_sa_scaling: %s\n", text.c_str());
  return 1;
}

int run(const Options& options) {
  ThroughputGateway gateway;
  const std::string error = gateway.start(
      {.core = static_cast<std::uint16_t>(options.core),
       .workers = kWorkers,
       .use_huge_pages = static_cast<std::uint8_t>(options.uses_no_huge_pages ? 0 : 1)});
  if (!error.empty()) return fail(error);
  Helper helper(options.core + 1);
  if (!options.is_json) {
    std::printf("%-5s %6s %8s %8s %8s %8s %10s %8s %8s\n", "", "bytes", "1 worker", "2", "speedup",
                "ceiling", "of ceiling", "flow ro.", "SA ro.");
  }
  Json results = Json::array();
  TrafficKind kind{.tunnels = {.transform = TransformId::aes128_gcm16, .replay_window = kWindow}};
  if (const std::string refused = gateway.set_tunnels(kind.tunnels); !refused.empty()) {
    return fail(refused);
  }
  for (const std::string& direction : options.directions) {
    kind.direction = direction == "seal" ? TrafficDirection::seal : TrafficDirection::open;
    for (const std::uint32_t bytes : options.bytes) {
      kind.inner_bytes = bytes;
      Pair pair(gateway, helper, kind);
      kind.last_sequence += kSequencesOfARun;
      const auto result = pair.measure(options.samples);
      if (!result) return fail("packets were lost: " + gateway.drops());
      if (!options.is_json) print_row(*result);
      add_json(*result, results);
    }
  }
  if (options.is_json) {
    const Json machine = {{"cpu", cpu_name()}, {"tsc_hz", rte_get_tsc_hz()}};
    std::puts(Json{{"machine", machine}, {"results", results}}.dump(2).c_str());
  }
  return 0;
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  culvert::Options options;
  CLI::App app("One SA on two workers, beside what two cores can do");
  app.add_option("--direction", options.directions, "seal, open")
      ->delimiter(',')
      ->check(CLI::IsMember({"seal", "open"}))
      ->capture_default_str();
  app.add_option("--bytes", options.bytes, "of inner packets")
      ->delimiter(',')
      ->check(CLI::Range(42u, 1420u))
      ->capture_default_str();
  app.add_option("--samples", options.samples, "the median of so many counts")
      ->check(CLI::Range(5u, 1000u))
      ->capture_default_str();
  app.add_option("--core", options.core, "CPU of the first worker; the second has the next")
      ->check(CLI::Range(0u, 1022u))
      ->capture_default_str();
  app.add_flag("--no-huge", options.uses_no_huge_pages, "do without huge pages");
  app.add_flag("--json", options.is_json, "one JSON document on standard output");
  CLI11_PARSE(app, argc, argv);
  const int status = culvert::run(options);
  rte_eal_cleanup();
  return status;
}
