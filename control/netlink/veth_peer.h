// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "control/netlink/link.h"
#include "control/netlink/netlink_socket.h"
#include "control/netlink/unique_fd.h"
#include "control/result.h"

namespace culvert {

// Where the other end of a veth pair is. It names the namespace by its path and not by a
// descriptor, which would keep a namespace alive that its owner has deleted.
struct VethPeer {
  std::string namespace_path;  // empty: the namespace that was searched from
  dev_t namespace_device = 0;
  ino_t namespace_inode = 0;
  int index = 0;
  std::string name;
};

// Finds the peer of `link`, an interface of the calling thread's namespace, which `socket` belongs
// to: there, under /run/netns, or in the namespace of a process we may look at. Empty: not found.
[[nodiscard]] std::optional<VethPeer> find_veth_peer(NetlinkSocket& socket, const Link& link);

// Opens the peer's namespace if it is still the one that was found.
[[nodiscard]] Result<UniqueFd> open_namespace_of(const VethPeer& peer);

}  // namespace culvert
