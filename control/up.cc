// SPDX-License-Identifier: BSD-3-Clause
#include "control/up.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>
#include <thread>

#include "control/api/paths.h"
#include "control/config.h"
#include "control/detach.h"
#include "control/log.h"
#include "control/process.h"

namespace culvert {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kDownPatience{30};
constexpr milliseconds kDownPoll{20};
constexpr const char* kLogFile = "log";

// The link between what a person sees and what else is worth trying.
void say_ready(const UpOptions& options, const std::filesystem::path& folder) {
  const char* what =
      options.duty == SupervisorDuty::hold_regions ? "holds its regions" : "forwards";
  std::printf("culvert: instance %s %s (runtime directory %s)\n", options.instance.c_str(), what,
              folder.c_str());
  std::fflush(stdout);
}

// From / and for children, too, it is the directory that the caller meant.
Result<void> fix_runtime_dir() {
  std::error_code code;
  const auto folder = std::filesystem::absolute(runtime_dir(), code);
  if (code) return Error{code.value(), "the working directory: " + code.message()};
  setenv(kRuntimeDirVariable, folder.c_str(), 1);
  return {};
}

}  // namespace

Result<void> up(const UpOptions& options) {
  if (const auto fixed = fix_runtime_dir(); !fixed) return fixed;
  const auto folder = instance_dir(options.instance);
  if (!folder) return folder.error();
  const auto loaded = load_config(options.config_file, this_machine());
  for (const ConfigError& error : loaded.errors) {
    std::fprintf(stderr, "culvert: %s\n", error.text().c_str());
  }
  if (!loaded.config) return Error{code_of(loaded.errors), ""};

  std::optional<Detachment> detachment;
  if (options.ground == Ground::background) {
    detachment = Detachment::start();
    if (!detachment) return Error{errno, "cannot go to the background"};
  }
  keep_memory_private();
  set_up_log("culvert", loaded.config->log_level);
  EventLoop loop;
  Supervisor supervisor(loop, *loaded.config, options.instance, options.duty);
  return supervisor.run([&] {
    say_ready(options, *folder);
    notify_service_manager("READY=1");
    if (detachment) detachment->become_ready(*folder / kLogFile);
  });
}

Result<void> down(const std::string& instance) {
  const auto running = running_instance(instance);
  if (!running) return running.error();
  const pid_t pid = *running;
  if (pid == 0) return Error{ESRCH, fmt::format("instance \"{}\" is not running", instance)};
  if (kill(pid, SIGTERM) != 0 && errno != ESRCH) {
    return Error{errno, fmt::format("cannot end process {} of instance \"{}\": {}", pid, instance,
                                    std::generic_category().message(errno))};
  }
  const auto deadline = std::chrono::steady_clock::now() + kDownPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    const auto now = running_instance(instance);
    if (!now || *now != pid) return {};
    std::this_thread::sleep_for(kDownPoll);
  }
  return Error{ETIMEDOUT, fmt::format("process {} of instance \"{}\" has not ended after {} s", pid,
                                      instance, kDownPatience.count())};
}

}  // namespace culvert
