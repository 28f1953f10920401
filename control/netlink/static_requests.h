// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "control/config.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// The configuration's addresses, routes and neighbours as requests, in this order: all that the
// dataplane gets in `culvert replay`, where there is no Linux to follow.
[[nodiscard]] std::vector<Request> static_requests(const Config& config);

}  // namespace culvert
