// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <filesystem>
#include <string>

#include "control/result.h"
#include "control/supervisor.h"

namespace culvert {

enum class Ground { foreground, background };

struct UpOptions {
  std::filesystem::path config_file;
  std::string instance;
  SupervisorDuty duty = SupervisorDuty::run_gateway;
  Ground ground = Ground::foreground;
};

// `culvert up` and `culvert hold`: validates the configuration whole, then supervises until SIGTERM
// or SIGINT. Faults of the configuration go to standard error, each a line behind "culvert: ",
// before EINVAL is returned with an empty text. In the background the calling process exits by
// itself as soon as the gateway forwards.
[[nodiscard]] Result<void> up(const UpOptions& options);

// `culvert down`: ends the instance in order and waits until it has. ESRCH: it is not running.
[[nodiscard]] Result<void> down(const std::string& instance);

}  // namespace culvert
