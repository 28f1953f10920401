// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "control/config.h"

namespace culvert {

// Sends spdlog's default logger to standard error, one line per message, as journald and people
// read it: "culvert-control[info] message". Times are left to whoever keeps the lines.
void set_up_log(const std::string& program, LogLevel level);

}  // namespace culvert
