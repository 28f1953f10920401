// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <linux/rtnetlink.h>

#include <optional>

#include "control/netlink/linux_state.h"
#include "control/netlink/netlink_message.h"

// What rtnetlink messages about addresses, routes and neighbours say. Each parser returns
// nothing for messages that are not ours to follow.

namespace culvert {

struct AddressMessage {
  InterfaceIndex interface = 0;
  IpAddress address;
  std::uint8_t bits = 0;
  Family family = Family::none;
};
// RTM_NEWADDR, RTM_DELADDR. `bits` is 32 or 128 where Linux adds no connected route for the prefix
// around the address: point-to-point addresses and IFA_F_NOPREFIXROUTE.
[[nodiscard]] std::optional<AddressMessage> parse_address_message(const nlmsghdr& message);

// The next hops in a route's RTA_MULTIPATH, each with its attributes; a malformed one ends the
// list.
template <typename Take>
void for_each_hop(const NetlinkAttributes& route, Take&& take) {
  nlattr* const multipath = route.find(RTA_MULTIPATH);
  if (multipath == nullptr) return;
  auto* hop = static_cast<rtnexthop*>(nla_data(multipath));
  int left = nla_len(multipath);
  while (left >= static_cast<int>(sizeof *hop) && hop->rtnh_len >= sizeof *hop &&
         hop->rtnh_len <= left) {
    take(*hop, NetlinkAttributes(reinterpret_cast<nlattr*>(RTNH_DATA(hop)),
                                 hop->rtnh_len - static_cast<int>(sizeof *hop)));
    left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
    hop = RTNH_NEXT(hop);
  }
}

struct RouteMessage {
  LinuxRoute route;
  RoutePlace place = RoutePlace::first;  // as an event says; in dumps routes come in order
  bool has_siblings = false;             // of several next hops, whether all are named or not
};
// RTM_NEWROUTE, RTM_DELROUTE of the main table. Those within fe80::/10 are every link's and not
// followed. Of a nexthop object Linux names the hops as if there were none.
// Limit: routes for one TOS are not followed. Limit: with net.ipv4.nexthop_compat_mode 0 Linux does
// not name the hops of nexthop objects, and such routes lead nowhere.
[[nodiscard]] std::optional<RouteMessage> parse_route_message(const nlmsghdr& message);

struct NeighborMessage {
  InterfaceIndex interface = 0;
  IpAddress address;
  std::optional<HardwareAddress> mac;  // empty: not known, or no longer
  Family family = Family::none;
};
// RTM_NEWNEIGH, RTM_DELNEIGH.
[[nodiscard]] std::optional<NeighborMessage> parse_neighbor_message(const nlmsghdr& message);

}  // namespace culvert
