// SPDX-License-Identifier: BSD-3-Clause

// Preloaded into programs that configure IPsec. A netlink socket of protocol NETLINK_XFRM becomes a
// connection to culvert-control (preload_protocol.h); every other socket goes to the kernel as
// ever. Limit: setuid programs ignore LD_PRELOAD; statically linked ones do not notice it; a
// descriptor that is inherited over exec is a plain unix socket in the new program.

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "control/xfrm/preload_socket.h"

namespace {

using namespace culvert::preload;

std::atomic<int (*)(int, int, int)> next_socket;
std::atomic<int (*)(int)> next_close;
std::atomic<int (*)(int, const sockaddr*, socklen_t)> next_bind;
std::atomic<int (*)(int, const sockaddr*, socklen_t)> next_connect;
std::atomic<int (*)(int, sockaddr*, socklen_t*)> next_getsockname;
std::atomic<int (*)(int, int, int, const void*, socklen_t)> next_setsockopt;
std::atomic<int (*)(int, int, int, void*, socklen_t*)> next_getsockopt;
std::atomic<ssize_t (*)(int, const void*, size_t)> next_write;
std::atomic<ssize_t (*)(int, void*, size_t)> next_read;
std::atomic<ssize_t (*)(int, const void*, size_t, int)> next_send;
std::atomic<ssize_t (*)(int, const void*, size_t, int, const sockaddr*, socklen_t)> next_sendto;
std::atomic<ssize_t (*)(int, const msghdr*, int)> next_sendmsg;
std::atomic<ssize_t (*)(int, void*, size_t, int)> next_recv;
std::atomic<ssize_t (*)(int, void*, size_t, int, sockaddr*, socklen_t*)> next_recvfrom;
std::atomic<ssize_t (*)(int, msghdr*, int)> next_recvmsg;
std::atomic<int (*)(int)> next_dup;
std::atomic<int (*)(int, int)> next_dup2;
std::atomic<int (*)(int, int, int)> next_dup3;
std::atomic<int (*)(int, int, void*)> next_fcntl;

int answer_option(int answer, void* value, socklen_t* bytes) {
  if (value == nullptr || bytes == nullptr || *bytes < sizeof(answer)) return set_error(EINVAL);
  memcpy(value, &answer, sizeof(answer));
  *bytes = sizeof(answer);
  return 0;
}

ssize_t receive_bytes(int descriptor, void* buffer, size_t bytes, int flags, sockaddr* address,
                      socklen_t* address_bytes) {
  iovec part{buffer, bytes};
  msghdr message{};
  message.msg_name = address;
  message.msg_namelen = address == nullptr || address_bytes == nullptr ? 0 : *address_bytes;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const ssize_t received = receive_datagram(descriptor, message, flags);
  if (received >= 0 && address != nullptr && address_bytes != nullptr) {
    *address_bytes = message.msg_namelen;
  }
  return received;
}

ssize_t send_bytes(int descriptor, Entry& entry, const void* buffer, size_t bytes, int flags) {
  iovec part{const_cast<void*>(buffer), bytes};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return send_datagram(descriptor, entry, message, flags);
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int socket(int domain, int type, int protocol) noexcept {
  if (domain == AF_NETLINK && protocol == NETLINK_XFRM) return open_xfrm(type);
  return behind(next_socket, "socket")(domain, type, protocol);
}

int close(int descriptor) {
  forget(descriptor);
  return behind(next_close, "close")(descriptor);
}

int bind(int descriptor, const sockaddr* address, socklen_t bytes) noexcept {
  Entry* entry = find(descriptor);
  if (entry == nullptr) return behind(next_bind, "bind")(descriptor, address, bytes);
  sockaddr_nl netlink{};
  if (address == nullptr || bytes < sizeof(netlink)) return set_error(EINVAL);
  memcpy(&netlink, address, sizeof(netlink));
  if (netlink.nl_family != AF_NETLINK) return set_error(EINVAL);
  return bind_port(descriptor, *entry, netlink.nl_pid, netlink.nl_groups);
}

int connect(int descriptor, const sockaddr* address, socklen_t bytes) {
  Entry* entry = find(descriptor);
  if (entry == nullptr) return behind(next_connect, "connect")(descriptor, address, bytes);
  // To the kernel, where every datagram goes anyway.
  return ensure_bound(descriptor, *entry) ? 0 : -1;
}

int getsockname(int descriptor, sockaddr* address, socklen_t* bytes) noexcept {
  const Entry* entry = find(descriptor);
  if (entry == nullptr) return behind(next_getsockname, "getsockname")(descriptor, address, bytes);
  if (address == nullptr || bytes == nullptr) return set_error(EFAULT);
  fill_address({entry->port_id.load(std::memory_order_relaxed),
                entry->groups.load(std::memory_order_relaxed)},
               address, bytes);
  return 0;
}

int setsockopt(int descriptor, int level, int option, const void* value, socklen_t bytes) noexcept {
  Entry* entry = level == SOL_NETLINK ? find(descriptor) : nullptr;
  if (entry == nullptr) {
    return behind(next_setsockopt, "setsockopt")(descriptor, level, option, value, bytes);
  }
  return set_netlink_option(descriptor, *entry, option, value, bytes);
}

int getsockopt(int descriptor, int level, int option, void* value, socklen_t* bytes) noexcept {
  const bool is_identity =
      level == SOL_SOCKET && (option == SO_DOMAIN || option == SO_PROTOCOL || option == SO_TYPE);
  const Entry* entry = level == SOL_NETLINK || is_identity ? find(descriptor) : nullptr;
  if (entry == nullptr) {
    return behind(next_getsockopt, "getsockopt")(descriptor, level, option, value, bytes);
  }
  if (is_identity) {
    const int type = entry->type.load(std::memory_order_relaxed);
    return answer_option(option == SO_DOMAIN     ? AF_NETLINK
                         : option == SO_PROTOCOL ? NETLINK_XFRM
                                                 : type,
                         value, bytes);
  }
  if (option <= 0 || option > NETLINK_GET_STRICT_CHK) return set_error(ENOPROTOOPT);
  const std::uint32_t options = entry->options.load(std::memory_order_relaxed);
  return answer_option((options >> option) & 1 ? 1 : 0, value, bytes);
}

ssize_t write(int descriptor, const void* buffer, size_t bytes) {
  Entry* entry = find(descriptor);
  if (entry == nullptr) return behind(next_write, "write")(descriptor, buffer, bytes);
  return send_bytes(descriptor, *entry, buffer, bytes, 0);
}

ssize_t send(int descriptor, const void* buffer, size_t bytes, int flags) {
  Entry* entry = find(descriptor);
  if (entry == nullptr) return behind(next_send, "send")(descriptor, buffer, bytes, flags);
  return send_bytes(descriptor, *entry, buffer, bytes, flags);
}

ssize_t sendto(int descriptor, const void* buffer, size_t bytes, int flags, const sockaddr* address,
               socklen_t address_bytes) {
  Entry* entry = find(descriptor);
  if (entry == nullptr) {
    return behind(next_sendto, "sendto")(descriptor, buffer, bytes, flags, address, address_bytes);
  }
  return send_bytes(descriptor, *entry, buffer, bytes, flags);
}

ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
  Entry* entry = find(descriptor);
  if (entry == nullptr) return behind(next_sendmsg, "sendmsg")(descriptor, message, flags);
  return send_datagram(descriptor, *entry, *message, flags);
}

ssize_t read(int descriptor, void* buffer, size_t bytes) {
  if (find(descriptor) == nullptr) return behind(next_read, "read")(descriptor, buffer, bytes);
  return receive_bytes(descriptor, buffer, bytes, 0, nullptr, nullptr);
}

ssize_t recv(int descriptor, void* buffer, size_t bytes, int flags) {
  if (find(descriptor) == nullptr) {
    return behind(next_recv, "recv")(descriptor, buffer, bytes, flags);
  }
  return receive_bytes(descriptor, buffer, bytes, flags, nullptr, nullptr);
}

ssize_t recvfrom(int descriptor, void* buffer, size_t bytes, int flags, sockaddr* address,
                 socklen_t* address_bytes) {
  if (find(descriptor) == nullptr) {
    return behind(next_recvfrom, "recvfrom")(descriptor, buffer, bytes, flags, address,
                                             address_bytes);
  }
  return receive_bytes(descriptor, buffer, bytes, flags, address, address_bytes);
}

ssize_t recvmsg(int descriptor, msghdr* message, int flags) {
  if (find(descriptor) == nullptr) {
    return behind(next_recvmsg, "recvmsg")(descriptor, message, flags);
  }
  return receive_datagram(descriptor, *message, flags);
}

// The names that programs built with _FORTIFY_SOURCE call.
ssize_t __read_chk(int descriptor, void* buffer, size_t bytes, size_t capacity) {
  if (bytes > capacity) abort();
  return read(descriptor, buffer, bytes);
}

ssize_t __recv_chk(int descriptor, void* buffer, size_t bytes, size_t capacity, int flags) {
  if (bytes > capacity) abort();
  return recv(descriptor, buffer, bytes, flags);
}

ssize_t __recvfrom_chk(int descriptor, void* buffer, size_t bytes, size_t capacity, int flags,
                       sockaddr* address, socklen_t* address_bytes) {
  if (bytes > capacity) abort();
  return recvfrom(descriptor, buffer, bytes, flags, address, address_bytes);
}

int dup(int descriptor) noexcept {
  const int copy = behind(next_dup, "dup")(descriptor);
  remember_copy(descriptor, copy);
  return copy;
}

int dup2(int descriptor, int target) noexcept {
  const int copy = behind(next_dup2, "dup2")(descriptor, target);
  remember_copy(descriptor, copy);
  return copy;
}

int dup3(int descriptor, int target, int flags) noexcept {
  const int copy = behind(next_dup3, "dup3")(descriptor, target, flags);
  remember_copy(descriptor, copy);
  return copy;
}

// The argument, where there is one, is a number or a pointer: it passes through as a pointer.
int fcntl(int descriptor, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  const int result = behind(next_fcntl, "fcntl")(descriptor, command, argument);
  if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) remember_copy(descriptor, result);
  return result;
}

int fcntl64(int descriptor, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  return fcntl(descriptor, command, argument);
}

}  // extern "C"
#pragma GCC visibility pop
