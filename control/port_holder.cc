// SPDX-License-Identifier: BSD-3-Clause
#include "control/port_holder.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "control/netlink/link.h"
#include "control/netlink/netlink_message.h"

namespace culvert {
namespace {

// culvertd makes its mirrors persistent, so that they outlive its restarts; here they end. Anything
// of that name that is no TAP is somebody else's.
void remove_mirror(const std::string& name) {
  auto socket = NetlinkSocket::open();
  if (!socket) return;
  const auto link = find_link(*socket, name);
  if (!link || link->kind != "tun") return;
  NetlinkMessage message(RTM_DELLINK, 0,
                         ifinfomsg{.ifi_family = 0,
                                   .__ifi_pad = 0,
                                   .ifi_type = 0,
                                   .ifi_index = link->index,
                                   .ifi_flags = 0,
                                   .ifi_change = 0});
  if (const auto done = socket->request(message); !done) {
    spdlog::warn("mirror {}: cannot be removed: {}", name, done.error().message);
  }
}

}  // namespace

PortHolder::~PortHolder() {
  for (const std::string& mirror : mirrors_) remove_mirror(mirror);
  while (!taken_.empty()) {
    const auto warnings = give_port_back(taken_.back(), namespace_.get());
    if (!warnings) {
      spdlog::error("{}: cannot be given back: {}", taken_.back().interface,
                    warnings.error().message);
    } else {
      for (const std::string& warning : *warnings) spdlog::warn("{}", warning);
    }
    taken_.pop_back();
  }
}

Result<void> PortHolder::take(const std::vector<ConfigPort>& ports) {
  const bool needs_namespace = std::any_of(ports.begin(), ports.end(), [](const auto& port) {
    return port.kind == PortKind::linux_interface;
  });
  auto made = needs_namespace ? create_port_namespace() : current_network_namespace();
  if (!made) return made.error();
  namespace_ = std::move(*made);
  for (const ConfigPort& port : ports) {
    if (port.kind != PortKind::linux_interface) continue;
    auto taken = take_port(port.device, namespace_.get(), port.mtu);
    if (!taken) {
      return Error{taken.error().code,
                   fmt::format("port \"{}\": {}", port.name, taken.error().message)};
    }
    for (const std::string& warning : taken->warnings) spdlog::warn("{}", warning);
    taken_.push_back(std::move(*taken));
  }
  for (const ConfigPort& port : ports) {
    if (port.kind != PortKind::replay) mirrors_.push_back(port.name);
  }
  return {};
}

}  // namespace culvert
