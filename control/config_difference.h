// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "control/config.h"

namespace culvert {

// Every setting of a configuration as a line of its own that can be compared: "port wan: mtu 1500".
[[nodiscard]] std::vector<std::string> config_lines(const Config& config);
// Of them, those that count from the next start of the gateway on; all others can change while it
// runs.
[[nodiscard]] std::vector<std::string> start_lines(const Config& config);

// The same configuration with its ports in the order of those that run, where both have the same
// ones: their places are their numbers everywhere.
[[nodiscard]] Config with_ports_as_in(Config config, const Config& running);

// What becomes of `before`: "- line" for what goes, then "+ line" for what comes.
[[nodiscard]] std::vector<std::string> changed_lines(const std::vector<std::string>& before,
                                                     const std::vector<std::string>& after);

// An address of one of the configured ports.
[[nodiscard]] bool is_configured_address(const Config& config, Family family,
                                         const IpAddress& address);

}  // namespace culvert
