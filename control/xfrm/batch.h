// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "control/result.h"
#include "control/sa_manager.h"

namespace culvert::xfrm {

// Batch files: lines as for `ip -batch`, of which only "xfrm state ..." and "xfrm policy ..." are
// taken. Stock iproute2 reads them, culvert answers it.

// The number of the line on which each command of a batch ends, as iproute2 counts them. `name` is
// what errors call the file. EINVAL: "site.xfrm:3: ..." names a line that is something else.
[[nodiscard]] Result<std::vector<std::uint32_t>> check_batch(std::string_view text,
                                                             const std::string& name);

// Loads all files, in order, as one transaction of SAs with manual keys: all or nothing. Runs an
// event loop of its own until iproute2 has ended; nothing else is served meanwhile.
// Errors name file and line, with iproute2's and our own words; keys are cut out of them.
[[nodiscard]] Result<void> load_batches(SaManager& manager,
                                        std::span<const std::filesystem::path> files);

}  // namespace culvert::xfrm
