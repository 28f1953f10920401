// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <string>

#include "dataplane/shm/layout.h"

namespace culvert {

// What DPDK's environment needs, worked out from the configuration.
struct EalPlan {
  bool uses_huge_pages = false;
  std::uint32_t mbufs = 0;
  std::uint32_t data_room_bytes = 0;  // of one mbuf, headroom included
  std::uint32_t memory_mib = 0;
};

// The place of one frame in an AF_PACKET ring, and so in an mbuf too: the driver wants that what
// fits into the one fits into the other. 96 bytes are for the Ethernet header, a VLAN tag and what
// the kernel puts before them (tpacket2_hdr, sockaddr_ll, alignment).
inline constexpr std::uint32_t kRingFrameStepBytes = 512;
constexpr std::uint32_t ring_frame_bytes(std::uint32_t mtu) {
  return (mtu + 96 + kRingFrameStepBytes - 1) / kRingFrameStepBytes * kRingFrameStepBytes;
}
static_assert(ring_frame_bytes(1500) == 2048);

// Huge pages are used when the configuration allows them and the system grants enough of them,
// reserved or by nr_overcommit_hugepages.
[[nodiscard]] EalPlan plan_eal(const StartConfig& start);

// Starts the EAL: lcore 0 is the housekeeper's and floats, lcore i + 1 is worker i on its core.
// Returns what went wrong and what to do, or an empty string. In `replay` nothing is pinned.
enum class EalUse { gateway, replay };
[[nodiscard]] std::string start_eal(const StartConfig& start, const EalPlan& plan, EalUse use);

// Ends it, where it was started.
void stop_eal();

}  // namespace culvert
