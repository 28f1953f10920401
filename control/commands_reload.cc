// SPDX-License-Identifier: BSD-3-Clause
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "control/api/client.h"
#include "control/api/paths.h"
#include "control/commands.h"
#include "control/reload.h"

namespace culvert {
namespace {

// A million SAs in a batch file take minutes.
constexpr std::chrono::seconds kPatience{1800};

struct ReloadArguments {
  std::string instance{kDefaultInstance};
  std::string config_file;
  bool is_check = false;
  bool as_json = false;
};

int exit_code_of(ReloadOutcome outcome) {
  switch (outcome) {
    case ReloadOutcome::unchanged:
    case ReloadOutcome::changed:
      return kExitOk;
    case ReloadOutcome::would_change:
      return kExitWouldChange;
    case ReloadOutcome::needs_restart:
      return kExitNeedsRestart;
    case ReloadOutcome::faulty:
    case ReloadOutcome::failed:
      break;
  }
  return kExitFailed;
}

int run_reload(const ReloadArguments& arguments) {
  auto client = ApiClient::connect(arguments.instance);
  if (!client) return complain(client.error());
  client->set_patience(kPatience);
  Json request = {{"check", arguments.is_check}};
  if (!arguments.config_file.empty()) {
    request["file"] = std::filesystem::absolute(arguments.config_file).lexically_normal().string();
  }
  const auto answer = client->ask("reload", request);
  if (!answer) return complain(answer.error());
  const ReloadReport report = report_from(*answer);
  for (const std::string& fault : report.faults) {
    std::fprintf(stderr, "culvert: %s\n", fault.c_str());
  }
  const std::string text =
      arguments.as_json ? answer->dump() + "\n" : reload_text(report, arguments.instance);
  std::fputs(text.c_str(), stdout);
  return exit_code_of(report.outcome);
}

}  // namespace

void add_reload_command(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ReloadArguments>();
  CLI::App* command =
      app.add_subcommand("reload", "have a running gateway take its configuration anew");
  command->add_option("-c,--config", arguments->config_file,
                      "another file, as long as the gateway runs (root only)");
  add_instance_option(*command, arguments->instance);
  command->add_flag("--check", arguments->is_check, "say what would change, and change nothing");
  command->add_flag("--json", arguments->as_json, "print one line of JSON");
  command->footer(
      "All of it is applied, or nothing. What cannot change while the gateway runs is marked with "
      "!:\n"
      "cores, limits, memory, ports and their devices. SAs of the batch files that did not change\n"
      "keep their sequence numbers and windows; what the files no longer have goes; what came by\n"
      "XFRM stays.\n"
      "Exit code 0: done, or nothing to do. 1: faults, nothing changed. 5: --check: it would "
      "change.\n"
      "6: it needs a restart, nothing changed.\n"
      "Examples:\n"
      "  culvert reload --check\n"
      "  culvert reload -c new.toml --instance west");
  command->callback(
      [&action, arguments] { action = [arguments] { return run_reload(*arguments); }; });
}

}  // namespace culvert
