// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/config.h"
#include "control/netlink/link.h"
#include "control/netlink/linux_state.h"
#include "control/netlink/netlink_socket.h"

// Puts what the configuration says about ports onto their mirrors in Linux.

namespace culvert {

// Marks addresses, routes and neighbours that come from the configuration, in the protocol field
// that Linux keeps with each (`ip route show proto 203`). It is how a later run tells them from
// what people and daemons added.
inline constexpr std::uint8_t kConfiguredProtocol = 203;

// Brings a mirror up with the port's MTU and without reverse path filter: what arrives through the
// dataplane need not have a way back by the same port in Linux. Where the port has IPv6 addresses,
// IPv6 is enabled, whatever Linux does for new interfaces. Returns problems as sentences.
[[nodiscard]] std::vector<std::string> set_up_mirror(NetlinkSocket& socket, const Link& mirror,
                                                     const ConfigPort& port);

// Makes the configured addresses, routes and neighbours of these mirrors what `config` says: adds
// or replaces what is missing, removes what only an earlier configuration had, leaves the rest
// alone. Returns problems as sentences.
[[nodiscard]] std::vector<std::string> reconcile_mirrors(
    NetlinkSocket& socket, const std::map<InterfaceIndex, PortNumber>& mirrors,
    const Config& config);

// Removes a configured blackhole, which belongs to no mirror.
void remove_blackhole(NetlinkSocket& socket, const AddressPrefix& prefix);

}  // namespace culvert
