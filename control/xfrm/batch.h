// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <filesystem>
#include <span>

#include "control/result.h"
#include "control/sa_manager.h"

namespace culvert::xfrm {

// Batch files: lines as for `ip -batch`, of which only "xfrm state ..." and "xfrm policy ..." are
// taken. Stock iproute2 reads them, culvert answers it.

// Loads all files, in order, as one transaction of SAs with manual keys: all or nothing. Runs an
// event loop of its own until iproute2 has ended; nothing else is served meanwhile.
// An error has a line of text for each fault, which names file and line ("site.xfrm:3: ...") with
// iproute2's and our own words; keys are cut out of them. It has at most 50, as each takes a run of
// iproute2. The code is the first one's.
[[nodiscard]] Result<void> load_batches(SaManager& manager,
                                        std::span<const std::filesystem::path> files);

}  // namespace culvert::xfrm
