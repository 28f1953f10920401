// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "control/api/protocol.h"

namespace culvert {

// The counters of `culvert replay` for people.
[[nodiscard]] std::string replay_text(const Json& counters);

}  // namespace culvert
