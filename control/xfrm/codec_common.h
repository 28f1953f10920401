// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <linux/xfrm.h>

#include <cstdint>
#include <optional>

#include "control/result.h"
#include "control/sa.h"
#include "control/xfrm/netlink.h"

// The parts that SAs and policies share: wire structs of <linux/xfrm.h> to our types and back.

namespace culvert::xfrm {

// Newer than Debian 12's <linux/xfrm.h>.
inline constexpr std::uint16_t kAttributeSaDir = 33;         // XFRMA_SA_DIR
inline constexpr std::uint16_t kAttributeNatKeepalive = 34;  // XFRMA_NAT_KEEPALIVE_INTERVAL

// Empty for a family that is neither AF_UNSPEC, AF_INET nor AF_INET6.
[[nodiscard]] std::optional<Family> family_of(std::uint16_t wire);
[[nodiscard]] std::uint16_t wire_family(Family family);

// The bytes that the family has; the rest is zero.
[[nodiscard]] IpAddress address_of(const xfrm_address_t& wire, Family family);
[[nodiscard]] xfrm_address_t wire_address(const IpAddress& address);

[[nodiscard]] Selector selector_of(const xfrm_selector& wire, Family family);
// The inverse; `family` is what the answer says, also where the selector has none.
[[nodiscard]] xfrm_selector wire_selector(const Selector& selector, Family family,
                                          std::int32_t interface_index, std::uint32_t user);

[[nodiscard]] Lifetimes lifetimes_of(const xfrm_lifetime_cfg& wire);
[[nodiscard]] xfrm_lifetime_cfg wire_lifetimes(const Lifetimes& lifetimes);

// XFRMA_ENCAP.
[[nodiscard]] Encap encap_of(const xfrm_encap_tmpl& wire, Family family);
[[nodiscard]] xfrm_encap_tmpl wire_encap(const Encap& encap);

// XFRMA_MARK; a mark of zero where it is missing.
[[nodiscard]] Mark mark_of(const Attributes& attributes);
void write_mark(MessageWriter& writer, const Mark& mark);

// The attributes of a message whose fixed part has `fixed_bytes`.
// EINVAL: the message is shorter than that. ERANGE: an attribute is shorter than its type.
[[nodiscard]] Result<Attributes> read_attributes(const NetlinkMessage& message,
                                                 std::size_t fixed_bytes);

// Both in one: the fixed part and the attributes of a message.
template <typename Fixed>
struct Request {
  Fixed fixed;
  Attributes attributes;
};
template <typename Fixed>
[[nodiscard]] Result<Request<Fixed>> read_request(const NetlinkMessage& message) {
  auto attributes = read_attributes(message, sizeof(Fixed));
  if (!attributes) return attributes.error();
  return Request<Fixed>{*read_struct<Fixed>(message.payload), *attributes};
}

inline constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

}  // namespace culvert::xfrm
