// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>

// The sockets that the preload library stands in for. Nothing here allocates or locks, so that it
// works between fork and exec and in signal handlers.

namespace culvert::preload {

// What the program was told about one of its descriptors. All relaxed: a program that uses a
// descriptor in one thread while another closes it has lost already.
struct Entry {
  std::atomic<ino_t> inode{0};  // 0: not ours
  std::atomic<std::uint32_t> port_id{0};
  std::atomic<std::uint32_t> groups{0};
  std::atomic<std::uint32_t> options{0};  // bit n: option n of SOL_NETLINK is on
  std::atomic<int> type{0};               // SOCK_RAW or SOCK_DGRAM
};

// The function of that name behind this library. The pointer is found once; racing threads find the
// same one.
template <typename Function>
Function* behind(std::atomic<Function*>& found, const char* name) {
  Function* function = found.load(std::memory_order_relaxed);
  if (function == nullptr) {
    function = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
    found.store(function, std::memory_order_relaxed);
  }
  return function;
}

// Returns -1 with this errno.
int set_error(int error);

// The entry of a descriptor that is one of ours, else nullptr. An entry names its socket by inode
// number: a descriptor that was closed behind our back (closefrom, fclose, a system call) and
// serves something else by now is recognised and left alone.
[[nodiscard]] Entry* find(int descriptor);
void forget(int descriptor);
// Makes `copy` ours too where `original` is.
void remember_copy(int original, int copy);

// The functions below return what their namesakes of libc do, with errno.

// A new socket of ours; `type` as for socket().
[[nodiscard]] int open_xfrm(int type);
// Tells the server who the socket is. A port id of 0 lets us choose.
[[nodiscard]] int bind_port(int descriptor, Entry& entry, std::uint32_t port_id,
                            std::uint32_t groups);
// A netlink socket that sends before it is bound gets its port id then.
[[nodiscard]] bool ensure_bound(int descriptor, Entry& entry);
[[nodiscard]] int set_netlink_option(int descriptor, Entry& entry, int option, const void* value,
                                     socklen_t bytes);
// Sends one datagram. The destination address of a netlink socket is always the kernel here.
[[nodiscard]] ssize_t send_datagram(int descriptor, Entry& entry, const msghdr& wanted, int flags);
// Receives one datagram. msg_name and msg_flags are filled in as the kernel does for netlink; with
// MSG_TRUNC the true length comes back.
[[nodiscard]] ssize_t receive_datagram(int descriptor, msghdr& wanted, int flags);
// Copies a sockaddr_nl out, cut to the room there is.
struct NetlinkAddress {
  std::uint32_t port_id = 0;
  std::uint32_t groups = 0;
};
void fill_address(const NetlinkAddress& from, void* address, socklen_t* bytes);

}  // namespace culvert::preload
