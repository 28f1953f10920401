// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/netns.h"

#include <fcntl.h>
#include <sched.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <future>

#include <linux/if.h>

#include "control/netlink/link.h"

namespace culvert {
namespace {

Error system_error(int code, const std::string& what, const std::string& remedy = "") {
  return Error{code, what + ": " + std::strerror(code) + remedy};
}

Result<void> make_namespace_silent() {
  // A new namespace starts with the settings of the first one, forwarding included
  // (net.core.devconf_inherit_init_net).
  if (auto done = write_network_sysctl("ipv4/ip_forward", "0"); !done) return done;
  for (const std::string scope : {"all", "default"}) {
    const auto done = write_network_sysctl("ipv6/conf/" + scope + "/disable_ipv6", "1");
    // Without IPv6 in the kernel there is nothing to turn off.
    if (!done && done.error().code != ENOENT) return done;
  }
  auto socket = NetlinkSocket::open();
  if (!socket) return socket.error();
  auto loopback = find_link(*socket, "lo");
  if (!loopback) return loopback.error();
  return change_link(*socket, loopback->index, {.flags = IFF_UP, .flag_mask = IFF_UP});
}

}  // namespace

Result<UniqueFd> current_network_namespace() {
  UniqueFd descriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!descriptor.is_open()) {
    return system_error(errno, "/proc/thread-self/ns/net", "; /proc must be mounted");
  }
  return descriptor;
}

Result<void> inside_network_namespace(int network_namespace,
                                      const std::function<Result<void>()>& function) {
  const auto enter_and_run = [&]() -> Result<void> {
    if (::setns(network_namespace, CLONE_NEWNET) != 0) {
      return system_error(errno, "cannot enter a network namespace",
                          errno == EPERM ? "; CAP_SYS_ADMIN is needed" : "");
    }
    return function();
  };
  return std::async(std::launch::async, enter_and_run).get();
}

Result<UniqueFd> create_port_namespace() {
  UniqueFd descriptor;
  const auto create = [&]() -> Result<void> {
    if (::unshare(CLONE_NEWNET) != 0) {
      return system_error(errno, "cannot create a network namespace",
                          errno == EPERM ? "; CAP_SYS_ADMIN is needed" : "");
    }
    auto current = current_network_namespace();
    if (!current) return current.error();
    descriptor = std::move(*current);
    return make_namespace_silent();
  };
  const Result<void> created = std::async(std::launch::async, create).get();
  if (!created) return created.error();
  return descriptor;
}

Result<void> write_network_sysctl(const std::string& name, const std::string& value) {
  const std::string path = "/proc/sys/net/" + name;
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.is_open()) return system_error(errno, path);
  if (::write(file.get(), value.data(), value.size()) < 0) return system_error(errno, path);
  return {};
}

Result<std::string> read_network_sysctl(const std::string& name) {
  const std::string path = "/proc/sys/net/" + name;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return system_error(errno, path);
  std::array<char, 64> buffer{};
  const ssize_t length = ::read(file.get(), buffer.data(), buffer.size());
  if (length < 0) return system_error(errno, path);
  std::string value(buffer.data(), static_cast<std::size_t>(length));
  while (!value.empty() && value.back() == '\n') value.pop_back();
  return value;
}

}  // namespace culvert
