// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/config.h"
#include "control/netlink/forwarding_view.h"
#include "control/netlink/link.h"
#include "control/netlink/netlink_socket.h"
#include "control/result.h"

namespace culvert {

// Follows the addresses, routes and neighbours that Linux has on the ports' mirrors, in the network
// namespace of the thread that starts it, and tells the dataplane. It also puts the configured ones
// onto the mirrors, and has Linux resolve the neighbours the dataplane asks for. A mirror is a TAP
// interface of the port's name; culvertd creates them, at any time.
//
// For one thread. `push` may run the event loop: calls that come from in there are put off.
class NetlinkFollower {
 public:
  using Push = ForwardingView::Push;

  NetlinkFollower(Config config, Push push);
  NetlinkFollower(const NetlinkFollower&) = delete;
  NetlinkFollower& operator=(const NetlinkFollower&) = delete;

  // Opens the sockets, sets up the mirrors that are there and pushes what Linux has.
  [[nodiscard]] Result<void> start();

  // To be watched for input once started; on_readable() takes what is there.
  [[nodiscard]] int descriptor() const { return events_->descriptor(); }
  void on_readable();

  // Another configuration: sets the mirrors up anew and removes what only the old one had. Returns
  // what Linux refused, as sentences; the rest is done.
  std::vector<std::string> apply_config(Config config);

  // For a new incarnation of the dataplane, which starts empty.
  void push_all();

  // neighbor_wanted and neighbor_in_use; other events are ignored.
  void on_event(const Event& event);

 private:
  class BusyMark;
  // An interface as Linux last showed it.
  struct KnownLink {
    std::optional<PortNumber> port;  // of mirrors
    bool is_up = false;
    bool has_carrier = false;
  };
  using Clock = std::chrono::steady_clock;

  void handle(const nlmsghdr& message);
  void handle_link(const Link& link);
  void forget_link(InterfaceIndex interface);
  void handle_address(const nlmsghdr& message);
  void handle_route(const nlmsghdr& message);
  void handle_neighbor(const nlmsghdr& message);

  // Does what the handled messages gave rise to, and pushes the differences.
  void settle();
  void read_links();
  void set_up_mirrors();
  // Reads everything from Linux again. The differences are pushed, nothing is flushed.
  void resync();
  [[nodiscard]] Result<LinuxState> read_linux_state();
  // `family` is AF_INET or AF_INET6.
  [[nodiscard]] Result<NetlinkSocket::Dump> read_family(std::uint8_t family, LinuxState& state);
  template <typename Head>
  [[nodiscard]] Result<NetlinkSocket::Dump> dump(int type, Head head,
                                                 const NetlinkSocket::Handler& handler);

  [[nodiscard]] std::optional<PortNumber> port_named(const std::string& name) const;
  [[nodiscard]] std::optional<PortNumber> port_of(InterfaceIndex interface) const;
  [[nodiscard]] std::map<InterfaceIndex, PortNumber> mirrors() const;
  // Asks Linux: messages about links may still wait to be read. On others routes are refused; they
  // get theirs when they come up.
  [[nodiscard]] std::map<InterfaceIndex, PortNumber> mirrors_that_are_up();
  // Makes Linux resolve the neighbour, or confirm that it is still there.
  void use_neighbor(const PortNeighbor& neighbor);

  Config config_;
  ForwardingView view_;
  std::optional<NetlinkSocket> events_;
  std::optional<NetlinkSocket> requests_;
  std::map<InterfaceIndex, KnownLink> links_;
  std::map<InterfaceIndex, Link> new_mirrors_;  // not set up yet
  std::map<PortNeighbor, Clock::time_point> confirmed_;

  std::vector<std::string> refused_;  // of the configuration, by Linux, when it was applied last

  bool is_busy_ = false;
  bool wants_settle_ = false;
  bool wants_links_ = false;
  bool wants_reconcile_ = false;  // configured entries may be missing in Linux
  bool wants_resync_ = false;
  bool wants_push_all_ = false;
};

}  // namespace culvert
