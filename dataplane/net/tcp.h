// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/net/be.h"
#include "dataplane/net/wire.h"

namespace culvert {

// RFC 9293 3.1, without options:
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-------------------------------+-------------------------------+
//   |          Source Port          |       Destination Port        |
//   +-------------------------------+-------------------------------+
//   |                        Sequence Number                        |
//   +---------------------------------------------------------------+
//   |                     Acknowledgment Number                     |
//   +-------+-------+---------------+-------------------------------+
//   |  Data |       |C|E|U|A|P|R|S|F|                               |
//   | Offset| Rsrvd |W|C|R|C|S|S|Y|I|            Window             |
//   |       |       |R|E|G|K|H|T|N|N|                               |
//   +-------+-------+---------------+-------------------------------+
//   |           Checksum            |         Urgent Pointer        |
//   +-------------------------------+-------------------------------+
struct TcpHeader {
  Be16 source_port;
  Be16 destination_port;
  Be32 sequence;
  Be32 acknowledgment;
  std::uint8_t data_offset_and_reserved = 0x50;
  std::uint8_t flags = 0;
  Be16 window;
  Be16 checksum;
  Be16 urgent_pointer;

  // As the packet claims it, 0 to 60.
  [[nodiscard]] constexpr std::size_t header_length_bytes() const {
    return static_cast<std::size_t>(data_offset_and_reserved >> 4) * 4;
  }
  [[nodiscard]] constexpr bool is_syn() const { return (flags & 0x02) != 0; }
};
static_assert(WireFormat<TcpHeader> && sizeof(TcpHeader) == 20);

}  // namespace culvert
