// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/xfrm.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace culvert::xfrm {
namespace {

// More than this unread, and no more requests are taken.
constexpr std::size_t kOutputPauseBytes = 256 * 1024;
// More than this unread, and notifications are dropped.
constexpr std::size_t kOutputDropBytes = 4 * 1024 * 1024;
// Datagrams per turn, so that one program cannot keep the others waiting.
constexpr int kDatagramsPerTurn = 16;

}  // namespace

Connection::Connection(int descriptor, RequestHandler& handler, Greeting greeting)
    : descriptor_(descriptor), handler_(handler), is_greeted_(greeting == Greeting::received) {
  const int flags = fcntl(descriptor_, F_GETFL);
  is_closed_ = flags < 0 || fcntl(descriptor_, F_SETFL, flags | O_NONBLOCK) != 0;
  ucred peer{};
  socklen_t bytes = sizeof peer;
  if (getsockopt(descriptor_, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0) process_ = peer.pid;
}

Connection::~Connection() {
  close(descriptor_);
}

std::uint32_t Connection::wanted_events() const {
  std::uint32_t events = 0;
  if (output_bytes_ < kOutputPauseBytes) events |= EPOLLIN;
  if (!output_.empty() || dump_) events |= EPOLLOUT;
  return events;
}

bool Connection::listens_for_key_events() const {
  constexpr std::uint32_t kKeyEvents = 1u << (XFRMNLGRP_ACQUIRE - 1) | 1u << (XFRMNLGRP_EXPIRE - 1);
  return (groups_ & kKeyEvents) != 0;
}

void Connection::on_readable(std::span<std::byte> buffer, SaOrigin origin) {
  origin_ = origin;
  for (int i = 0; i < kDatagramsPerTurn && !is_closed_; ++i) {
    if (output_bytes_ >= kOutputPauseBytes) return;
    const ssize_t received = recv(descriptor_, buffer.data(), buffer.size(), MSG_TRUNC);
    if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (received <= 0) {
      is_closed_ = true;
      return;
    }
    const auto length = static_cast<std::size_t>(received);
    const Bytes datagram = Bytes(buffer).first(std::min(length, buffer.size()));
    const auto frame = read_struct<preload::ControlFrame>(datagram);
    if (frame && frame->magic == preload::kControlMagic) {
      take_control(*frame);
    } else if (!is_greeted_) {
      is_closed_ = true;
    } else if (length > buffer.size()) {
      take_oversized(datagram);
    } else {
      take_datagram(datagram);
    }
    sodium_memzero(buffer.data(), datagram.size());
    flush();
  }
}

void Connection::on_writable() {
  flush();
}

void Connection::take_control(const preload::ControlFrame& frame) {
  if (frame.version != preload::kVersion) {
    spdlog::warn("xfrm: preload library speaks version {}, this is {}: restart the program",
                 frame.version, preload::kVersion);
    is_closed_ = true;
    return;
  }
  switch (frame.kind) {
    case preload::ControlKind::hello:
      is_greeted_ = true;
      return;
    case preload::ControlKind::bind:
      port_id_ = frame.value;
      groups_ = frame.groups;
      return;
    case preload::ControlKind::add_group:
    case preload::ControlKind::drop_group:
      if (frame.value >= 1 && frame.value <= XFRMNLGRP_MAX) {
        const std::uint32_t bit = 1u << (frame.value - 1);
        groups_ = frame.kind == preload::ControlKind::add_group ? groups_ | bit : groups_ & ~bit;
      }
      return;
    case preload::ControlKind::set_option:
      if (frame.value >= 1 && frame.value <= NETLINK_GET_STRICT_CHK) {
        const std::uint32_t bit = 1u << frame.value;
        options_ = frame.groups != 0 ? options_ | bit : options_ & ~bit;
      }
      return;
  }
  is_closed_ = true;
}

void Connection::take_datagram(Bytes datagram) {
  MessageReader reader(datagram);
  while (const auto message = reader.next()) take_message(*message);
}

// The message does not fit: only its header is looked at, for the answer.
void Connection::take_oversized(Bytes start) {
  const auto header = read_struct<nlmsghdr>(start);
  if (!header) return;
  acknowledge({*header, {}, start.first(sizeof(nlmsghdr))},
              {EMSGSIZE, "message is longer than " + std::to_string(start.size()) + " bytes"});
}

// netlink_rcv_skb: only requests are carried out, and what is none is at most acknowledged.
void Connection::take_message(const NetlinkMessage& message) {
  const std::uint16_t flags = message.header.nlmsg_flags;
  const bool is_request =
      (flags & NLM_F_REQUEST) != 0 && message.header.nlmsg_type >= NLMSG_MIN_TYPE;
  Result<void> result;
  if (is_request) {
    RequestHandler::Reply reply{.port_id = port_id_, .datagrams = {}, .dump = {}};
    result = handler_.handle(message, origin_, reply);
    for (SecretBytes& datagram : reply.datagrams) {
      if (result) queue(0, std::move(datagram));
    }
    if (result && reply.dump) {
      if (!dump_) {
        dump_ = reply.dump;
        return;
      }
      result = Error{EBUSY, ""};
    }
  }
  if (!result) {
    acknowledge(message, result.error());
  } else if ((flags & NLM_F_ACK) != 0) {
    acknowledge(message, {});
  }
}

// As netlink_ack. The whole request comes back with an error, unless the program asked for less.
void Connection::acknowledge(const NetlinkMessage& message, const Error& error) {
  const bool has_text = has_option(NETLINK_EXT_ACK) && !error.message.empty();
  const bool is_capped = error.code == 0 || has_option(NETLINK_CAP_ACK);
  std::uint16_t flags = 0;
  if (is_capped) flags |= NLM_F_CAPPED;
  if (has_text) flags |= NLM_F_ACK_TLVS;
  SecretBytes datagram;
  datagram.reserve(sizeof(nlmsghdr) + sizeof(nlmsgerr) + message.whole.size() +
                   error.message.size() + 16);
  MessageWriter writer(datagram);
  writer.begin(NLMSG_ERROR, flags, message.header.nlmsg_seq, port_id_);
  writer.fixed(nlmsgerr{-error.code, message.header});
  if (!is_capped) writer.append(message.payload);
  if (has_text) writer.text_attribute(NLMSGERR_ATTR_MSG, error.message);
  writer.end();
  queue(0, std::move(datagram));
}

void Connection::notify(std::uint32_t group, Bytes datagram) {
  if (is_closed_ || !is_in_group(group)) return;
  if (output_bytes_ + datagram.size() > kOutputDropBytes) return;
  queue(group, SecretBytes(datagram.begin(), datagram.end()));
  while (!output_.empty() && send_first()) {
  }
}

void Connection::queue(std::uint32_t group, SecretBytes datagram) {
  output_bytes_ += datagram.size();
  output_.push_back({group, std::move(datagram)});
}

// Sends the oldest packet; false when the program takes no more.
bool Connection::send_first() {
  Packet& packet = output_.front();
  preload::DeliveryHeader header;
  header.group = packet.group;
  std::array<iovec, 2> parts{
      {{&header, sizeof(header)}, {packet.datagram.data(), packet.datagram.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  if (sendmsg(descriptor_, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (errno != EAGAIN && errno != EINTR) is_closed_ = true;
    return false;
  }
  output_bytes_ -= packet.datagram.size();
  output_.pop_front();
  return true;
}

void Connection::flush() {
  for (int i = 0; i < kDatagramsPerTurn && !is_closed_; ++i) {
    while (!output_.empty()) {
      if (!send_first()) return;
    }
    if (!dump_) return;
    SecretBytes datagram;
    if (handler_.continue_dump(*dump_, port_id_, datagram)) dump_.reset();
    queue(0, std::move(datagram));
  }
}

}  // namespace culvert::xfrm
