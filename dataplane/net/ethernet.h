// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "dataplane/net/be.h"
#include "dataplane/net/wire.h"

namespace culvert {

// A 48-bit MAC address in transmission order.
struct MacAddress {
  struct Parts {
    Be32 first;
    Be16 last;
  };

  std::array<std::uint8_t, 6> bytes{};

  // The address in the low 48 bits of `value`, first byte highest; the upper 16 are ignored.
  [[nodiscard]] static constexpr MacAddress from_uint64(std::uint64_t value) {
    const Parts parts{Be32(static_cast<std::uint32_t>(value >> 16)),
                      Be16(static_cast<std::uint16_t>(value))};
    return {std::bit_cast<std::array<std::uint8_t, 6>>(parts)};
  }

  [[nodiscard]] constexpr std::uint64_t to_uint64() const {
    const auto parts = std::bit_cast<Parts>(bytes);
    return std::uint64_t{parts.first.host()} << 16 | parts.last.host();
  }

  // The group bit: multicast, and broadcast with it.
  [[nodiscard]] constexpr bool is_multicast() const { return (bytes[0] & 0x01) != 0; }
  [[nodiscard]] constexpr bool is_zero() const { return *this == MacAddress{}; }

  // As two numbers, in whatever byte order: comparing arrays calls memcmp.
  friend constexpr bool operator==(const MacAddress& left, const MacAddress& right) {
    const auto left_parts = std::bit_cast<Parts>(left.bytes);
    const auto right_parts = std::bit_cast<Parts>(right.bytes);
    return left_parts.first == right_parts.first && left_parts.last == right_parts.last;
  }
};
static_assert(WireFormat<MacAddress> && sizeof(MacAddress) == 6);

inline constexpr MacAddress kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

// EtherType numbers (IANA "IEEE 802 Numbers"). Any other value may arrive as well.
enum class EtherType : std::uint16_t {
  ipv4 = 0x0800,
  arp = 0x0806,
  vlan = 0x8100,  // IEEE 802.1Q, C-tag
  ipv6 = 0x86dd,
  service_vlan = 0x88a8,  // IEEE 802.1Q, S-tag
};

[[nodiscard]] constexpr Be16 wire_ether_type(EtherType type) {
  return Be16{static_cast<std::uint16_t>(type)};
}

// Ethernet II (RFC 894):
//
//   destination address  6 bytes
//   source address       6 bytes
//   EtherType            2 bytes
struct EthernetHeader {
  MacAddress destination;
  MacAddress source;
  Be16 ether_type;

  [[nodiscard]] constexpr EtherType type() const {
    return static_cast<EtherType>(ether_type.host());
  }
};
static_assert(WireFormat<EthernetHeader> && sizeof(EthernetHeader) == 14);

// IEEE 802.1Q tag control information and the EtherType behind it. The tag's own EtherType (vlan or
// service_vlan) is the one of the header before.
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-----+-+-----------------------+-------------------------------+
//   | PCP |D|        VLAN ID        |           EtherType           |
//   +-----+-+-----------------------+-------------------------------+
struct VlanTag {
  Be16 control;
  Be16 ether_type;

  [[nodiscard]] constexpr std::uint16_t vlan_id() const { return control.host() & 0x0fff; }
  [[nodiscard]] constexpr bool is_drop_eligible() const { return (control.host() & 0x1000) != 0; }
  [[nodiscard]] constexpr std::uint8_t priority() const {
    return static_cast<std::uint8_t>(control.host() >> 13);
  }
  [[nodiscard]] constexpr EtherType type() const {
    return static_cast<EtherType>(ether_type.host());
  }
};
static_assert(WireFormat<VlanTag> && sizeof(VlanTag) == 4);

}  // namespace culvert
