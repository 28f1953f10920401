// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dataplane/shm/messages.h"

// Addresses as people write them.

namespace culvert {

struct ParsedAddress {
  Family family = Family::none;
  IpAddress address;
};

struct ParsedPrefix {
  Family family = Family::none;
  std::uint8_t prefix_bits = 0;
  IpAddress address;  // with its host bits
};

// "192.0.2.1" or "2001:db8::1"; nothing else. Empty when it is neither.
[[nodiscard]] std::optional<ParsedAddress> parse_address(std::string_view text);
// "192.0.2.1/24". Without a slash it is a whole address.
[[nodiscard]] std::optional<ParsedPrefix> parse_prefix(std::string_view text);
// "02:00:00:00:00:01"
[[nodiscard]] std::optional<std::array<std::uint8_t, 6>> parse_mac(std::string_view text);

// The address without the bits right of the prefix.
[[nodiscard]] IpAddress network_of(const IpAddress& address, std::uint8_t prefix_bits);

// "any" for Family::none.
[[nodiscard]] std::string address_text(Family family, const IpAddress& address);
[[nodiscard]] std::string prefix_text(Family family, const IpAddress& address,
                                      std::uint8_t prefix_bits);
[[nodiscard]] std::string mac_text(const std::array<std::uint8_t, 6>& mac);

}  // namespace culvert
