// SPDX-License-Identifier: BSD-3-Clause
#include "control/address_text.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>
#include <cstddef>

namespace culvert {
namespace {

int socket_family(Family family) {
  return family == Family::v6 ? AF_INET6 : AF_INET;
}

}  // namespace

std::optional<ParsedAddress> parse_address(std::string_view text) {
  const std::string terminated(text);
  ParsedAddress result;
  result.family = text.find(':') == std::string_view::npos ? Family::v4 : Family::v6;
  if (inet_pton(socket_family(result.family), terminated.c_str(), result.address.bytes.data()) !=
      1) {
    return std::nullopt;
  }
  return result;
}

std::optional<ParsedPrefix> parse_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned longest = address->family == Family::v4 ? 32 : 128;
  unsigned bits = longest;
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  }
  if (bits > longest) return std::nullopt;
  return ParsedPrefix{address->family, static_cast<std::uint8_t>(bits), address->address};
}

std::optional<std::array<std::uint8_t, 6>> parse_mac(std::string_view text) {
  std::array<std::uint8_t, 6> mac{};
  if (text.size() != 17) return std::nullopt;
  for (std::size_t i = 0; i < mac.size(); ++i) {
    const char* first = text.data() + 3 * i;
    const auto [end, error] = std::from_chars(first, first + 2, mac[i], 16);
    if (error != std::errc{} || end != first + 2) return std::nullopt;
    if (i + 1 < mac.size() && first[2] != ':') return std::nullopt;
  }
  return mac;
}

IpAddress network_of(const IpAddress& address, std::uint8_t prefix_bits) {
  IpAddress result;
  for (std::size_t i = 0; i < result.bytes.size(); ++i) {
    const std::size_t first_bit = i * 8;
    if (first_bit >= prefix_bits) break;
    const std::size_t kept = prefix_bits - first_bit;
    const unsigned mask = kept >= 8 ? 0xffu : 0xffu << (8 - kept);
    result.bytes[i] = static_cast<std::uint8_t>(address.bytes[i] & mask);
  }
  return result;
}

std::string address_text(Family family, const IpAddress& address) {
  if (family == Family::none) return "any";
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(socket_family(family), address.bytes.data(), buffer.data(), buffer.size());
  return buffer.data();
}

std::string prefix_text(Family family, const IpAddress& address, std::uint8_t prefix_bits) {
  if (family == Family::none) return "any";
  return fmt::format("{}/{}", address_text(family, address), prefix_bits);
}

std::string mac_text(const std::array<std::uint8_t, 6>& mac) {
  return fmt::format("{:02x}", fmt::join(mac, ":"));
}

}  // namespace culvert
