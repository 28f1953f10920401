// SPDX-License-Identifier: BSD-3-Clause
#include <cerrno>
#include <cstdio>
#include <memory>
#include <vector>

#include "control/api/paths.h"
#include "control/check.h"
#include "control/cli/replay_report.h"
#include "control/commands.h"
#include "control/process.h"
#include "control/replay.h"
#include "control/up.h"
#include "control/xfrm/exec.h"

namespace culvert {
namespace {

int exit_code_of(const Result<void>& result) {
  return result ? kExitOk : complain(result.error());
}

// What CLI11 fills in; it lives as long as the command.
struct RunArguments {
  std::string instance{kDefaultInstance};
  std::string config_file;
  bool in_background = false;
  bool in_foreground = false;
};

void add_config_option(CLI::App& command, std::string& file) {
  command.add_option("-c,--config", file, "configuration file (TOML)")->required();
}

void add_up(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* command = app.add_subcommand("up", "start a gateway and keep it running");
  add_config_option(*command, arguments->config_file);
  add_instance_option(*command, arguments->instance);
  command->add_flag("-d,--detach", arguments->in_background,
                    "go to the background once it forwards; messages then go to `log` in the "
                    "runtime directory, and paths in device strings start at /");
  command->add_flag("--foreground", arguments->in_foreground, "stay in the foreground (default)")
      ->excludes("--detach");
  command->footer(
      "Linux interfaces used as ports are taken for as long as it runs.\n"
      "Examples:\n"
      "  culvert up -c gw.toml                    until Ctrl-C\n"
      "  culvert up -c west.toml --instance west --detach");
  command->callback([&action, arguments] {
    action = [arguments] {
      UpOptions options;
      options.config_file = arguments->config_file;
      options.instance = arguments->instance;
      options.ground = arguments->in_background ? Ground::background : Ground::foreground;
      return exit_code_of(up(options));
    };
  });
}

void add_hold(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* command = app.add_subcommand(
      "hold", "hold regions and interfaces only: for systemd, where the rest are services");
  add_config_option(*command, arguments->config_file);
  add_instance_option(*command, arguments->instance);
  command->footer("See configs/systemd/.");
  command->callback([&action, arguments] {
    action = [arguments] {
      UpOptions options;
      options.config_file = arguments->config_file;
      options.instance = arguments->instance;
      options.duty = SupervisorDuty::hold_regions;
      return exit_code_of(up(options));
    };
  });
}

void add_down(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* command =
      app.add_subcommand("down", "end a gateway, give its interfaces back, wipe its keys");
  add_instance_option(*command, arguments->instance);
  command->footer("Exit code 3 when it was not running.");
  command->callback([&action, arguments] {
    action = [arguments] { return exit_code_of(down(arguments->instance)); };
  });
}

void add_check(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* command = app.add_subcommand(
      "check", "say what is wrong with a configuration, or what it would change");
  add_config_option(*command, arguments->config_file);
  add_instance_option(*command, arguments->instance);
  command->footer("Nothing is applied. Exit code 1 when there are faults; all are reported.");
  command->callback([&action, arguments] {
    action = [arguments] {
      keep_memory_private();
      return exit_code_of(print_check("culvert", arguments->config_file, arguments->instance));
    };
  });
}

// `words` come before the command that is given.
void add_exec(CLI::App& app, Action& action, const char* name, const char* help, const char* footer,
              const std::vector<std::string>& words) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* command = app.add_subcommand(name, help);
  add_instance_option(*command, arguments->instance);
  command->prefix_command();
  command->footer(footer);
  command->callback([&action, arguments, command, words] {
    std::vector<std::string> line = words;
    for (const std::string& word : command->remaining()) line.push_back(word);
    if (line.empty()) throw CLI::RequiredError("COMMAND");
    action = [arguments, line] {
      const auto folder = instance_dir(arguments->instance);
      if (!folder) return complain(folder.error());
      const auto fault = xfrm::exec_with_xfrm((*folder / kXfrmSocket).string(), line);
      const int code = complain(fault.error);
      if (!fault.is_of_command) return code;
      return fault.error.code == ENOENT ? kExitNoSuchCommand : kExitNoCommand;
    };
  });
}

struct ReplayArguments {
  std::string config_file;
  std::vector<std::string> batch_files;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::string punt_file;
  std::uint32_t burst = 32;
  std::uint64_t seed = 1;
  bool as_json = false;
};

Result<ReplayOptions> replay_options(const ReplayArguments& arguments) {
  ReplayOptions options;
  options.config_file = arguments.config_file;
  options.batch_files.assign(arguments.batch_files.begin(), arguments.batch_files.end());
  for (const std::string& text : arguments.inputs) {
    auto capture = parse_port_capture(text);
    if (!capture) return Error{EINVAL, "--in " + capture.error().message};
    options.inputs.push_back(std::move(*capture));
  }
  for (const std::string& text : arguments.outputs) {
    auto capture = parse_port_capture(text);
    if (!capture) return Error{EINVAL, "--out " + capture.error().message};
    options.outputs.push_back(std::move(*capture));
  }
  if (!arguments.punt_file.empty()) options.punt_file = arguments.punt_file;
  options.burst = arguments.burst;
  options.seed = arguments.seed;
  return options;
}

int run_replay(const ReplayArguments& arguments) {
  const auto options = replay_options(arguments);
  if (!options) {
    complain(options.error());
    return kExitUsage;
  }
  keep_memory_private();
  const auto counters = replay(*options);
  if (!counters) {
    return complain(counters.error()) == kExitNotAllowed ? kExitNotAllowed : kExitFailed;
  }
  const std::string text = arguments.as_json ? counters->dump() + "\n" : replay_text(*counters);
  std::fputs(text.c_str(), stdout);
  return kExitOk;
}

void add_replay(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<ReplayArguments>();
  CLI::App* command =
      app.add_subcommand("replay", "send captures through the real dataplane, reproducibly");
  add_config_option(*command, arguments->config_file);
  command->add_option("--xfrm", arguments->batch_files,
                      "load this file of `xfrm ...` lines besides the configuration's");
  command->add_option("--in", arguments->inputs, "PORT=FILE: frames that arrive at a port")
      ->required();
  command->add_option("--out", arguments->outputs, "PORT=FILE: gets the frames a port sends");
  command->add_option("--punt", arguments->punt_file, "gets the frames that would go to Linux");
  command->add_option("--burst", arguments->burst, "frames taken at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--seed", arguments->seed, "of everything that is random otherwise")
      ->check(unsigned_check())
      ->capture_default_str();
  command->add_flag("--json", arguments->as_json, "print the counters as one line of JSON");
  command->footer(
      "Frames are merged by capture time, ties by the order of the ports; capture time is the "
      "only\n"
      "clock. The same call twice gives equal bytes. Needs no privileges and no huge pages.\n"
      "Example:\n"
      "  culvert replay -c gw.toml --in wan=a.pcap --in lan=b.pcap --out wan=x.pcap --json");
  command->callback(
      [&action, arguments] { action = [arguments] { return run_replay(*arguments); }; });
}

}  // namespace

void add_run_commands(CLI::App& app, Action& action) {
  add_up(app, action);
  add_down(app, action);
  add_hold(app, action);
  add_check(app, action);
  add_exec(app, action, "exec", "run a command whose XFRM netlink goes to culvert",
           "Everything behind the options is the command. Its exit code is passed on;\n"
           "127: there is no such command, 126: it cannot be run.\n"
           "Examples:\n"
           "  culvert exec -- ip -s xfrm state\n"
           "  culvert exec --instance west -- /usr/lib/ipsec/charon",
           {});
  add_exec(app, action, "ip", "short for `culvert exec -- ip`",
           "Examples:\n"
           "  culvert ip xfrm state list\n"
           "  culvert ip --instance west xfrm policy list",
           {"ip"});
  add_replay(app, action);
}

}  // namespace culvert
