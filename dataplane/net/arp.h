// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "dataplane/net/be.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/wire.h"

namespace culvert {

enum class ArpOperation : std::uint16_t { request = 1, reply = 2 };

// ARP for IPv4 over Ethernet (RFC 826):
//
//   hardware type             2 bytes, 1 for Ethernet
//   protocol type             2 bytes, an EtherType
//   hardware address length   1 byte, 6
//   protocol address length   1 byte, 4
//   operation                 2 bytes
//   sender hardware address   6 bytes
//   sender protocol address   4 bytes
//   target hardware address   6 bytes
//   target protocol address   4 bytes
struct ArpHeader {
  static constexpr std::uint16_t kEthernet = 1;

  Be16 hardware_type{kEthernet};
  Be16 protocol_type = wire_ether_type(EtherType::ipv4);
  std::uint8_t hardware_length = sizeof(MacAddress);
  std::uint8_t protocol_length = sizeof(Be32);
  Be16 operation;
  MacAddress sender_mac;
  Be32 sender_address;
  MacAddress target_mac;
  Be32 target_address;

  [[nodiscard]] constexpr bool is_ipv4_over_ethernet() const {
    return hardware_type.host() == kEthernet && protocol_type == wire_ether_type(EtherType::ipv4) &&
           hardware_length == sizeof(MacAddress) && protocol_length == sizeof(Be32);
  }
  [[nodiscard]] constexpr bool is(ArpOperation which) const {
    return operation.host() == static_cast<std::uint16_t>(which);
  }
};
static_assert(WireFormat<ArpHeader> && sizeof(ArpHeader) == 28);

}  // namespace culvert
