// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/link_probe.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace culvert {

LinkProbe::LinkProbe(std::string_view interface)
    : socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  interface.copy(interface_.data(), interface_.size() - 1);
}

LinkProbe::LinkProbe(LinkProbe&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), interface_(other.interface_) {}

LinkProbe& LinkProbe::operator=(LinkProbe&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(interface_, other.interface_);
  return *this;
}

LinkProbe::~LinkProbe() {
  if (socket_ >= 0) close(socket_);
}

bool LinkProbe::is_down() const {
  if (socket_ < 0) return false;
  ethtool_value link{.cmd = ETHTOOL_GLINK, .data = 0};
  ifreq request{};
  std::memcpy(request.ifr_name, interface_.data(), interface_.size());
  request.ifr_data = reinterpret_cast<char*>(&link);
  return ioctl(socket_, SIOCETHTOOL, &request) == 0 && link.data == 0;
}

}  // namespace culvert
