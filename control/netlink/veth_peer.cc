// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/veth_peer.h"

#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "control/netlink/netns.h"

namespace culvert {
namespace {

namespace fs = std::filesystem;

UniqueFd open_path(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

// Paths under which network namespaces can be entered: named ones, then those of processes.
std::vector<std::string> namespace_paths() {
  std::vector<std::string> paths;
  std::error_code ignored;  // a folder that is missing or unreadable has nothing for us
  for (const auto& entry : fs::directory_iterator("/run/netns", ignored)) {
    paths.push_back(entry.path());
  }
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    const auto is_digit = [](unsigned char c) { return std::isdigit(c) != 0; };
    if (std::all_of(name.begin(), name.end(), is_digit)) paths.push_back(entry.path() / "ns/net");
  }
  return paths;
}

// The number by which the socket's namespace knows another one.
std::optional<int> namespace_number(NetlinkSocket& socket, int network_namespace) {
  NetlinkMessage message(RTM_GETNSID, 0, rtgenmsg{.rtgen_family = AF_UNSPEC});
  message.put_u32(NETNSA_FD, static_cast<std::uint32_t>(network_namespace));
  std::optional<int> number;
  const auto done = socket.request(message, [&](const nlmsghdr& answer) {
    number = NetlinkAttributes(answer, NLMSG_ALIGN(sizeof(rtgenmsg))).get<int>(NETNSA_NSID);
  });
  return done ? number : std::nullopt;
}

std::optional<Link> link_in_namespace(int network_namespace, int index) {
  std::optional<Link> found;
  const auto look_up = [&]() -> Result<void> {
    auto socket = NetlinkSocket::open();
    if (!socket) return socket.error();
    auto link = find_link(*socket, index);
    if (!link) return link.error();
    found = std::move(*link);
    return {};
  };
  const auto done = inside_network_namespace(network_namespace, look_up);
  return done ? std::move(found) : std::nullopt;
}

}  // namespace

std::optional<VethPeer> find_veth_peer(NetlinkSocket& socket, const Link& link) {
  if (!link.lower_namespace) {
    const auto peer = find_link(socket, link.lower);
    if (!peer) return {};
    return VethPeer{.index = peer->index, .name = peer->name};
  }
  std::set<std::pair<dev_t, ino_t>> seen;
  for (const std::string& path : namespace_paths()) {
    struct stat identity {};
    if (::stat(path.c_str(), &identity) != 0) continue;
    if (!seen.emplace(identity.st_dev, identity.st_ino).second) continue;
    const UniqueFd candidate = open_path(path);
    if (!candidate.is_open()) continue;
    if (namespace_number(socket, candidate.get()) != link.lower_namespace) continue;
    const auto peer = link_in_namespace(candidate.get(), link.lower);
    if (!peer) return {};
    return VethPeer{.namespace_path = path,
                    .namespace_device = identity.st_dev,
                    .namespace_inode = identity.st_ino,
                    .index = peer->index,
                    .name = peer->name};
  }
  return {};
}

Result<UniqueFd> open_namespace_of(const VethPeer& peer) {
  if (peer.namespace_path.empty()) return current_network_namespace();
  UniqueFd descriptor = open_path(peer.namespace_path);
  struct stat identity {};
  if (!descriptor.is_open() || ::fstat(descriptor.get(), &identity) != 0 ||
      identity.st_dev != peer.namespace_device || identity.st_ino != peer.namespace_inode) {
    return Error{ENOENT, peer.namespace_path + ": the network namespace is gone"};
  }
  return descriptor;
}

}  // namespace culvert
