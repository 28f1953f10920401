// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "control/config_table.h"

namespace culvert {

// Reads [[route]] and [[neighbor]] into `config`, whose ports are there already.
void read_routes(ConfigTable& file, ConfigErrors& errors, Config& config);

}  // namespace culvert
