// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/mirror_setup.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <tuple>

#include "control/address_text.h"
#include "control/netlink/kernel_messages.h"
#include "control/netlink/netns.h"

namespace culvert {
namespace {

std::uint8_t socket_family(Family family) {
  return family == Family::v6 ? AF_INET6 : AF_INET;
}

std::span<const std::uint8_t> wire_bytes(Family family, const IpAddress& address) {
  return std::span(address.bytes).first(family == Family::v6 ? 16 : 4);
}

IpAddress address_of(const NetlinkAttributes& attributes, int attribute) {
  IpAddress address;
  if (nlattr* const found = attributes.find(attribute)) {
    const auto length =
        std::min<std::size_t>(address.bytes.size(), static_cast<std::size_t>(nla_len(found)));
    std::memcpy(address.bytes.data(), nla_data(found), length);
  }
  return address;
}

// A next hop of a route, and what makes it the same as another one.
struct EntryHop {
  InterfaceIndex interface = 0;
  IpAddress via;
  friend auto operator<=>(const EntryHop&, const EntryHop&) = default;
};

// What makes a configured address, route or neighbour the same as one in Linux.
struct Entry {
  InterfaceIndex interface = 0;     // of addresses and neighbours
  std::uint8_t family = AF_UNSPEC;  // AF_*
  std::uint8_t bits = 0;            // of addresses and routes
  IpAddress address;
  std::vector<EntryHop> hops;  // of routes, in order
  friend auto operator<=>(const Entry&, const Entry&) = default;
};

// Reads an entry of a dump if it comes from a configuration.
using ReadEntry = std::optional<Entry> (*)(const nlmsghdr&);

std::optional<Entry> read_address(const nlmsghdr& message) {
  const auto* const head = message_head<ifaddrmsg>(message);
  if (head == nullptr) return {};
  const NetlinkAttributes attributes(message, sizeof *head);
  if (attributes.get<std::uint8_t>(IFA_PROTO) != kConfiguredProtocol) return {};
  const int attribute = attributes.find(IFA_LOCAL) != nullptr ? IFA_LOCAL : IFA_ADDRESS;
  return Entry{.interface = static_cast<int>(head->ifa_index),
               .family = head->ifa_family,
               .bits = head->ifa_prefixlen,
               .address = address_of(attributes, attribute)};
}

std::optional<Entry> read_route(const nlmsghdr& message) {
  const auto* const head = message_head<rtmsg>(message);
  if (head == nullptr || head->rtm_protocol != kConfiguredProtocol) return {};
  const NetlinkAttributes attributes(message, sizeof *head);
  Entry entry{.family = head->rtm_family,
              .bits = head->rtm_dst_len,
              .address = address_of(attributes, RTA_DST)};
  for_each_hop(attributes, [&entry](const rtnexthop& hop, const NetlinkAttributes& of_hop) {
    entry.hops.push_back({hop.rtnh_ifindex, address_of(of_hop, RTA_GATEWAY)});
  });
  if (const auto interface = attributes.get<int>(RTA_OIF); interface && entry.hops.empty()) {
    entry.hops.push_back({*interface, address_of(attributes, RTA_GATEWAY)});
  }
  std::ranges::sort(entry.hops);
  return entry;
}

std::optional<Entry> read_neighbor(const nlmsghdr& message) {
  const auto* const head = message_head<ndmsg>(message);
  if (head == nullptr) return {};
  const NetlinkAttributes attributes(message, sizeof *head);
  if (attributes.get<std::uint8_t>(NDA_PROTOCOL) != kConfiguredProtocol) return {};
  return Entry{.interface = head->ndm_ifindex,
               .family = head->ndm_family,
               .address = address_of(attributes, NDA_DST)};
}

// A configured next hop and the mirror of its port.
struct MirrorHop {
  InterfaceIndex interface = 0;
  const RouteHop* hop = nullptr;
};

// RTA_MULTIPATH: an rtnexthop for each, with its gateway.
std::vector<std::uint8_t> multipath_of(Family family, std::span<const MirrorHop> hops) {
  std::vector<std::uint8_t> bytes;
  const auto append = [&bytes](const void* data, std::size_t count) {
    const auto* const from = static_cast<const std::uint8_t*>(data);
    bytes.insert(bytes.end(), from, from + count);
  };
  for (const auto& [interface, hop] : hops) {
    const auto via = wire_bytes(family, hop->via);
    const rtattr gateway{.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(via.size())),
                         .rta_type = RTA_GATEWAY};
    const rtnexthop next{.rtnh_len = static_cast<std::uint16_t>(RTNH_LENGTH(0) + gateway.rta_len),
                         .rtnh_flags = 0,
                         .rtnh_hops = static_cast<std::uint8_t>(hop->weight - 1),
                         .rtnh_ifindex = interface};
    append(&next, sizeof next);
    append(&gateway, sizeof gateway);
    append(via.data(), via.size());
  }
  return bytes;
}

// Reconciling for one call: the mirrors by port, and what went wrong.
class Reconciler {
 public:
  Reconciler(NetlinkSocket& socket, const std::map<InterfaceIndex, PortNumber>& mirrors,
             const Config& config)
      : socket_(socket), mirrors_(mirrors), config_(config) {}

