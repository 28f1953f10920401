// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/kernel_messages.h"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

namespace culvert {
namespace {

constexpr std::uint8_t kIpv4Bits = 32;

IpAddress ipv4_of(const NetlinkAttributes& attributes, int attribute) {
  return IpAddress::v4(attributes.get<Be32>(attribute).value_or(Be32{}));
}

// RTA_MULTIPATH: rtnexthop structs, each with its attributes.
std::vector<NextHop> multipath_hops(nlattr* multipath) {
  std::vector<NextHop> hops;
  auto* hop = static_cast<rtnexthop*>(nla_data(multipath));
  int left = nla_len(multipath);
  while (left >= static_cast<int>(sizeof *hop) && hop->rtnh_len >= sizeof *hop &&
         hop->rtnh_len <= left) {
    const NetlinkAttributes attributes(reinterpret_cast<nlattr*>(RTNH_DATA(hop)),
                                       hop->rtnh_len - static_cast<int>(sizeof *hop));
    // RTA_VIA: an IPv6 gateway, which the dataplane cannot ask for.
    if (attributes.find(RTA_VIA) == nullptr) {
      hops.push_back({.interface = hop->rtnh_ifindex, .gateway = ipv4_of(attributes, RTA_GATEWAY)});
    }
    left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
    hop = RTNH_NEXT(hop);
  }
  return hops;
}

// An interface that is none, for next hops nobody here can use.
constexpr NextHop kForeignHop{.interface = -1};

std::vector<NextHop> hops_of(const NetlinkAttributes& attributes) {
  std::vector<NextHop> hops;
  if (nlattr* const multipath = attributes.find(RTA_MULTIPATH)) {
    hops = multipath_hops(multipath);
  } else if (attributes.find(RTA_VIA) == nullptr) {
    hops.push_back({.interface = attributes.get<int>(RTA_OIF).value_or(kForeignHop.interface),
                    .gateway = ipv4_of(attributes, RTA_GATEWAY)});
  }
  // No hops would mean a blackhole.
  if (hops.empty()) hops.push_back(kForeignHop);
  return hops;
}

}  // namespace

std::optional<AddressMessage> parse_address_message(const nlmsghdr& message) {
  const auto* const head = message_head<ifaddrmsg>(message);
  if (head == nullptr || head->ifa_family != AF_INET || head->ifa_prefixlen > kIpv4Bits) return {};
  const NetlinkAttributes attributes(message, sizeof(ifaddrmsg));
  const auto local = attributes.get<Be32>(IFA_LOCAL);
  if (!local) return {};
  const bool is_point_to_point = attributes.get<Be32>(IFA_ADDRESS).value_or(*local) != *local;
  const auto flags = attributes.get<std::uint32_t>(IFA_FLAGS).value_or(head->ifa_flags);
  const bool has_prefix_route = !is_point_to_point && (flags & IFA_F_NOPREFIXROUTE) == 0;
  return AddressMessage{.interface = static_cast<int>(head->ifa_index),
                        .address = IpAddress::v4(*local),
                        .bits = has_prefix_route ? head->ifa_prefixlen : kIpv4Bits};
}

std::optional<RouteMessage> parse_route_message(const nlmsghdr& message) {
  const auto* const head = message_head<rtmsg>(message);
  if (head == nullptr || head->rtm_family != AF_INET || head->rtm_dst_len > kIpv4Bits) return {};
  if ((head->rtm_flags & RTM_F_CLONED) != 0 || head->rtm_tos != 0) return {};
  const NetlinkAttributes attributes(message, sizeof(rtmsg));
  if (attributes.get<std::uint32_t>(RTA_TABLE).value_or(head->rtm_table) != RT_TABLE_MAIN) {
    return {};
  }
  RouteMessage result;
  result.route.prefix = {.network = ipv4_of(attributes, RTA_DST), .bits = head->rtm_dst_len};
  result.route.metric = attributes.get<std::uint32_t>(RTA_PRIORITY).value_or(0);
  switch (head->rtm_type) {
    case RTN_UNICAST:
      result.route.hops = hops_of(attributes);
      break;
    case RTN_BLACKHOLE:
    case RTN_UNREACHABLE:
    case RTN_PROHIBIT:
    case RTN_THROW:
      break;
    default:
      return {};
  }
  if ((message.nlmsg_flags & NLM_F_REPLACE) != 0) result.place = RoutePlace::instead;
  if ((message.nlmsg_flags & NLM_F_APPEND) != 0) result.place = RoutePlace::last;
  return result;
}

std::optional<NeighborMessage> parse_neighbor_message(const nlmsghdr& message) {
  const auto* const head = message_head<ndmsg>(message);
  if (head == nullptr || head->ndm_family != AF_INET || (head->ndm_flags & NTF_PROXY) != 0) {
    return {};
  }
  // Groups, broadcasts and our own addresses need no resolution.
  if ((head->ndm_state & NUD_NOARP) != 0) return {};
  const NetlinkAttributes attributes(message, sizeof(ndmsg));
  const auto address = attributes.get<Be32>(NDA_DST);
  if (!address) return {};
  NeighborMessage result{.interface = head->ndm_ifindex, .address = IpAddress::v4(*address)};
  constexpr int kUsable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
  if (message.nlmsg_type == RTM_NEWNEIGH && (head->ndm_state & kUsable) != 0) {
    result.mac = attributes.get<HardwareAddress>(NDA_LLADDR);
  }
  return result;
}

}  // namespace culvert
