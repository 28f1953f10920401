// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/saved_addressing.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace culvert {
namespace {

constexpr int kRestoreFlags = NLM_F_CREATE | NLM_F_REPLACE;

bool is_configured_address(const nlmsghdr& message, int interface) {
  const auto* const head = message_head<ifaddrmsg>(message);
  if (message.nlmsg_type != RTM_NEWADDR || head == nullptr) return false;
  if (static_cast<int>(head->ifa_index) != interface) return false;
  if ((head->ifa_flags & IFA_F_PERMANENT) == 0) return false;
  return head->ifa_family != AF_INET6 || head->ifa_scope != RT_SCOPE_LINK;
}

bool is_configured_route(const nlmsghdr& message, int interface) {
  const auto* const head = message_head<rtmsg>(message);
  if (message.nlmsg_type != RTM_NEWROUTE || head == nullptr) return false;
  if ((head->rtm_flags & RTM_F_CLONED) != 0) return false;
  if (head->rtm_protocol == RTPROT_KERNEL || head->rtm_protocol == RTPROT_RA) return false;
  return NetlinkAttributes(message, sizeof(rtmsg)).get<int>(RTA_OIF) == interface;
}

bool has_gateway(NetlinkMessage& route) {
  const NetlinkAttributes attributes(route.header(), sizeof(rtmsg));
  return attributes.find(RTA_GATEWAY) != nullptr || attributes.find(RTA_VIA) != nullptr;
}

}  // namespace

Result<SavedAddressing> save_addressing(NetlinkSocket& socket, int interface) {
  SavedAddressing saved;
  NetlinkMessage addresses(RTM_GETADDR, 0, ifaddrmsg{});
  auto dumped = socket.dump(addresses, [&](const nlmsghdr& message) {
    if (!is_configured_address(message, interface)) return;
    saved.addresses.emplace_back(RTM_NEWADDR, kRestoreFlags, message);
  });
  if (!dumped) return dumped.error();
  NetlinkMessage routes(RTM_GETROUTE, 0, rtmsg{});
  dumped = socket.dump(routes, [&](const nlmsghdr& message) {
    if (!is_configured_route(message, interface)) return;
    saved.routes.emplace_back(RTM_NEWROUTE, kRestoreFlags, message);
    // The kernel refuses to take back what it alone says (RTNH_F_DEAD, RTNH_F_LINKDOWN, ...).
    message_head<rtmsg>(saved.routes.back().header())->rtm_flags &= RTNH_F_ONLINK;
  });
  if (!dumped) return dumped.error();
  std::stable_partition(saved.routes.begin(), saved.routes.end(),
                        [](NetlinkMessage& route) { return !has_gateway(route); });
  return saved;
}

std::vector<std::string> restore_addressing(NetlinkSocket& socket, int interface,
                                            const std::string& name, SavedAddressing& saved) {
  std::vector<std::string> refused;
  for (NetlinkMessage& address : saved.addresses) {
    message_head<ifaddrmsg>(address.header())->ifa_index = static_cast<std::uint32_t>(interface);
    if (const auto done = socket.request(address); !done && done.error().code != EEXIST) {
      refused.push_back(name + ": an address is not restored: " + done.error().message);
    }
  }
  for (NetlinkMessage& route : saved.routes) {
    const NetlinkAttributes attributes(route.header(), sizeof(rtmsg));
    std::memcpy(nla_data(attributes.find(RTA_OIF)), &interface, sizeof interface);
    if (const auto done = socket.request(route); !done && done.error().code != EEXIST) {
      refused.push_back(name + ": a route is not restored: " + done.error().message);
    }
  }
  return refused;
}

}  // namespace culvert
