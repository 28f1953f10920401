// SPDX-License-Identifier: BSD-3-Clause
#include "control/commands.h"

#include <cerrno>
#include <cstdio>

#include "control/api/paths.h"

namespace culvert {

void add_instance_option(CLI::App& command, std::string& instance) {
  command.add_option("--instance", instance, "name of the instance")->capture_default_str();
}

int complain(const Error& error) {
  if (!error.message.empty()) std::fprintf(stderr, "culvert: %s\n", error.message.c_str());
  switch (error.code) {
    case ECONNREFUSED:
    case ESRCH:
      return kExitNotRunning;
    case EACCES:
    case EPERM:
      return kExitNotAllowed;
    default:
      return kExitFailed;
  }
}

}  // namespace culvert
