// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "control/config_table.h"

namespace culvert {

// [policy] and its [[policy.entry]].
void read_policies(ConfigTable& file, ConfigErrors& errors, Config& config);

}  // namespace culvert
