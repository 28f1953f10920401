// SPDX-License-Identifier: BSD-3-Clause
// The dataplane process. It is configured by what lies in shared memory; see control/ for the rest.

#include <getopt.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "dataplane/dataplane.h"
#include "dataplane/gateway.h"
#include "dataplane/replay.h"

namespace culvert {
namespace {

constexpr const char* kUsage =
    "usage: culvertd --regions SOCKET [options]\n"
    "\n"
    "The packet-forwarding process of culvert. `culvert up` starts it; it takes its\n"
    "configuration and shared memory from the supervisor that listens on SOCKET.\n"
    "\n"
    "  --regions SOCKET         where the supervisor hands out shared memory\n"
    "  --replay-in PORT=FILE    replay: frames of PORT come from this capture\n"
    "  --replay-out PORT=FILE   replay: frames sent by PORT go to this capture\n"
    "  --replay-punt FILE       replay: frames for Linux go to this capture\n"
    "  --burst N                replay: frames that are processed at once, 1 to 64\n"
    "  --seed N                 replay: where chance is needed, it starts here\n"
    "  --version, --help\n";

std::atomic<bool> stop_requested{false};

void request_stop(int) {
  stop_requested.store(true, std::memory_order_relaxed);
}

struct Options {
  std::string regions;
  ReplayFiles files;
  bool is_replay = false;
};

[[nodiscard]] int fail(const std::string& why, int status) {
  std::fprintf(stderr, "culvertd: %s\n", why.c_str());
  return status;
}

bool parse_number(const char* text, std::uint64_t least, std::uint64_t most, std::uint64_t& value) {
  const std::string_view view(text);
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  return error == std::errc{} && end == view.data() + view.size() && value >= least &&
         value <= most;
}

bool parse_port_file(std::string_view text, std::vector<ReplayFiles::PortFile>& files) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) return false;
  files.push_back({std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))});
  return true;
}

// Exit status to end with at once, or -1 to go on.
int parse_options(int argc, char** argv, Options& options) {
  enum { regions = 1, in, out, punt, burst, seed, version, help };
  const option names[] = {{"regions", required_argument, nullptr, regions},
                          {"replay-in", required_argument, nullptr, in},
                          {"replay-out", required_argument, nullptr, out},
                          {"replay-punt", required_argument, nullptr, punt},
                          {"burst", required_argument, nullptr, burst},
                          {"seed", required_argument, nullptr, seed},
                          {"version", no_argument, nullptr, version},
                          {"help", no_argument, nullptr, help},
                          {}};
  constexpr int kUsageError = 2;
  for (int name = 0; (name = getopt_long(argc, argv, "", names, nullptr)) != -1;) {
    bool is_right = true;
    switch (name) {
      case regions:
        options.regions = optarg;
        break;
      case in:
        options.is_replay = true;
        is_right = parse_port_file(optarg, options.files.in);
        break;
      case out:
        options.is_replay = true;
        is_right = parse_port_file(optarg, options.files.out);
        break;
      case punt:
        options.files.punt = optarg;
        break;
      case burst:
        is_right = parse_number(optarg, 1, kBurst, options.files.burst);
        break;
      case seed:
        is_right = parse_number(optarg, 0, UINT64_MAX, options.files.seed);
        break;
      case version:
        std::puts("culvertd " CULVERT_VERSION);
        return 0;
      case help:
        std::fputs(kUsage, stdout);
        return 0;
      default:
        std::fputs(kUsage, stderr);
        return kUsageError;
    }
    if (!is_right) {
      return fail(std::string("wrong value \"") + optarg + "\"; see culvertd --help", kUsageError);
    }
  }
  if (optind != argc || options.regions.empty()) {
    std::fputs(kUsage, stderr);
    return kUsageError;
  }
  return -1;
}

std::uint64_t make_secret(const Options& options) {
  if (options.is_replay) return options.files.seed * 0x9e3779b97f4a7c15 + 1;
  std::uint64_t secret = 0;
  if (getrandom(&secret, sizeof secret, 0) != sizeof secret) std::abort();
  return secret;
}

int run(const Options& options) {
  Descriptors descriptors{};
  std::string error = receive_descriptors(options.regions, descriptors);
  if (!error.empty()) return fail(error, 1);
  Regions regions;
  error = regions.attach(descriptors, Side::dataplane);
  if (!error.empty()) return fail(error, 1);
  DataplaneStatus& status = regions.state().status;
  status.phase.store(DataplanePhase::starting, std::memory_order_release);
  status.incarnation.fetch_add(1, std::memory_order_acq_rel);

  // After the EAL there is nothing more that a process which is not dumpable could not open.
  auto dataplane = std::make_unique<Dataplane>();
  error = dataplane->prepare(regions, {.use = options.is_replay ? EalUse::replay : EalUse::gateway,
                                       .secret = make_secret(options)});
  if (!error.empty()) return fail(error, 1);
  if (!options.is_replay) prctl(PR_SET_DUMPABLE, 0);
  std::fprintf(stderr, "culvertd: ipsec-mb code path %s, %s pages, %u worker(s)\n",
               status.code_path.data(), status.uses_huge_pages != 0 ? "huge" : "small",
               status.worker_count);
  error = options.is_replay ? run_replay(*dataplane, options.files, descriptors, stop_requested)
                            : run_gateway(*dataplane, descriptors, stop_requested);
  dataplane.reset();
  return error.empty() ? 0 : fail(error, 1);
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  culvert::Options options;
  if (const int status = culvert::parse_options(argc, argv, options); status >= 0) return status;
  for (const int number : {SIGTERM, SIGINT}) std::signal(number, culvert::request_stop);
  std::signal(SIGPIPE, SIG_IGN);
  const int status = culvert::run(options);
  culvert::stop_eal();
  return status;
}
