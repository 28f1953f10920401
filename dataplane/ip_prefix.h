// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <compare>
#include <cstdint>

#include "dataplane/net/ip.h"
#include "dataplane/net/types.h"
#include "dataplane/shm/messages.h"

// Prefixes of both families, for code that is written once for both.

namespace culvert {

template <typename Address>
struct BasicPrefix {
  Address address{};
  std::uint8_t bits = 0;

  friend constexpr auto operator<=>(const BasicPrefix&, const BasicPrefix&) = default;
};

using IpPrefix = BasicPrefix<Ipv4Address>;
using Ipv6Prefix = BasicPrefix<Ipv6Address>;

template <typename Address>
inline constexpr std::uint8_t kHostBits = sizeof(Address) * 8;
static_assert(kHostBits<Ipv4Address> == 32 && kHostBits<Ipv6Address> == 128);

[[nodiscard]] constexpr std::uint32_t mask_of(std::uint8_t bits) {
  return bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
}

// The prefix without the bits beyond its length.
[[nodiscard]] constexpr IpPrefix network_of(const IpPrefix& prefix) {
  return {Ipv4Address{prefix.address.raw() & mask_of(prefix.bits)}, prefix.bits};
}
[[nodiscard]] constexpr Ipv6Prefix network_of(const Ipv6Prefix& prefix) {
  Ipv6Prefix network = prefix;
  for (unsigned i = 0; i < network.address.size(); ++i) {
    const unsigned kept = prefix.bits <= 8 * i ? 0 : prefix.bits - 8 * i;
    if (kept < 8) network.address[i] &= static_cast<std::uint8_t>(0xff00u >> kept);
  }
  return network;
}

template <typename Address>
[[nodiscard]] constexpr BasicPrefix<Address> host_of(const Address& address) {
  return {address, kHostBits<Address>};
}

// `network` has no bits beyond its length.
template <typename Address>
[[nodiscard]] constexpr bool is_within(const Address& address,
                                       const BasicPrefix<Address>& network) {
  return network_of(BasicPrefix<Address>{address, network.bits}) == network;
}

[[nodiscard]] constexpr bool is_link_local(Ipv4Address) {
  return false;  // 169.254.0.0/16 lies on one port, as other networks
}

[[nodiscard]] constexpr IpAddress ip_address(Ipv4Address address) {
  return IpAddress::v4(wire_address(address));
}
[[nodiscard]] constexpr IpAddress ip_address(const Ipv6Address& address) {
  return {address};
}

}  // namespace culvert
