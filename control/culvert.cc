// SPDX-License-Identifier: BSD-3-Clause
// culvert: the command that people and scripts use.
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "control/api/paths.h"
#include "control/commands.h"
#include "control/log.h"

namespace culvert {

namespace {

int run(int argc, char** argv) {
  CLI::App app{"culvert: an IPsec gateway on DPDK", "culvert"};
  app.set_version_flag("--version", std::string("culvert ") + CULVERT_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the instance is not running, 4 not allowed;\n"
      "of reload also 5 and 6, see there.\n"
      "CULVERT_RUNTIME_DIR: directory of the instances' sockets instead of /run/culvert.\n"
      "Every command explains itself with --help.");
  Action action;
  add_run_commands(app, action);
  add_reload_command(app, action);
  add_show_commands(app, action);
  add_events_command(app, action);
  add_policy_commands(app, action);
  add_trace_command(app, action);
  add_stress_command(app, action);
  try {
    auto words = command_words({argv + 1, argv + argc});
    std::reverse(words.begin(), words.end());  // as CLI11 takes them
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::fprintf(stderr, "culvert: %s; see culvert --help\n", usage_fault(app, error).c_str());
    return kExitUsage;
  }
  return action();
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  culvert::set_up_log("culvert", culvert::LogLevel::warn);
  try {
    return culvert::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "culvert: %s\n", error.what());
    return culvert::kExitFailed;
  }
}
