// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "control/netlink/unique_fd.h"
#include "control/result.h"

// Offloads of a network interface, under the names that `ethtool -k` shows.

namespace culvert {

// A socket that answers for the interfaces of the calling thread's network namespace, from whatever
// thread it is used later.
[[nodiscard]] Result<UniqueFd> open_ethtool_socket();

struct OffloadResult {
  std::vector<std::string> turned_off;
  std::vector<std::string> still_on;  // asked for, but the device does not let go of them
};

// Turns off the offloads that `is_unwanted` picks. What others depended on them goes too and is
// listed as well. ENODEV: no such interface. EPERM: CAP_NET_ADMIN is missing.
[[nodiscard]] Result<OffloadResult> turn_offloads_off(
    int ethtool_socket, const std::string& interface,
    const std::function<bool(std::string_view)>& is_unwanted);

// Asks for these offloads; names the device does not know are skipped.
[[nodiscard]] Result<void> turn_offloads_on(int ethtool_socket, const std::string& interface,
                                            const std::vector<std::string>& names);

// What makes one frame out of several on reception, or leaves checksums to be verified by others.
[[nodiscard]] bool is_receive_offload(std::string_view name);
// What leaves checksums or segmentation of sent frames to the device.
[[nodiscard]] bool is_transmit_offload(std::string_view name);

}  // namespace culvert