  std::vector<std::string> run() {
    // Addresses that are to go do so first: the first of a subnet takes the others with it.
    const std::set<Entry> addresses = wanted_addresses();
    remove_stale(RTM_GETADDR, RTM_DELADDR, ifaddrmsg{}, read_address, addresses);
    for (const Entry& address : addresses) add_address(address);
    add_routes();
    remove_stale(RTM_GETROUTE, RTM_DELROUTE, rtmsg{}, read_route, routes_);
    add_neighbors();
    remove_stale(RTM_GETNEIGH, RTM_DELNEIGH, ndmsg{}, read_neighbor, neighbors_);
    return std::move(problems_);
  }

 private:
  [[nodiscard]] std::optional<InterfaceIndex> mirror_of(std::uint16_t port) const {
    for (const auto& [interface, number] : mirrors_) {
      if (number == port) return interface;
    }
    return {};
  }

  [[nodiscard]] bool is_on_mirror(const Entry& entry) const {
    return mirrors_.contains(entry.interface) ||
           std::ranges::any_of(entry.hops, [this](const EntryHop& hop) {
             return mirrors_.contains(hop.interface);
           });
  }

  void note(const std::string& what, const Error& error) {
    problems_.push_back(what + ": " + error.message);
  }

  std::set<Entry> wanted_addresses() const {
    std::set<Entry> wanted;
    for (const auto& [interface, number] : mirrors_) {
      for (const AddressPrefix& prefix : config_.ports[number].addresses) {
        wanted.insert({.interface = interface,
                       .family = socket_family(prefix.family),
                       .bits = prefix.prefix_bits,
                       .address = prefix.address});
      }
    }
    return wanted;
  }

  void add_address(const Entry& entry) {
    const Family family = entry.family == AF_INET6 ? Family::v6 : Family::v4;
    ifaddrmsg head{};
    head.ifa_family = entry.family;
    head.ifa_prefixlen = entry.bits;
    head.ifa_index = static_cast<std::uint32_t>(entry.interface);
    NetlinkMessage message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, head);
    message.put(IFA_LOCAL, wire_bytes(family, entry.address));
    message.put(IFA_ADDRESS, wire_bytes(family, entry.address));
    message.put_u8(IFA_PROTO, kConfiguredProtocol);
    if (const auto done = socket_.request(message); !done) {
      note("address " + prefix_text(family, entry.address, entry.bits), done.error());
    }
  }

  void add_routes() {
    std::vector<const ConfigRoute*> order;
    for (const ConfigRoute& route : config_.routes) order.push_back(&route);
    // A gateway may be reachable through a configured route on the link.
    std::stable_partition(order.begin(), order.end(), [](const ConfigRoute* route) {
      return route->hops.size() == 1 && route->hops[0].via == IpAddress{};
    });
    for (const ConfigRoute* route : order) add_route(*route);
  }

