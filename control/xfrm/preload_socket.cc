// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/preload_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>

#include "control/xfrm/preload_protocol.h"

namespace culvert::preload {
namespace {

constexpr int kMaxDescriptors = 4096;
constexpr int kMaxIovecs = 64;

std::array<Entry, kMaxDescriptors> entries;
std::atomic<std::uint32_t> sockets_made{0};

std::atomic<int (*)(int, int, int)> next_socket;
std::atomic<int (*)(int)> next_close;
std::atomic<int (*)(int, const sockaddr*, socklen_t)> next_connect;
std::atomic<ssize_t (*)(int, const msghdr*, int)> next_sendmsg;
std::atomic<ssize_t (*)(int, msghdr*, int)> next_recvmsg;
std::atomic<int (*)(int, int, void*)> next_fcntl;

ino_t inode_of(int descriptor) {
  struct stat status {};
  return fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

bool fill_path(sockaddr_un& address) {
  const char* path = getenv(kSocketVariable);
  if (path == nullptr || strlen(path) >= sizeof(address.sun_path)) return false;
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, path);
  return true;
}

ssize_t send_frame(int descriptor, const ControlFrame& frame, int passed_descriptor = -1) {
  iovec part{const_cast<ControlFrame*>(&frame), sizeof(frame)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> ancillary{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (passed_descriptor >= 0) {
    message.msg_control = ancillary.data();
    message.msg_controllen = ancillary.size();
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &passed_descriptor, sizeof(int));
  }
  return behind(next_sendmsg, "sendmsg")(descriptor, &message, MSG_NOSIGNAL);
}

// A connected socket, by the inherited channel or the server's path; -1 with errno.
int open_connection(int flags) {
  ControlFrame hello;
  if (const char* channel = getenv(kChannelVariable); channel != nullptr) {
    std::array<int, 2> pair{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | flags, 0, pair.data()) != 0) return -1;
    const bool is_sent = send_frame(atoi(channel), hello, pair[1]) == ssize_t{sizeof(hello)};
    const int error = errno;
    behind(next_close, "close")(pair[1]);
    if (is_sent) return pair[0];
    behind(next_close, "close")(pair[0]);
    return set_error(error);
  }
  sockaddr_un address{};
  if (!fill_path(address)) return set_error(EPROTONOSUPPORT);
  // Connecting blocks even where the program asked for a non-blocking socket: a netlink socket is
  // usable at once.
  const int descriptor =
      behind(next_socket, "socket")(AF_UNIX, SOCK_SEQPACKET | (flags & SOCK_CLOEXEC), 0);
  if (descriptor < 0) return -1;
  const bool is_connected =
      behind(next_connect, "connect")(descriptor, reinterpret_cast<const sockaddr*>(&address),
                                      sizeof(address)) == 0 &&
      send_frame(descriptor, hello) == ssize_t{sizeof(hello)} &&
      ((flags & SOCK_NONBLOCK) == 0 ||
       behind(next_fcntl, "fcntl")(descriptor, F_SETFL,
                                   reinterpret_cast<void*>(std::uintptr_t{O_NONBLOCK})) == 0);
  if (is_connected) return descriptor;
  const int error = errno;
  behind(next_close, "close")(descriptor);
  return set_error(error);
}

// What netlink_autobind does: the process id for the first socket, then numbers that are none.
std::uint32_t choose_port_id() {
  const std::uint32_t number = sockets_made.fetch_add(1, std::memory_order_relaxed);
  return number == 0 ? static_cast<std::uint32_t>(getpid()) : 0u - 4096u - number;
}

}  // namespace

Entry* find(int descriptor) {
  if (descriptor < 0 || descriptor >= kMaxDescriptors) return nullptr;
  Entry& entry = entries[static_cast<std::size_t>(descriptor)];
  const ino_t inode = entry.inode.load(std::memory_order_relaxed);
  if (inode == 0) return nullptr;
  const int error = errno;
  const bool is_same = inode_of(descriptor) == inode;
  errno = error;
  if (!is_same) entry.inode.store(0, std::memory_order_relaxed);
  return is_same ? &entry : nullptr;
}

void forget(int descriptor) {
  if (descriptor < 0 || descriptor >= kMaxDescriptors) return;
  entries[static_cast<std::size_t>(descriptor)].inode.store(0, std::memory_order_relaxed);
}

void remember_copy(int original, int copy) {
  if (copy < 0 || copy >= kMaxDescriptors || copy == original) return;
  Entry& to = entries[static_cast<std::size_t>(copy)];
  to.inode.store(0, std::memory_order_relaxed);
  const Entry* from = find(original);
  if (from == nullptr) return;
  to.port_id.store(from->port_id.load(std::memory_order_relaxed), std::memory_order_relaxed);
  to.groups.store(from->groups.load(std::memory_order_relaxed), std::memory_order_relaxed);
  to.options.store(from->options.load(std::memory_order_relaxed), std::memory_order_relaxed);
  to.type.store(from->type.load(std::memory_order_relaxed), std::memory_order_relaxed);
  to.inode.store(from->inode.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

int set_error(int error) {
  errno = error;
  return -1;
}

int open_xfrm(int type) {
  const int descriptor = open_connection(type & (SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (descriptor < 0) return -1;
  if (descriptor >= kMaxDescriptors) {
    behind(next_close, "close")(descriptor);
    return set_error(EMFILE);
  }
  Entry& entry = entries[static_cast<std::size_t>(descriptor)];
  entry.port_id.store(0, std::memory_order_relaxed);
  entry.groups.store(0, std::memory_order_relaxed);
  entry.options.store(0, std::memory_order_relaxed);
  entry.type.store(type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK), std::memory_order_relaxed);
  entry.inode.store(inode_of(descriptor), std::memory_order_relaxed);
  return descriptor;
}

int bind_port(int descriptor, Entry& entry, std::uint32_t port_id, std::uint32_t groups) {
  const std::uint32_t bound = entry.port_id.load(std::memory_order_relaxed);
  if (bound != 0 && port_id != 0 && port_id != bound) return set_error(EINVAL);
  if (bound != 0) port_id = bound;
  if (port_id == 0) port_id = choose_port_id();
  ControlFrame frame;
  frame.kind = ControlKind::bind;
  frame.value = port_id;
  frame.groups = groups;
  if (send_frame(descriptor, frame) < 0) return -1;
  entry.port_id.store(port_id, std::memory_order_relaxed);
  entry.groups.store(groups, std::memory_order_relaxed);
  return 0;
}

bool ensure_bound(int descriptor, Entry& entry) {
  return entry.port_id.load(std::memory_order_relaxed) != 0 ||
         bind_port(descriptor, entry, 0, entry.groups.load(std::memory_order_relaxed)) == 0;
}

int set_netlink_option(int descriptor, Entry& entry, int option, const void* value,
                       socklen_t bytes) {
  std::uint32_t number = 0;
  if (value == nullptr || bytes < sizeof(number)) return set_error(EINVAL);
  memcpy(&number, value, sizeof(number));
  ControlFrame frame;
  frame.value = number;
  if (option == NETLINK_ADD_MEMBERSHIP || option == NETLINK_DROP_MEMBERSHIP) {
    if (number == 0 || number > XFRMNLGRP_MAX) return set_error(EINVAL);
    const std::uint32_t bit = 1u << (number - 1);
    frame.kind =
        option == NETLINK_ADD_MEMBERSHIP ? ControlKind::add_group : ControlKind::drop_group;
    if (!ensure_bound(descriptor, entry) || send_frame(descriptor, frame) < 0) return -1;
    if (option == NETLINK_ADD_MEMBERSHIP) {
      entry.groups.fetch_or(bit, std::memory_order_relaxed);
    } else {
      entry.groups.fetch_and(~bit, std::memory_order_relaxed);
    }
    return 0;
  }
  if (option <= 0 || option > NETLINK_GET_STRICT_CHK) return set_error(ENOPROTOOPT);
  frame.kind = ControlKind::set_option;
  frame.value = static_cast<std::uint32_t>(option);
  frame.groups = number == 0 ? 0 : 1;
  if (send_frame(descriptor, frame) < 0) return -1;
  const std::uint32_t bit = 1u << option;
  if (number != 0) {
    entry.options.fetch_or(bit, std::memory_order_relaxed);
  } else {
    entry.options.fetch_and(~bit, std::memory_order_relaxed);
  }
  return 0;
}

void fill_address(const NetlinkAddress& from, void* address, socklen_t* bytes) {
  if (address == nullptr || bytes == nullptr) return;
  sockaddr_nl netlink{};
  netlink.nl_family = AF_NETLINK;
  netlink.nl_pid = from.port_id;
  netlink.nl_groups = from.groups;
  memcpy(address, &netlink, *bytes < sizeof(netlink) ? *bytes : sizeof(netlink));
  *bytes = sizeof(netlink);
}

ssize_t send_datagram(int descriptor, Entry& entry, const msghdr& wanted, int flags) {
  if (!ensure_bound(descriptor, entry)) return -1;
  msghdr message{};
  message.msg_iov = wanted.msg_iov;
  message.msg_iovlen = wanted.msg_iovlen;
  const ssize_t sent = behind(next_sendmsg, "sendmsg")(descriptor, &message, flags | MSG_NOSIGNAL);
  if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) errno = ECONNREFUSED;
  return sent;
}

ssize_t receive_datagram(int descriptor, msghdr& wanted, int flags) {
  if (wanted.msg_iovlen >= kMaxIovecs) return set_error(EMSGSIZE);
  DeliveryHeader header;
  std::array<iovec, kMaxIovecs> parts{};
  parts[0] = {&header, sizeof(header)};
  std::size_t room = 0;
  for (std::size_t i = 0; i < wanted.msg_iovlen; ++i) {
    parts[i + 1] = wanted.msg_iov[i];
    room += wanted.msg_iov[i].iov_len;
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = wanted.msg_iovlen + 1;
  const ssize_t received = behind(next_recvmsg, "recvmsg")(descriptor, &message, flags | MSG_TRUNC);
  if (received < 0) return received;
  // A netlink socket never ends: that the server went away is an error.
  if (received < ssize_t{sizeof(header)}) return set_error(ECONNREFUSED);
  const auto length = static_cast<std::size_t>(received) - sizeof(header);
  NetlinkAddress from;
  if (header.group >= 1 && header.group <= 32) from.groups = 1u << (header.group - 1);
  fill_address(from, wanted.msg_name, &wanted.msg_namelen);
  wanted.msg_controllen = 0;
  wanted.msg_flags = length > room ? MSG_TRUNC : 0;
  return static_cast<ssize_t>((flags & MSG_TRUNC) != 0 || length < room ? length : room);
}

}  // namespace culvert::preload
