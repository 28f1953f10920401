// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/kernel_messages.h"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <sys/socket.h>

#include <algorithm>

#include "dataplane/net/ip.h"

namespace culvert {
namespace {

std::optional<Family> family_of(std::uint8_t wire) {
  if (wire == AF_INET) return Family::v4;
  if (wire == AF_INET6) return Family::v6;
  return {};
}

std::uint8_t host_bits(Family family) {
  return family == Family::v6 ? 128 : 32;
}

std::optional<IpAddress> address_of(const NetlinkAttributes& attributes, Family family,
                                    int attribute) {
  if (family == Family::v6) return attributes.get<IpAddress>(attribute);
  const auto address = attributes.get<Be32>(attribute);
  return address ? std::optional(IpAddress::v4(*address)) : std::nullopt;
}

IpAddress gateway_of(const NetlinkAttributes& attributes, Family family) {
  return address_of(attributes, family, RTA_GATEWAY).value_or(IpAddress{});
}

// Those on an interface that is down are left out: Linux keeps them for when it comes up again.
std::vector<NextHop> multipath_hops(const NetlinkAttributes& route, Family family) {
  std::vector<NextHop> hops;
  for_each_hop(route, [&](const rtnexthop& hop, const NetlinkAttributes& attributes) {
    // RTA_VIA: a gateway of the other family, which the dataplane cannot ask for.
    if (attributes.find(RTA_VIA) != nullptr || (hop.rtnh_flags & RTNH_F_DEAD) != 0) return;
    hops.push_back({.interface = hop.rtnh_ifindex,
                    .gateway = gateway_of(attributes, family),
                    .weight = static_cast<std::uint16_t>(hop.rtnh_hops + 1)});
  });
  return hops;
}

// An interface that is none, for next hops nobody here can use.
constexpr NextHop kForeignHop{.interface = -1};

std::vector<NextHop> hops_of(const NetlinkAttributes& attributes, Family family) {
  std::vector<NextHop> hops;
  if (attributes.find(RTA_MULTIPATH) != nullptr) {
    hops = multipath_hops(attributes, family);
  } else if (attributes.find(RTA_VIA) == nullptr) {
    hops.push_back({.interface = attributes.get<int>(RTA_OIF).value_or(kForeignHop.interface),
                    .gateway = gateway_of(attributes, family)});
  }
  // No hops would mean a blackhole.
  if (hops.empty()) hops.push_back(kForeignHop);
  return hops;
}

}  // namespace

// IPv4 names the address in IFA_LOCAL and its peer, or itself again, in IFA_ADDRESS; IPv6 does so
// only where there is a peer.
std::optional<AddressMessage> parse_address_message(const nlmsghdr& message) {
  const auto* const head = message_head<ifaddrmsg>(message);
  const auto family = head == nullptr ? std::nullopt : family_of(head->ifa_family);
  if (!family || head->ifa_prefixlen > host_bits(*family)) return {};
  const NetlinkAttributes attributes(message, sizeof(ifaddrmsg));
  const auto peer = address_of(attributes, *family, IFA_ADDRESS);
  auto local = address_of(attributes, *family, IFA_LOCAL);
  if (!local && *family == Family::v6) local = peer;
  if (!local) return {};
  const bool is_point_to_point = peer.value_or(*local) != *local;
  const auto flags = attributes.get<std::uint32_t>(IFA_FLAGS).value_or(head->ifa_flags);
  const bool has_prefix_route = !is_point_to_point && (flags & IFA_F_NOPREFIXROUTE) == 0;
  return AddressMessage{.interface = static_cast<int>(head->ifa_index),
                        .address = *local,
                        .bits = has_prefix_route ? head->ifa_prefixlen : host_bits(*family),
                        .family = *family};
}

std::optional<RouteMessage> parse_route_message(const nlmsghdr& message) {
  const auto* const head = message_head<rtmsg>(message);
  const auto family = head == nullptr ? std::nullopt : family_of(head->rtm_family);
  if (!family || head->rtm_dst_len > host_bits(*family)) return {};
  if ((head->rtm_flags & RTM_F_CLONED) != 0 || head->rtm_tos != 0 || head->rtm_src_len != 0) {
    return {};
  }
  const NetlinkAttributes attributes(message, sizeof(rtmsg));
  if (attributes.get<std::uint32_t>(RTA_TABLE).value_or(head->rtm_table) != RT_TABLE_MAIN) {
    return {};
  }
  RouteMessage result;
  result.route.prefix = {.network = address_of(attributes, *family, RTA_DST).value_or(IpAddress{}),
                         .bits = head->rtm_dst_len,
                         .family = *family};
  if (*family == Family::v6 && is_link_local(result.route.prefix.network.bytes)) return {};
  result.route.metric = attributes.get<std::uint32_t>(RTA_PRIORITY).value_or(0);
  result.has_siblings = attributes.find(RTA_MULTIPATH) != nullptr ||
                        (*family == Family::v6 && (message.nlmsg_flags & NLM_F_APPEND) != 0);
  switch (head->rtm_type) {
    case RTN_UNICAST:
      result.route.hops = hops_of(attributes, *family);
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
  const auto family = head == nullptr ? std::nullopt : family_of(head->ndm_family);
  if (!family || (head->ndm_flags & NTF_PROXY) != 0) return {};
  // Groups, broadcasts and our own addresses need no resolution.
  if ((head->ndm_state & NUD_NOARP) != 0) return {};
  const NetlinkAttributes attributes(message, sizeof(ndmsg));
  const auto address = address_of(attributes, *family, NDA_DST);
  if (!address) return {};
  NeighborMessage result{
      .interface = head->ndm_ifindex, .address = *address, .mac = {}, .family = *family};
  constexpr int kUsable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
  if (message.nlmsg_type == RTM_NEWNEIGH && (head->ndm_state & kUsable) != 0) {
    result.mac = attributes.get<HardwareAddress>(NDA_LLADDR);
  }
  return result;
}

}  // namespace culvert
