// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "dataplane/net/be.h"
#include "dataplane/net/wire.h"

namespace culvert {

inline constexpr std::uint16_t kIkePort = 500;    // RFC 7296 2
inline constexpr std::uint16_t kNatTPort = 4500;  // RFC 3948 2.1: IKE and ESP share it

// RFC 768:
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------------------------------+-------------------------------+
//   |          Source Port          |       Destination Port        |
//   +-------------------------------+-------------------------------+
//   |            Length             |           Checksum            |
//   +-------------------------------+-------------------------------+
struct UdpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be16 length;    // bytes, this header included
  Be16 checksum;  // 0: the sender made none
};
static_assert(WireFormat<UdpHeader> && sizeof(UdpHeader) == 8);

}  // namespace culvert
