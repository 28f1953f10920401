// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "control/config_table.h"

namespace culvert {

// Reads [[port]] into `config`.
void read_ports(ConfigTable& file, ConfigErrors& errors, Config& config);

// May be the address of a host beyond a link; of IPv6 also one on the link only.
[[nodiscard]] bool is_host_address(Family family, const IpAddress& address);

// Whether a port has it. A link-local address may be on several ports (RFC 4291 2.5.6), and is
// nobody's here.
[[nodiscard]] bool is_own_address(const Config& config, Family family, const IpAddress& address);

// A MAC address that is one station's; what is wrong with another goes to `errors`.
[[nodiscard]] std::optional<MacBytes> unicast_mac(const ConfigText& text, ConfigErrors& errors);

// Whether a device string is DPDK's: a PCI address, or the name of a virtual device.
[[nodiscard]] bool is_dpdk_device(std::string_view device);

}  // namespace culvert
