// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <map>
#include <set>

#include "control/netlink/linux_state.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// Keeps the dataplane's addresses, routes and neighbours equal to what a LinuxState says, by
// requests for the differences only. Changes gather until settle(): what Linux says in several
// messages reaches the dataplane as one change.
class ForwardingView {
 public:
  using Push = std::function<void(const Request&)>;

  explicit ForwardingView(Push push) : push_(std::move(push)) {}

  [[nodiscard]] const LinuxState& linux_state() const { return linux_; }

  void add_address(const PortAddress& address);
  void remove_address(const PortAddress& address);
  void add_route(const LinuxRoute& route, RoutePlace place);
  bool remove_route(const LinuxRoute& route);  // false: Linux had shown no such route
  void set_neighbor(const PortNeighbor& neighbor, const HardwareAddress& mac);
  void remove_neighbor(const PortNeighbor& neighbor);
  // The dataplane asks for a neighbour: tells it again if the neighbour is known.
  void repeat_neighbor(const PortNeighbor& neighbor);
  // Everything anew, for example after messages were lost.
  void replace(LinuxState state);

  // Pushes what changed: new addresses, then routes and neighbours, then addresses that are gone.
  void settle();

  // Pushes everything, for a dataplane that starts empty.
  void push_all();

 private:
  void settle_route(const RoutePrefix& prefix);
  void settle_neighbor(const PortNeighbor& neighbor);
  void mark_connected_route(const PortAddress& address);

  Push push_;
  LinuxState linux_;

  // What the dataplane was told.
  std::set<PortAddress> pushed_addresses_;
  std::map<RoutePrefix, ForwardingRoute> pushed_routes_;
  std::map<PortNeighbor, HardwareAddress> pushed_neighbors_;

  // Where the two may differ.
  std::set<PortAddress> changed_addresses_;
  std::set<RoutePrefix> changed_routes_;
  std::set<PortNeighbor> changed_neighbors_;
};

}  // namespace culvert
