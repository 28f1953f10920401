// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "control/config_table.h"

namespace culvert {

// Reads [[port]], [[route]] and [[neighbor]] into `config`.
void read_ports(ConfigTable& file, ConfigErrors& errors, Config& config);

// Whether a device string is DPDK's: a PCI address, or the name of a virtual device.
[[nodiscard]] bool is_dpdk_device(std::string_view device);

}  // namespace culvert
