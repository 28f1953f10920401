// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <string>

#include "dataplane/dataplane.h"
#include "dataplane/shm/regions.h"

namespace culvert {

// Runs a live gateway on `descriptors` until `stop`: opens ports and mirrors, is silent until
// control's first commit, then forwards. Returns what made it end early, or an empty string.
[[nodiscard]] std::string run_gateway(Dataplane& dataplane, const Descriptors& descriptors,
                                      const std::atomic<bool>& stop);

}  // namespace culvert
