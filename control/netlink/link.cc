// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/link.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace culvert {
namespace {

ifinfomsg link_head(int index, std::uint32_t flags = 0, std::uint32_t flag_mask = 0) {
  ifinfomsg head{};
  head.ifi_family = AF_UNSPEC;
  head.ifi_index = index;
  head.ifi_flags = flags;
  head.ifi_change = flag_mask;
  return head;
}

Result<Link> get_link(NetlinkSocket& socket, NetlinkMessage& message, const std::string& name) {
  std::optional<Link> link;
  const auto done =
      socket.request(message, [&](const nlmsghdr& answer) { link = parse_link(answer); });
  if (!done && done.error().code != ENODEV) {
    return Error{done.error().code, name + ": " + done.error().message};
  }
  if (!link) {
    return Error{ENODEV, name +
                             ": no such interface in this network namespace; `ip link` lists "
                             "them"};
  }
  return std::move(*link);
}

}  // namespace

bool Link::is_up() const {
  return (flags & IFF_UP) != 0;
}

bool Link::has_carrier() const {
  return (flags & IFF_RUNNING) != 0;
}

std::optional<Link> parse_link(const nlmsghdr& message) {
  const auto* const head = message_head<ifinfomsg>(message);
  if (head == nullptr || head->ifi_family != AF_UNSPEC) return {};
  const NetlinkAttributes attributes(message, sizeof(ifinfomsg));
  Link link;
  link.index = head->ifi_index;
  link.flags = head->ifi_flags;
  link.name = attributes.text(IFLA_IFNAME);
  link.kind = NetlinkAttributes(attributes.find(IFLA_LINKINFO)).text(IFLA_INFO_KIND);
  link.mtu = attributes.get<std::uint32_t>(IFLA_MTU).value_or(0);
  link.master = attributes.get<int>(IFLA_MASTER).value_or(0);
  link.lower = attributes.get<int>(IFLA_LINK).value_or(0);
  link.lower_namespace = attributes.get<int>(IFLA_LINK_NETNSID);
  return link;
}

Result<Link> find_link(NetlinkSocket& socket, const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    return Error{EINVAL, "interface name \"" + name + "\": must have 1 to 15 bytes"};
  }
  NetlinkMessage message(RTM_GETLINK, 0, link_head(0));
  message.put(IFLA_IFNAME, name);
  return get_link(socket, message, name);
}

Result<Link> find_link(NetlinkSocket& socket, int index) {
  NetlinkMessage message(RTM_GETLINK, 0, link_head(index));
  return get_link(socket, message, "interface " + std::to_string(index));
}

Result<void> for_each_link(NetlinkSocket& socket, const std::function<void(const Link&)>& visit) {
  NetlinkMessage message(RTM_GETLINK, 0, link_head(0));
  const auto dumped = socket.dump(message, [&](const nlmsghdr& answer) {
    if (const auto link = parse_link(answer)) visit(*link);
  });
  if (!dumped) return dumped.error();
  return {};
}

Result<void> change_link(NetlinkSocket& socket, int index, const LinkChange& change) {
  NetlinkMessage message(RTM_NEWLINK, 0, link_head(index, change.flags, change.flag_mask));
  if (change.mtu) message.put_u32(IFLA_MTU, *change.mtu);
  if (change.name) message.put(IFLA_IFNAME, *change.name);
  if (change.network_namespace) {
    message.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(*change.network_namespace));
  }
  return socket.request(message);
}

}  // namespace culvert
