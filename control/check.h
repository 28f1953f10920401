// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "control/config.h"
#include "control/result.h"

namespace culvert {

// What `--check` finds beyond the configuration file itself: the batch files are loaded into an SA
// manager without a dataplane. An error is what is wrong in one of them.
// The lines say what would change if the instance, which runs, were started anew with this
// configuration: "+ port lan: mtu 1500". Where none runs, every line is new.
struct CheckReport {
  bool is_running = false;
  std::vector<std::string> changes;
};
[[nodiscard]] Result<CheckReport> check_configuration(const Config& config,
                                                      const std::string& instance);

// The same from file to terminal: faults to standard error, each a line behind "PROGRAM: ", the
// report to standard output. An error was printed already: EACCES where a file may not be read.
[[nodiscard]] Result<void> print_check(const std::string& program, const std::string& file,
                                       const std::string& instance);

}  // namespace culvert
