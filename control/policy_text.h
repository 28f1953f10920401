// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/policy.h"

// Policies as people write them, in the configuration, on the command line and in the API: one
// grammar for all three, which says more than XFRM can.

namespace culvert {

// Key and value: "src" and "10.1.0.5-10.1.0.90", "template.reqid" and "7".
using PolicyFields = std::map<std::string, std::string, std::less<>>;

// What is wrong, and in which field: empty where something is missing.
struct PolicyFault {
  std::string key;
  std::string message;  // "src_ports \"9-3\": ends before it begins"
};

// `policy` is set exactly when `faults` is empty.
struct PolicyReading {
  std::optional<Policy> policy;
  std::vector<PolicyFault> faults;
};

// All keys there are, those of the template with "template." in front.
[[nodiscard]] const std::vector<std::string>& policy_keys();

// The whole of a policy. Keys that are not among policy_keys() are faults, too.
[[nodiscard]] PolicyReading policy_of_fields(const PolicyFields& fields, PolicyOrigin origin);
// As far as it names one that there is: direction and selector.
[[nodiscard]] PolicyReading policy_name_of_fields(const PolicyFields& fields, PolicyOrigin origin);

// "10.1.0.5-10.1.0.90", "10.2.0.0/16", "any".
[[nodiscard]] std::string source_text(const Selector& selector, const SelectorRanges& ranges);
[[nodiscard]] std::string destination_text(const Selector& selector, const SelectorRanges& ranges);
// "any", "53", "1000-2000", "4500/0xfff0"; of ICMP the type, and the code.
[[nodiscard]] std::string source_port_text(const Selector& selector, const SelectorRanges& ranges);
[[nodiscard]] std::string destination_port_text(const Selector& selector,
                                                const SelectorRanges& ranges);
// "udp", "any", "112".
[[nodiscard]] std::string protocol_text(std::uint8_t protocol);
[[nodiscard]] bool is_icmp(std::uint8_t protocol);
// "policy out from 10.1.0.0/24 to 10.2.0.5-10.2.0.9 udp ports any to 1000-2000"
[[nodiscard]] std::string policy_name_text(const Policy& policy);
// The same and what it says, on one line.
[[nodiscard]] std::string policy_text(const Policy& policy);

// "in", "out" or "fwd".
[[nodiscard]] std::string_view direction_text(PolicyDirection direction);

}  // namespace culvert
