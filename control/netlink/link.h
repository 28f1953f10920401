// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "control/netlink/netlink_socket.h"
#include "control/result.h"

// Network interfaces as rtnetlink has them.

namespace culvert {

struct Link {
  int index = 0;
  std::string name;
  std::string kind;         // "veth", "tun", ...; empty for hardware
  std::uint32_t flags = 0;  // IFF_*
  std::uint32_t mtu = 0;
  int master = 0;  // index of the bridge or bond it is a member of; 0: none
  int lower = 0;   // index of what it stands on, of a veth its peer; 0: none
  // Namespace of `lower` as this namespace numbers others; empty: it is in this one.
  std::optional<int> lower_namespace;

  [[nodiscard]] bool is_up() const;
  [[nodiscard]] bool has_carrier() const;
};

// The interface that an RTM_NEWLINK or RTM_DELLINK message is about.
[[nodiscard]] std::optional<Link> parse_link(const nlmsghdr& message);

// ENODEV: no interface of that name in the socket's namespace.
[[nodiscard]] Result<Link> find_link(NetlinkSocket& socket, const std::string& name);
[[nodiscard]] Result<Link> find_link(NetlinkSocket& socket, int index);
[[nodiscard]] Result<void> for_each_link(NetlinkSocket& socket,
                                         const std::function<void(const Link&)>& visit);

// What to change of an interface; what is not set stays.
struct LinkChange {
  std::uint32_t flags = 0;      // IFF_* of flag_mask
  std::uint32_t flag_mask = 0;  // which of them to set
  std::optional<std::uint32_t> mtu;
  std::optional<std::string> name;
  std::optional<int> network_namespace;  // a descriptor
};
[[nodiscard]] Result<void> change_link(NetlinkSocket& socket, int index, const LinkChange& change);

}  // namespace culvert
