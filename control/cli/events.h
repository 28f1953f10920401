// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "control/api/protocol.h"

namespace culvert {

// One event as a line for people: time, name, and what else is known of it.
[[nodiscard]] std::string event_line(const Json& event);

}  // namespace culvert
