// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/follower.h"

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/address_text.h"
#include "control/netlink/kernel_messages.h"
#include "control/netlink/mirror_setup.h"

namespace culvert {
namespace {

// Messages taken in one go, so that a flood of routes leaves the thread time for its other work.
constexpr int kMessagesAtOnce = 256;
constexpr int kDumpAttempts = 10;
constexpr std::uint8_t kFamilies[] = {AF_INET, AF_INET6};
// The dataplane reports neighbours in use about every 30 s; the slack keeps each report effective.
constexpr std::chrono::seconds kConfirmEvery{29};

void log_problems(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) spdlog::warn("{}", problem);
}

PortAddress port_address(PortNumber port, const AddressMessage& message) {
  return {.port = port, .address = message.address, .bits = message.bits, .family = message.family};
}

}  // namespace

// Set while requests are pushed, which may run the event loop and call us again.
class NetlinkFollower::BusyMark {
 public:
  explicit BusyMark(bool& is_busy) : is_busy_(is_busy) { is_busy_ = true; }
  BusyMark(const BusyMark&) = delete;
  BusyMark& operator=(const BusyMark&) = delete;
  ~BusyMark() { is_busy_ = false; }

 private:
  bool& is_busy_;
};

NetlinkFollower::NetlinkFollower(Config config, Push push)
    : config_(std::move(config)), view_(std::move(push)) {}

Result<void> NetlinkFollower::start() {
  auto requests = NetlinkSocket::open();
  if (!requests) return requests.error();
  requests_ = std::move(*requests);
  auto events = NetlinkSocket::subscribe({RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE,
                                          RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE, RTNLGRP_NEIGH,
                                          RTNLGRP_NEXTHOP});
  if (!events) return events.error();
  events_ = std::move(*events);
  wants_links_ = wants_resync_ = wants_reconcile_ = true;
  settle();
  if (wants_resync_) return Error{EAGAIN, "netlink: the kernel's tables cannot be read"};
  return {};
}

void NetlinkFollower::on_readable() {
  // What is there stays there, and is reported again.
  if (is_busy_) return;
  for (int taken = 0; taken < kMessagesAtOnce; ++taken) {
    const auto received = events_->receive([this](const nlmsghdr& message) { handle(message); });
    if (received == NetlinkSocket::Received::nothing) break;
    if (received == NetlinkSocket::Received::overrun) {
      spdlog::info("netlink: messages were lost, reading all addresses, routes and neighbours");
      wants_links_ = wants_resync_ = true;
    }
  }
  settle();
}

std::vector<std::string> NetlinkFollower::apply_config(Config config) {
  for (const ConfigRoute& route : config_.routes) {
    const bool stays =
        std::any_of(config.routes.begin(), config.routes.end(), [&](const ConfigRoute& other) {
          return other.kind == RouteKind::blackhole && other.prefix == route.prefix;
        });
    if (route.kind == RouteKind::blackhole && !stays) remove_blackhole(*requests_, route.prefix);
  }
  config_ = std::move(config);
  // Ports may have changed: every link is looked at as if it were new.
  links_.clear();
  wants_links_ = wants_resync_ = wants_reconcile_ = true;
  refused_.clear();
  settle();
  return std::exchange(refused_, {});
}

void NetlinkFollower::push_all() {
  wants_push_all_ = true;
  settle();
}

void NetlinkFollower::on_event(const Event& event) {
  if (event.family != Family::v4 && event.family != Family::v6) return;
  const PortNeighbor neighbor{.port = event.port, .address = event.address, .family = event.family};
  switch (event.type) {
    case EventType::neighbor_wanted:
      view_.repeat_neighbor(neighbor);
      use_neighbor(neighbor);
      settle();
      return;
    case EventType::neighbor_in_use: {
      const auto now = Clock::now();
      const auto [last, is_first] = confirmed_.try_emplace(neighbor, now);
      if (!is_first && now - last->second < kConfirmEvery) return;
      last->second = now;
      use_neighbor(neighbor);
      return;
    }
    case EventType::none:
    case EventType::link_change:
    case EventType::sa_soft_limit:
    case EventType::sa_hard_limit:
    case EventType::peer_moved:
    case EventType::audit:
      return;
  }
}

void NetlinkFollower::use_neighbor(const PortNeighbor& neighbor) {
  for (const auto& [interface, port] : mirrors()) {
    if (port != neighbor.port) continue;
    const bool is_v6 = neighbor.family == Family::v6;
    ndmsg head{};
    head.ndm_family = is_v6 ? AF_INET6 : AF_INET;
    head.ndm_ifindex = interface;
    head.ndm_state = NUD_NONE;
    head.ndm_flags = NTF_USE;
    NetlinkMessage message(RTM_NEWNEIGH, NLM_F_CREATE, head);
    message.put(NDA_DST, std::span(neighbor.address.bytes).first(is_v6 ? 16 : 4));
    if (const auto done = requests_->request(message); !done) {
      spdlog::warn("port {}: neighbor {} cannot be resolved: {}", config_.ports[port].name,
                   address_text(neighbor.family, neighbor.address), done.error().message);
    }
  }
}