  // Next hops on ports without a mirror follow when it appears.
  void add_route(const ConfigRoute& route) {
    const bool is_blackhole = route.kind == RouteKind::blackhole;
    std::vector<MirrorHop> hops;
    for (const RouteHop& hop : route.hops) {
      if (const auto interface = mirror_of(hop.port)) hops.push_back({*interface, &hop});
    }
    if (hops.empty() && !is_blackhole) return;
    const Family family = route.prefix.family;
    rtmsg head{};
    head.rtm_family = socket_family(family);
    head.rtm_dst_len = route.prefix.prefix_bits;
    head.rtm_table = RT_TABLE_MAIN;
    head.rtm_protocol = kConfiguredProtocol;
    head.rtm_type = is_blackhole ? RTN_BLACKHOLE : RTN_UNICAST;
    const bool is_on_link = hops.size() == 1 && hops.front().hop->via == IpAddress{};
    head.rtm_scope = is_on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, head);
    message.put(RTA_DST, wire_bytes(family, route.prefix.address));
    if (hops.size() == 1) {
      message.put_u32(RTA_OIF, static_cast<std::uint32_t>(hops.front().interface));
      if (!is_on_link) message.put(RTA_GATEWAY, wire_bytes(family, hops.front().hop->via));
    } else if (!hops.empty()) {
      message.put(RTA_MULTIPATH, multipath_of(family, hops));
    }
    Entry entry{
        .family = head.rtm_family, .bits = head.rtm_dst_len, .address = route.prefix.address};
    for (const MirrorHop& hop : hops) entry.hops.push_back({hop.interface, hop.hop->via});
    std::ranges::sort(entry.hops);
    routes_.insert(std::move(entry));
    if (const auto done = socket_.request(message); !done) {
      note("route " + prefix_text(family, route.prefix.address, route.prefix.prefix_bits),
           done.error());
    }
  }

  void add_neighbors() {
    for (const ConfigNeighbor& neighbor : config_.neighbors) {
      const auto interface = mirror_of(neighbor.port);
      if (!interface) continue;
      ndmsg head{};
      head.ndm_family = socket_family(neighbor.family);
      head.ndm_ifindex = *interface;
      head.ndm_state = NUD_PERMANENT;
      NetlinkMessage message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, head);
      message.put(NDA_DST, wire_bytes(neighbor.family, neighbor.address));
      message.put(NDA_LLADDR, neighbor.mac);
      message.put_u8(NDA_PROTOCOL, kConfiguredProtocol);
      neighbors_.insert(
          {.interface = *interface, .family = head.ndm_family, .address = neighbor.address});
      if (const auto done = socket_.request(message); !done) {
        note("neighbor " + address_text(neighbor.family, neighbor.address), done.error());
      }
    }
  }

  // Deletes what an earlier configuration put on our mirrors and this one does not want.
  template <typename Head>
  void remove_stale(int get, int remove, const Head& head, ReadEntry read,
                    const std::set<Entry>& wanted) {
    std::vector<NetlinkMessage> stale;
    NetlinkMessage request(get, 0, head);
    const auto dumped = socket_.dump(request, [&](const nlmsghdr& message) {
      const auto entry = read(message);
      if (!entry || !is_on_mirror(*entry) || wanted.contains(*entry)) return;
      stale.emplace_back(remove, 0, message);
    });
    if (!dumped) note("cannot list what is configured", dumped.error());
    for (NetlinkMessage& message : stale) {
      // It may have gone meanwhile, by itself or with its interface: what is wanted is reached.
      static_cast<void>(socket_.request(message));
    }
  }

  NetlinkSocket& socket_;
  const std::map<InterfaceIndex, PortNumber>& mirrors_;
  const Config& config_;
  std::set<Entry> routes_;
  std::set<Entry> neighbors_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> set_up_mirror(NetlinkSocket& socket, const Link& mirror,
                                       const ConfigPort& port) {
  std::vector<std::string> problems;
  const auto changed =
      change_link(socket, mirror.index, {.flags = IFF_UP, .flag_mask = IFF_UP, .mtu = port.mtu});
  if (!changed) {
    problems.push_back(port.name + ": cannot bring the mirror up: " + changed.error().message);
  }
  const auto written = write_network_sysctl("ipv4/conf/" + port.name + "/rp_filter", "0");
  if (!written) {
    problems.push_back(port.name + ": rp_filter is not set to 0: " + written.error().message);
  }
  const bool has_ipv6 = std::ranges::any_of(
      port.addresses, [](const AddressPrefix& prefix) { return prefix.family == Family::v6; });
  if (has_ipv6) {
    const auto enabled = write_network_sysctl("ipv6/conf/" + port.name + "/disable_ipv6", "0");
    if (!enabled) {
      problems.push_back(port.name + ": IPv6 is not enabled: " + enabled.error().message);
    }
  }
  const auto all = read_network_sysctl("ipv4/conf/all/rp_filter");
  if (all && *all != "0") {
    problems.push_back(port.name + ": net.ipv4.conf.all.rp_filter is " + *all +
                       ", and the larger of it and the interface's applies: packets for Linux from "
                       "addresses without a route back by this port are lost; set it to 0");
  }
  return problems;
}

std::vector<std::string> reconcile_mirrors(NetlinkSocket& socket,
                                           const std::map<InterfaceIndex, PortNumber>& mirrors,
                                           const Config& config) {
  return Reconciler(socket, mirrors, config).run();
}

void remove_blackhole(NetlinkSocket& socket, const AddressPrefix& prefix) {
  rtmsg head{};
  head.rtm_family = socket_family(prefix.family);
  head.rtm_dst_len = prefix.prefix_bits;
  head.rtm_table = RT_TABLE_MAIN;
  head.rtm_protocol = kConfiguredProtocol;
  head.rtm_type = RTN_BLACKHOLE;
  head.rtm_scope = RT_SCOPE_NOWHERE;
  NetlinkMessage message(RTM_DELROUTE, 0, head);
  message.put(RTA_DST, wire_bytes(prefix.family, prefix.address));
  // Somebody may have removed it already.
  static_cast<void>(socket.request(message));
}

}  // namespace culvert
