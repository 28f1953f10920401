// SPDX-License-Identifier: BSD-3-Clause
// culvert-control: the control plane of one instance.
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <string>

#include "control/api/paths.h"
#include "control/check.h"
#include "control/config.h"
#include "control/error_lines.h"
#include "control/event_loop.h"
#include "control/gateway.h"
#include "control/log.h"
#include "control/process.h"

namespace culvert {
namespace {

struct Arguments {
  std::string config_file;
  std::string instance{kDefaultInstance};
  std::string regions;
  std::vector<std::string> batch_files;
  bool is_check = false;
  bool is_replay = false;
};

int complain(const std::string& message) {
  for (const std::string& line : error_lines(message)) {
    std::fprintf(stderr, "culvert-control: %s\n", line.c_str());
  }
  return 1;
}

int serve(const Config& config, const Arguments& arguments) {
  EventLoop loop;
  loop.on_signal(SIGTERM, [&loop] { loop.stop(); });
  loop.on_signal(SIGINT, [&loop] { loop.stop(); });
  GatewayOptions options;
  options.instance = arguments.instance;
  options.regions_socket = arguments.regions;
  options.mode = arguments.is_replay ? GatewayMode::replay : GatewayMode::live;
  options.batch_files.assign(arguments.batch_files.begin(), arguments.batch_files.end());
  Gateway gateway(loop, config, std::move(options));
  if (const auto started = gateway.start(); !started) return complain(started.error().message);
  loop.on_signal(SIGHUP, [&gateway] { log_report(gateway.reload({}, ReloadMode::apply)); });
  notify_service_manager("READY=1");
  loop.run();
  notify_service_manager("STOPPING=1");
  return 0;
}

int run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"culvert-control: SAs, policies and routes of one culvert instance"};
  app.set_version_flag("--version", std::string("culvert-control ") + CULVERT_VERSION);
  app.add_option("-c,--config", arguments.config_file, "configuration file (TOML)")->required();
  app.add_option("--instance", arguments.instance, "name of the instance")->capture_default_str();
  app.add_option("--regions", arguments.regions,
                 "socket of `culvert up` or `culvert hold`; default regions.sock of the instance's "
                 "runtime directory");
  app.add_option("--xfrm", arguments.batch_files,
                 "load this file of `xfrm ...` lines too; may be given again");
  app.add_flag("--check", arguments.is_check,
               "say what is wrong, or what would change, and do nothing");
  app.add_flag("--replay", arguments.is_replay, "for `culvert replay`: leave Linux alone");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    complain(error.what());
    return 2;
  }
  const auto folder = instance_dir(arguments.instance);
  if (!folder) return complain(folder.error().message);
  if (arguments.regions.empty()) arguments.regions = (*folder / kRegionsSocket).string();

  if (arguments.is_check) {
    return print_check("culvert-control", arguments.config_file, arguments.instance) ? 0 : 1;
  }
  const auto loaded =
      load_config(arguments.config_file, arguments.is_replay ? any_machine() : this_machine());
  for (const ConfigError& error : loaded.errors) complain(error.text());
  if (!loaded.config) return 1;
  set_up_log("culvert-control", loaded.config->log_level);
  return serve(*loaded.config, arguments);
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  culvert::keep_memory_private();
  signal(SIGPIPE, SIG_IGN);
  try {
    return culvert::run(argc, argv);
  } catch (const std::exception& error) {
    return culvert::complain(error.what());
  }
}
