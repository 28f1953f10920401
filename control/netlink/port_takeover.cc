// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/port_takeover.h"

#include <linux/if.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "control/netlink/ethtool_features.h"
#include "control/netlink/link.h"

namespace culvert {
namespace {

// Sockets that answer for one namespace, whatever thread uses them.
struct NamespaceSockets {
  NetlinkSocket netlink;
  UniqueFd ethtool;
};

Result<NamespaceSockets> open_sockets() {
  auto netlink = NetlinkSocket::open();
  if (!netlink) return netlink.error();
  auto ethtool = open_ethtool_socket();
  if (!ethtool) return ethtool.error();
  return NamespaceSockets{std::move(*netlink), std::move(*ethtool)};
}

Result<NamespaceSockets> open_sockets_in(int network_namespace) {
  std::optional<NamespaceSockets> sockets;
  const auto done = inside_network_namespace(network_namespace, [&]() -> Result<void> {
    auto opened = open_sockets();
    if (!opened) return opened.error();
    sockets = std::move(*opened);
    return {};
  });
  if (!done) return done.error();
  return std::move(*sockets);
}

Error explain(const std::string& interface, const std::string& what, const Error& error) {
  std::string text = interface + ": " + what + ": " + error.message;
  if (error.code == EPERM) text += "; CAP_NET_ADMIN and CAP_SYS_ADMIN are needed";
  return Error{error.code, std::move(text)};
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Refuses what would be torn apart by the move.
Result<void> check_stands_alone(NetlinkSocket& socket, const Link& link) {
  if ((link.flags & IFF_LOOPBACK) != 0) {
    return Error{EBUSY, link.name + ": the loopback interface cannot be a port"};
  }
  if (link.master != 0) {
    const auto master = find_link(socket, link.master);
    const std::string name = master ? master->name : std::to_string(link.master);
    return Error{EBUSY, link.name + ": is a member of " + name + "; `ip link set " + link.name +
                            " nomaster` takes it out"};
  }
  std::string upper;
  const auto done = for_each_link(socket, [&](const Link& other) {
    const bool is_our_peer = other.kind == "veth";
    if (other.lower == link.index && other.index != link.index && !other.lower_namespace &&
        !is_our_peer) {
      upper = other.name;
    }
  });
  if (!done) return explain(link.name, "cannot list interfaces", done.error());
  if (!upper.empty()) {
    return Error{EBUSY, link.name + ": " + upper + " stands on it and would be lost; remove " +
                            upper + ", or use another interface"};
  }
  return {};
}

// What AF_PACKET and AF_XDP must not see on a port: merged frames, unfinished checksums.
void silence_offloads(int ethtool_socket, TakenPort& taken) {
  const auto is_unwanted = [](std::string_view name) {
    return is_receive_offload(name) || is_transmit_offload(name);
  };
  auto done = turn_offloads_off(ethtool_socket, taken.interface, is_unwanted);
  if (!done) {
    taken.warnings.push_back(done.error().message + "; frames larger than the MTU may arrive");
    return;
  }
  taken.offloads = std::move(done->turned_off);
  std::erase_if(done->still_on, [](const std::string& name) { return name == "rx-checksum"; });
  if (!done->still_on.empty()) {
    taken.warnings.push_back(taken.interface + ": the device does not turn off " +
                             joined(done->still_on));
  }
}

// The peer's receive offloads are its own business; what it sends must be complete.
void silence_peer(NetlinkSocket& socket, const Link& link, TakenPort& taken) {
  const std::string remedy =
      "; on the other end run `ethtool -K NAME tx off tso off gso off`, or "
      "frames with unfinished checksums arrive";
  taken.peer = find_veth_peer(socket, link);
  if (!taken.peer) {
    taken.warnings.push_back(link.name + ": the other end of this veth pair is in a network " +
                             "namespace that cannot be found" + remedy);
    return;
  }
  const auto peer_namespace = open_namespace_of(*taken.peer);
  auto sockets = peer_namespace ? open_sockets_in(peer_namespace->get())
                                : Result<NamespaceSockets>(peer_namespace.error());
  auto done = sockets
                  ? turn_offloads_off(sockets->ethtool.get(), taken.peer->name, is_transmit_offload)
                  : Result<OffloadResult>(sockets.error());
  if (!done) {
    taken.warnings.push_back(link.name + ": peer " + done.error().message + remedy);
    return;
  }
  taken.peer_offloads = std::move(done->turned_off);
  if (!done->still_on.empty()) {
    taken.warnings.push_back(link.name + ": peer " + taken.peer->name + " does not turn off " +
                             joined(done->still_on));
  }
}

// Everything of take_port() that happens after the move.
Result<void> prepare_in_port_namespace(TakenPort& taken, int port_namespace, std::uint32_t mtu) {
  auto sockets = open_sockets_in(port_namespace);
  if (!sockets) return sockets.error();
  const auto link = find_link(sockets->netlink, taken.interface);
  if (!link) return link.error();
  silence_offloads(sockets->ethtool.get(), taken);
  const auto done =
      change_link(sockets->netlink, link->index,
                  {.flags = IFF_UP | IFF_PROMISC, .flag_mask = IFF_UP | IFF_PROMISC, .mtu = mtu});
  if (!done) {
    return explain(taken.interface, "cannot bring it up with mtu " + std::to_string(mtu),
                   done.error());
  }
  return {};
}

// Moves the interface to `target`, under another name if its own is in use there. Returns the name.
Result<std::string> move_back(NetlinkSocket& socket, const Link& link, int target) {
  auto done = change_link(socket, link.index, {.flag_mask = IFF_UP | IFF_PROMISC});
  if (!done) return explain(link.name, "cannot take it down", done.error());
  done = change_link(socket, link.index, {.network_namespace = target});
  if (done) return link.name;
  if (done.error().code != EEXIST) return explain(link.name, "cannot give it back", done.error());
  const std::string spare = "culvert" + std::to_string(link.index);
  done = change_link(socket, link.index, {.name = spare, .network_namespace = target});
  if (!done) return explain(link.name, "cannot give it back", done.error());
  return spare;
}

void restore_peer(const TakenPort& taken, std::vector<std::string>& warnings) {
  if (!taken.peer || taken.peer_offloads.empty()) return;
  const auto peer_namespace = open_namespace_of(*taken.peer);
  if (!peer_namespace) return;  // gone, and the peer with it
  auto sockets = open_sockets_in(peer_namespace->get());
  if (!sockets) return warnings.push_back(sockets.error().message);
  const auto peer = find_link(sockets->netlink, taken.peer->index);
  if (!peer || peer->name != taken.peer->name) return;
  const auto done = turn_offloads_on(sockets->ethtool.get(), peer->name, taken.peer_offloads);
  if (!done) warnings.push_back(done.error().message);
}

}  // namespace

Result<TakenPort> take_port(const std::string& interface, int port_namespace, std::uint32_t mtu) {
  auto sockets = open_sockets();
  if (!sockets) return sockets.error();
  const auto link = find_link(sockets->netlink, interface);
  if (!link) return link.error();
  if (auto done = check_stands_alone(sockets->netlink, *link); !done) return done.error();
  auto addressing = save_addressing(sockets->netlink, link->index);
  if (!addressing) return explain(interface, "cannot read its addresses", addressing.error());
  TakenPort taken{.interface = interface,
                  .was_up = link->is_up(),
                  .was_promiscuous = (link->flags & IFF_PROMISC) != 0,
                  .mtu = link->mtu,
                  .addressing = std::move(*addressing)};

  const auto moved =
      change_link(sockets->netlink, link->index, {.network_namespace = port_namespace});
  if (!moved) return explain(interface, "cannot move it to the port namespace", moved.error());
  const auto prepared = prepare_in_port_namespace(taken, port_namespace, mtu);
  if (!prepared) {
    const auto back = give_port_back(taken, port_namespace);
    if (back) return prepared.error();
    return Error{prepared.error().code, prepared.error().message + "; " + back.error().message};
  }
  if (link->kind == "veth") silence_peer(sockets->netlink, *link, taken);
  return taken;
}

Result<std::vector<std::string>> give_port_back(TakenPort& taken, int port_namespace) {
  auto there = open_sockets_in(port_namespace);
  if (!there) return there.error();
  auto here = open_sockets();
  if (!here) return here.error();
  const auto target = current_network_namespace();
  if (!target) return target.error();
  const auto link = find_link(there->netlink, taken.interface);
  if (!link) return std::vector<std::string>{};

  const auto name = move_back(there->netlink, *link, target->get());
  if (!name) return name.error();
  std::vector<std::string> warnings;
  if (*name != taken.interface) {
    warnings.push_back(taken.interface +
                       ": another interface has this name by now; given back as " + *name);
  }
  const auto returned = find_link(here->netlink, *name);
  if (!returned) return returned.error();
  if (const auto done = turn_offloads_on(here->ethtool.get(), *name, taken.offloads); !done) {
    warnings.push_back(done.error().message);
  }
  LinkChange change{.flag_mask = IFF_UP | IFF_PROMISC, .mtu = taken.mtu};
  if (taken.was_up) change.flags |= IFF_UP;
  if (taken.was_promiscuous) change.flags |= IFF_PROMISC;
  if (const auto done = change_link(here->netlink, returned->index, change); !done) {
    warnings.push_back(explain(*name, "mtu and flags are not restored", done.error()).message);
  }
  auto refused = restore_addressing(here->netlink, returned->index, *name, taken.addressing);
  warnings.insert(warnings.end(), std::make_move_iterator(refused.begin()),
                  std::make_move_iterator(refused.end()));
  restore_peer(taken, warnings);
  return warnings;
}

}  // namespace culvert
