// SPDX-License-Identifier: BSD-3-Clause
//
// DPDK's AF_PACKET driver asks the kernel to put IPv4 fragments together before it hands them out
// (PACKET_FANOUT_FLAG_DEFRAG), and has no option against it. A router must see them as they came,
// and what results may be longer than the port's MTU. So culvertd has this call in front of the C
// library's, which leaves that one flag out. All fragments of a datagram come by the same queue
// without it, too: the kernel's hash does not look at ports of fragments.

#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

extern "C" int setsockopt(int descriptor, int level, int option, const void* value,
                          socklen_t bytes) noexcept {
  std::uint32_t fanout = 0;  // group, and mode and flags above it
  if (level == SOL_PACKET && option == PACKET_FANOUT && bytes == sizeof fanout) {
    std::memcpy(&fanout, value, sizeof fanout);
    fanout &= ~(std::uint32_t{PACKET_FANOUT_FLAG_DEFRAG} << 16);
    value = &fanout;
  }
  return static_cast<int>(syscall(SYS_setsockopt, descriptor, level, option, value, bytes));
}