void NetlinkFollower::handle(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
      if (const auto link = parse_link(message)) handle_link(*link);
      break;
    case RTM_DELLINK:
      if (const auto link = parse_link(message)) forget_link(link->index);
      break;
    case RTM_NEWADDR:
    case RTM_DELADDR:
      handle_address(message);
      break;
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      handle_route(message);
      break;
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH:
      handle_neighbor(message);
      break;
    case RTM_DELNEXTHOP:
      // Routes over this nexthop object lose it silently, and go when they have no other. Of one
      // that is replaced Linux tells by the routes.
      wants_resync_ = true;
      break;
  }
}

void NetlinkFollower::handle_link(const Link& link) {
  // Another interface of a port's name is not ours to configure.
  const auto port = link.kind == "tun" ? port_named(link.name) : std::nullopt;
  const auto [known, is_new] =
      links_.try_emplace(link.index, KnownLink{port, link.is_up(), link.has_carrier()});
  if (is_new || known->second.port != port) {
    new_mirrors_.erase(link.index);
    if (port) new_mirrors_.emplace(link.index, link);
    if (port || known->second.port) wants_resync_ = true;
  }
  // Linux forgets the routes of an interface that goes down, and says nothing about it.
  // It keeps those that have other next hops, and uses all of these when the interface is up again.
  if (known->second.is_up != link.is_up()) wants_resync_ = true;
  // So do the nexthop objects of one that loses its carrier.
  if (known->second.has_carrier && !link.has_carrier()) wants_resync_ = true;
  if (!known->second.is_up && link.is_up() && port) wants_reconcile_ = true;
  known->second = {port, link.is_up(), link.has_carrier()};
}

void NetlinkFollower::forget_link(InterfaceIndex interface) {
  new_mirrors_.erase(interface);
  if (links_.erase(interface) != 0) wants_resync_ = true;
}

void NetlinkFollower::handle_address(const nlmsghdr& message) {
  const auto parsed = parse_address_message(message);
  if (!parsed) return;
  const bool is_removed = message.nlmsg_type == RTM_DELADDR;
  // Routes with this preferred source went silently.
  if (is_removed) wants_resync_ = true;
  const auto port = port_of(parsed->interface);
  if (!port) return;
  const PortAddress address = port_address(*port, *parsed);
  if (is_removed) {
    view_.remove_address(address);
  } else {
    view_.add_address(address);
  }
}

void NetlinkFollower::handle_route(const nlmsghdr& message) {
  const auto parsed = parse_route_message(message);
  if (!parsed) return;
  // Linux tells of the next hops of an IPv6 route one by one or all at once, as it happens; which
  // of an IPv4 route's are on interfaces that are down may differ from what was shown before.
  const bool is_v6 = parsed->route.prefix.family == Family::v6;
  if (is_v6 && parsed->has_siblings) {
    wants_resync_ = true;
  } else if (message.nlmsg_type == RTM_DELROUTE) {
    const bool was_known = view_.remove_route(parsed->route);
    if (!was_known && (is_v6 || parsed->has_siblings)) wants_resync_ = true;
  } else {
    view_.add_route(parsed->route, parsed->place);
  }
}

void NetlinkFollower::handle_neighbor(const nlmsghdr& message) {
  const auto parsed = parse_neighbor_message(message);
  if (!parsed) return;
  const auto port = port_of(parsed->interface);
  if (!port) return;
  const PortNeighbor neighbor{.port = *port, .address = parsed->address, .family = parsed->family};
  if (parsed->mac) {
    view_.set_neighbor(neighbor, *parsed->mac);
  } else {
    view_.remove_neighbor(neighbor);
    confirmed_.erase(neighbor);
  }
}

void NetlinkFollower::settle() {
  wants_settle_ = true;
  if (is_busy_) return;
  const BusyMark mark(is_busy_);
  while (std::exchange(wants_settle_, false)) {
    if (wants_links_) read_links();
    set_up_mirrors();
    if (std::exchange(wants_reconcile_, false)) {
      refused_ = reconcile_mirrors(*requests_, mirrors_that_are_up(), config_);
      log_problems(refused_);
    }
    if (wants_resync_) resync();
    if (std::exchange(wants_push_all_, false)) {
      view_.push_all();
    } else {
      view_.settle();
    }
    // Calls from inside `push` may have given rise to more.
  }
}

