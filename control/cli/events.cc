// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/events.h"

#include <fmt/format.h>

namespace culvert {

std::string event_line(const Json& event) {
  std::string line = fmt::format("{}  {}", event.value("time", ""), event.value("event", ""));
  for (const auto& [key, value] : event.items()) {
    if (key == "number" || key == "time" || key == "event") continue;
    line +=
        fmt::format("  {} {}", key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return line;
}

}  // namespace culvert
