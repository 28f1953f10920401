// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <string>

namespace culvert {

// The buffers that all packets live in, side by side in one piece of memory. AF_XDP's driver (DPDK
// 22.11) tells the kernel of as many bytes from the first on as that takes; what is sent from a
// buffer beyond is refused without a word, and the buffer is lost. The pools that DPDK makes leave
// gaps at the ends of pages, so that their last buffers lie beyond.
//
// Needs IOVA as virtual addresses. nullptr: there is not enough memory in one piece; rte_errno says
// more.
[[nodiscard]] rte_mempool* create_packet_pool(const std::string& name, std::uint32_t buffers,
                                              std::uint32_t cached_per_core,
                                              std::uint16_t data_room_bytes);

}  // namespace culvert
