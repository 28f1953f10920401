// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/netlink/netns.h"
#include "control/netlink/saved_addressing.h"
#include "control/netlink/veth_peer.h"
#include "control/result.h"

// A Linux interface that is used as a port lives in culvertd's port namespace (netns.h), where
// nothing but culvertd answers, and goes back to where it came from at the end. For the supervisor:
// a plain process in the interface's own network namespace, with CAP_NET_ADMIN and CAP_SYS_ADMIN.

namespace culvert {

// An interface that was taken, and how it was before.
struct TakenPort {
  std::string interface;
  bool was_up = false;
  bool was_promiscuous = false;
  std::uint32_t mtu = 0;
  SavedAddressing addressing;
  std::vector<std::string> offloads;  // turned off by us
  std::optional<VethPeer> peer;
  std::vector<std::string> peer_offloads;
  std::vector<std::string> warnings;  // sentences for people
};

// Moves `interface` into the port namespace: no addresses, no IPv6, offloads off (on a veth peer
// too, where it can be found), promiscuous, up, with this MTU. On an error the interface is as it
// was. ENODEV: no such interface. EBUSY: it is part of something else. EPERM: a capability is
// missing.
[[nodiscard]] Result<TakenPort> take_port(const std::string& interface, int port_namespace,
                                          std::uint32_t mtu);

// Moves it back into the calling thread's namespace and restores what it had. An interface that has
// vanished, or that is back already, is no error. Returns warnings: what could not be restored.
// If its name is in use here by now, it comes back as culvert<N> rather than be lost.
[[nodiscard]] Result<std::vector<std::string>> give_port_back(TakenPort& taken, int port_namespace);

}  // namespace culvert
