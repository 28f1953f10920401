// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "control/netlink/netlink_socket.h"
#include "control/result.h"

namespace culvert {

// The addresses of an interface and the routes through it, which Linux forgets when the interface
// moves into another network namespace.
// Limit: routes with several next hops, neighbours, queueing disciplines and the interface's own
// settings below /proc/sys/net are not kept.
struct SavedAddressing {
  std::vector<NetlinkMessage> addresses;  // RTM_NEWADDR
  std::vector<NetlinkMessage> routes;     // RTM_NEWROUTE, those without a gateway first
};

// What people configured; what the kernel or router advertisements add comes back by itself.
[[nodiscard]] Result<SavedAddressing> save_addressing(NetlinkSocket& socket, int interface);

// Puts them back, on the interface's index of now. Returns a sentence for each that Linux refused.
[[nodiscard]] std::vector<std::string> restore_addressing(NetlinkSocket& socket, int interface,
                                                          const std::string& name,
                                                          SavedAddressing& saved);

}  // namespace culvert