void NetlinkFollower::read_links() {
  wants_links_ = false;
  std::set<InterfaceIndex> present;
  const auto done = for_each_link(*requests_, [&](const Link& link) {
    present.insert(link.index);
    handle_link(link);
  });
  if (!done) {
    spdlog::error("interfaces cannot be listed: {}", done.error().message);
    return;
  }
  std::vector<InterfaceIndex> gone;
  for (const auto& [interface, link] : links_) {
    if (!present.contains(interface)) gone.push_back(interface);
  }
  for (const InterfaceIndex interface : gone) forget_link(interface);
}

void NetlinkFollower::set_up_mirrors() {
  for (const auto& [interface, link] : std::exchange(new_mirrors_, {})) {
    KnownLink& known = links_.at(interface);
    const ConfigPort& port = config_.ports[*known.port];
    const auto problems = set_up_mirror(*requests_, link, port);
    if (problems.empty()) {
      spdlog::info("port {}: its mirror is set up, with rp_filter 0", port.name);
    }
    log_problems(problems);
    known.is_up = true;
    wants_reconcile_ = true;
  }
}

void NetlinkFollower::resync() {
  auto state = read_linux_state();
  if (!state) {
    // Stays wanted: the next message from Linux tries again.
    spdlog::error("netlink: reading all addresses, routes and neighbours: {}",
                  state.error().message);
    return;
  }
  wants_resync_ = false;
  view_.replace(std::move(*state));
}

template <typename Head>
Result<NetlinkSocket::Dump> NetlinkFollower::dump(int type, Head head,
                                                  const NetlinkSocket::Handler& handler) {
  NetlinkMessage request(type, 0, head);
  return requests_->dump(request, handler);
}

Result<LinuxState> NetlinkFollower::read_linux_state() {
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    LinuxState state{.mirrors = mirrors()};
    bool is_complete = true;
    for (const std::uint8_t family : kFamilies) {
      const auto done = read_family(family, state);
      if (!done) return done.error();
      is_complete = is_complete && *done == NetlinkSocket::Dump::complete;
    }
    if (is_complete) return state;
  }
  return Error{EAGAIN,
               "the tables changed during each of " + std::to_string(kDumpAttempts) + " attempts"};
}

Result<NetlinkSocket::Dump> NetlinkFollower::read_family(std::uint8_t family, LinuxState& state) {
  const auto addresses =
      dump(RTM_GETADDR, ifaddrmsg{.ifa_family = family}, [&](const nlmsghdr& message) {
        const auto parsed = parse_address_message(message);
        const auto port = parsed ? port_of(parsed->interface) : std::nullopt;
        if (port) state.addresses.insert(port_address(*port, *parsed));
      });
  if (!addresses) return addresses.error();
  const auto routes = dump(RTM_GETROUTE, rtmsg{.rtm_family = family}, [&](const nlmsghdr& message) {
    if (auto parsed = parse_route_message(message)) {
      state.add_route(std::move(parsed->route), RoutePlace::last);
    }
  });
  if (!routes) return routes.error();
  const auto neighbors =
      dump(RTM_GETNEIGH, ndmsg{.ndm_family = family}, [&](const nlmsghdr& message) {
        const auto parsed = parse_neighbor_message(message);
        const auto port = parsed ? port_of(parsed->interface) : std::nullopt;
        if (!port || !parsed->mac) return;
        state.neighbors[{*port, parsed->address, parsed->family}] = *parsed->mac;
      });
  if (!neighbors) return neighbors.error();
  constexpr auto kComplete = NetlinkSocket::Dump::complete;
  for (const auto dumped : {*addresses, *routes}) {
    if (dumped != kComplete) return dumped;
  }
  return *neighbors;
}

std::optional<PortNumber> NetlinkFollower::port_named(const std::string& name) const {
  for (std::size_t i = 0; i < config_.ports.size(); ++i) {
    if (config_.ports[i].name == name) return static_cast<PortNumber>(i);
  }
  return {};
}

std::optional<PortNumber> NetlinkFollower::port_of(InterfaceIndex interface) const {
  const auto known = links_.find(interface);
  if (known == links_.end()) return {};
  return known->second.port;
}

std::map<InterfaceIndex, PortNumber> NetlinkFollower::mirrors() const {
  std::map<InterfaceIndex, PortNumber> result;
  for (const auto& [interface, link] : links_) {
    if (link.port) result.emplace(interface, *link.port);
  }
  return result;
}

std::map<InterfaceIndex, PortNumber> NetlinkFollower::mirrors_that_are_up() {
  auto result = mirrors();
  std::erase_if(result, [this](const auto& mirror) {
    const auto link = find_link(*requests_, mirror.first);
    return !link || !link->is_up();
  });
  return result;
}

}  // namespace culvert
