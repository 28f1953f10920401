// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/netlink_socket.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace culvert {
namespace {

// The kernel fills datagrams of dumps up to 32 KiB if the reader has shown that it takes them.
constexpr std::size_t kDatagramBytes = 64 * 1024;
// A burst of some 50,000 route changes fits; what does not is a resync, not a loss.
constexpr int kEventBufferBytes = 16 * 1024 * 1024;
constexpr timeval kAnswerTimeout{.tv_sec = 5, .tv_usec = 0};

Error socket_error(const char* what) {
  const int code = errno;
  return Error{code, std::string("netlink: ") + what + ": " + std::strerror(code)};
}

Result<UniqueFd> open_socket(int flags) {
  UniqueFd descriptor(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE));
  if (!descriptor.is_open()) return socket_error("socket");
  const sockaddr_nl address{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
  if (::bind(descriptor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return socket_error("bind");
  }
  return descriptor;
}

void set_option(int descriptor, int option) {
  const int on = 1;
  // Kernels without the option leave the words out of their errors; nothing else changes.
  ::setsockopt(descriptor, SOL_NETLINK, option, &on, sizeof on);
}

// The result that an NLMSG_ERROR or NLMSG_DONE message stands for.
Result<void> outcome(const nlmsghdr& message) {
  const int* const code = message_head<int>(message);
  if (code == nullptr) return Error{EBADMSG, "netlink: the kernel's answer is too short"};
  if (*code == 0) return {};
  std::string text;
  if ((message.nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
    // NETLINK_CAP_ACK is set: the attributes follow the fixed part in both kinds.
    const bool is_error = message.nlmsg_type == NLMSG_ERROR;
    const NetlinkAttributes attributes(message, is_error ? sizeof(nlmsgerr) : sizeof(int));
    text = attributes.text(NLMSGERR_ATTR_MSG);
  }
  return Error{-*code, text.empty() ? std::strerror(-*code) : text};
}

}  // namespace

Result<NetlinkSocket> NetlinkSocket::open() {
  auto descriptor = open_socket(0);
  if (!descriptor) return descriptor.error();
  set_option(descriptor->get(), NETLINK_EXT_ACK);
  set_option(descriptor->get(), NETLINK_CAP_ACK);
  if (::setsockopt(descriptor->get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout,
                   sizeof kAnswerTimeout) != 0) {
    return socket_error("SO_RCVTIMEO");
  }
  return NetlinkSocket(std::move(*descriptor));
}

Result<NetlinkSocket> NetlinkSocket::subscribe(std::initializer_list<int> groups) {
  auto descriptor = open_socket(SOCK_NONBLOCK);
  if (!descriptor) return descriptor.error();
  // Above net.core.rmem_max only with CAP_NET_ADMIN; a smaller buffer means resyncs more often.
  if (::setsockopt(descriptor->get(), SOL_SOCKET, SO_RCVBUFFORCE, &kEventBufferBytes,
                   sizeof kEventBufferBytes) != 0) {
    ::setsockopt(descriptor->get(), SOL_SOCKET, SO_RCVBUF, &kEventBufferBytes,
                 sizeof kEventBufferBytes);
  }
  for (const int group : groups) {
    if (::setsockopt(descriptor->get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
                     sizeof group) != 0) {
      return socket_error("NETLINK_ADD_MEMBERSHIP");
    }
  }
  return NetlinkSocket(std::move(*descriptor));
}

Result<std::uint32_t> NetlinkSocket::send(NetlinkMessage& message, int flags) {
  nlmsghdr& header = message.header();
  header.nlmsg_flags = static_cast<std::uint16_t>(header.nlmsg_flags | NLM_F_REQUEST | flags);
  header.nlmsg_seq = ++sequence_;
  header.nlmsg_pid = 0;
  if (::send(socket_.get(), &header, header.nlmsg_len, 0) < 0) return socket_error("send");
  return sequence_;
}

Result<std::size_t> NetlinkSocket::read_datagram() {
  buffer_.resize(kDatagramBytes);
  sockaddr_nl sender{};
  socklen_t sender_bytes = sizeof sender;
  const ssize_t length = ::recvfrom(socket_.get(), buffer_.data(), buffer_.size(), 0,
                                    reinterpret_cast<sockaddr*>(&sender), &sender_bytes);
  if (length < 0) return socket_error("receive");
  // Only the kernel is listened to; any process may send to a netlink socket's port.
  return sender.nl_pid == 0 ? static_cast<std::size_t>(length) : 0;
}

Result<void> NetlinkSocket::request(NetlinkMessage& message, const Handler& handler) {
  const auto sequence = send(message, NLM_F_ACK);
  if (!sequence) return sequence.error();
  for (;;) {
    const auto bytes = read_datagram();
    if (!bytes) return bytes.error();
    int left = static_cast<int>(*bytes);
    for (auto* entry = reinterpret_cast<nlmsghdr*>(buffer_.data()); nlmsg_ok(entry, left) != 0;
         entry = nlmsg_next(entry, &left)) {
      if (entry->nlmsg_seq != *sequence) continue;
      if (entry->nlmsg_type == NLMSG_ERROR) return outcome(*entry);
      if (handler) handler(*entry);
    }
  }
}

Result<NetlinkSocket::Dump> NetlinkSocket::dump(NetlinkMessage& message, const Handler& handler) {
  const auto sequence = send(message, NLM_F_DUMP);
  if (!sequence) return sequence.error();
  Dump state = Dump::complete;
  for (;;) {
    const auto bytes = read_datagram();
    if (!bytes) return bytes.error();
    int left = static_cast<int>(*bytes);
    for (auto* entry = reinterpret_cast<nlmsghdr*>(buffer_.data()); nlmsg_ok(entry, left) != 0;
         entry = nlmsg_next(entry, &left)) {
      if (entry->nlmsg_seq != *sequence) continue;
      if ((entry->nlmsg_flags & NLM_F_DUMP_INTR) != 0) state = Dump::interrupted;
      if (entry->nlmsg_type == NLMSG_DONE || entry->nlmsg_type == NLMSG_ERROR) {
        if (const auto done = outcome(*entry); !done) return done.error();
        return state;
      }
      handler(*entry);
    }
  }
}

NetlinkSocket::Received NetlinkSocket::receive(const Handler& handler) {
  const auto bytes = read_datagram();
  if (!bytes) {
    return bytes.error().code == ENOBUFS ? Received::overrun : Received::nothing;
  }
  int left = static_cast<int>(*bytes);
  for (auto* entry = reinterpret_cast<nlmsghdr*>(buffer_.data()); nlmsg_ok(entry, left) != 0;
       entry = nlmsg_next(entry, &left)) {
    handler(*entry);
  }
  return Received::messages;
}

}  // namespace culvert
