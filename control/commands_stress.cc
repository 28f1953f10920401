// SPDX-License-Identifier: BSD-3-Clause
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "control/api/client.h"
#include "control/api/paths.h"
#include "control/commands.h"
#include "control/stress_sa.h"

namespace culvert {
namespace {

constexpr std::chrono::seconds kPatience{60};  // with a gateway that is busy with a batch
std::atomic<bool> is_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // it is set by a signal handler

struct StressArguments {
  std::string instance{kDefaultInstance};
  StressOptions options;
  std::string svg_file;
  bool as_json = false;
};

int run_stress(const StressArguments& arguments) {
  auto client = ApiClient::connect(arguments.instance);
  if (!client) return complain(client.error());
  client->set_patience(kPatience);
  signal(SIGINT, [](int) { is_interrupted = true; });
  signal(SIGTERM, [](int) { is_interrupted = true; });
  const bool is_live = isatty(STDERR_FILENO) != 0;
  StressRun stress(*client, arguments.options, is_interrupted, [is_live](const std::string& line) {
    if (is_live) std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  });
  const auto report = stress.run();
  if (is_live) std::fprintf(stderr, "\r\x1b[K");
  if (!report) {
    complain(report.error());
    return kExitFailed;
  }
  const std::string text = arguments.as_json ? stress_json(*report, arguments.options).dump() + "\n"
                                             : stress_text(*report);
  std::fputs(text.c_str(), stdout);
  if (!arguments.svg_file.empty()) {
    if (const auto drawn = plot_stress(*report, arguments.svg_file); !drawn) {
      return complain(drawn.error()), kExitFailed;
    }
  }
  return kExitOk;
}

}  // namespace

void add_stress_command(CLI::App& app, Action& action) {
  CLI::App* group = app.add_subcommand("stress", "load and measure a running gateway");
  group->require_subcommand(1);
  auto arguments = std::make_shared<StressArguments>();
  StressOptions& options = arguments->options;
  CLI::App* command =
      group->add_subcommand("sa", "fill, churn and measure the SA table, and clean up");
  command->add_option("--count", options.count, "SAs to make, half of them inbound")
      ->check(CLI::Range(2u, 8u << 20))
      ->capture_default_str();
  command->add_option("--rate", options.rate, "operations a second; 0 for as fast as it goes")
      ->check(unsigned_check())
      ->capture_default_str();
  command
      ->add_option("--churn", options.churn_percent,
                   "percent of the changes that replace an SA by a new one; the others change "
                   "its limits")
      ->check(CLI::Range(0u, 100u))
      ->capture_default_str();
  command
      ->add_option("--seconds", options.seconds,
                   "how long to churn; in every other second nothing is changed")
      ->check(CLI::Range(0u, 86400u))
      ->capture_default_str();
  command->add_option("--transform", options.transform, "of the SAs")->capture_default_str();
  command->add_flag("--json", arguments->as_json, "print one line of JSON");
  command->add_option("--svg", arguments->svg_file,
                      "draw operations and losses of each second into this file, by gnuplot");
  add_instance_option(*command, arguments->instance);
  command->footer(
      "The SAs are between addresses of 198.18.0.0/15 (RFC 2544), which must be free; their keys "
      "are\n"
      "random, and no policy leads to them. They are removed at the end, and on Ctrl-C.\n"
      "Lost packets are those for which there was no room (by drops and drivers' counters).\n"
      "Example:\n"
      "  culvert stress sa --count 100000 --churn 100 --seconds 20 --json");
  command->callback(
      [&action, arguments] { action = [arguments] { return run_stress(*arguments); }; });
}

}  // namespace culvert
