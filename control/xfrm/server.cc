// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/server.h"

#include <errno.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "control/xfrm/preload_protocol.h"

namespace culvert::xfrm {
namespace {

// Longer than any request that the kernel would take: its own limit is the sender's buffer.
constexpr std::size_t kLargestRequestBytes = 65536;
constexpr int kBacklog = 128;

Error system_error(const std::string& what) {
  const int code = errno;
  return {code, what + ": " + std::strerror(code)};
}

// Binds so that the socket is at no time open to more than its owner.
int bind_private(int descriptor, const sockaddr_un& address) {
  const mode_t mask = umask(0177);
  const int result = bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  umask(mask);
  return result;
}

bool is_in_peer_groups(int descriptor, gid_t group) {
  std::array<gid_t, 1024> groups{};
  socklen_t bytes = sizeof(groups);
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) != 0) return false;
  const auto end = groups.begin() + static_cast<std::ptrdiff_t>(bytes / sizeof(gid_t));
  return std::find(groups.begin(), end, group) != end;
}

}  // namespace

XfrmServer::XfrmServer(EventLoop& loop, SaManager& manager, SaOrigin origin)
    : loop_(loop),
      manager_(manager),
      origin_(origin),
      handler_(manager),
      receive_buffer_(kLargestRequestBytes) {
  manager_.add_listener(this);
}

XfrmServer::~XfrmServer() {
  manager_.remove_listener(this);
  for (const auto& [descriptor, connection] : connections_) loop_.unwatch(descriptor);
  while (!channels_.empty()) close_channel(channels_.back());
  if (listener_ < 0) return;
  loop_.unwatch(listener_);
  close(listener_);
  unlink(path_.c_str());
}

Result<void> XfrmServer::listen(const std::string& path, std::optional<gid_t> group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Error{ENAMETOOLONG, "XFRM socket " + path + ": a path of at most " +
                                   std::to_string(sizeof(address.sun_path) - 1) +
                                   " bytes is allowed"};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return system_error("XFRM socket");
  unlink(path.c_str());
  if (bind_private(descriptor, address) != 0 ||
      (group && (chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0 ||
                 chmod(path.c_str(), 0660) != 0)) ||
      ::listen(descriptor, kBacklog) != 0) {
    const Error error = system_error("XFRM socket " + path);
    close(descriptor);
    return error;
  }
  listener_ = descriptor;
  path_ = path;
  group_ = group;
  loop_.watch(listener_, EPOLLIN, [this](std::uint32_t) { accept_connection(); });
  return {};
}

void XfrmServer::adopt_channel(int descriptor) {
  channels_.push_back(descriptor);
  loop_.watch(descriptor, EPOLLIN,
              [this, descriptor](std::uint32_t) { receive_from_channel(descriptor); });
}

void XfrmServer::close_channel(int channel) {
  loop_.unwatch(channel);
  close(channel);
  std::erase(channels_, channel);
}

bool XfrmServer::is_allowed(int descriptor) const {
  ucred peer{};
  socklen_t bytes = sizeof(peer);
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return false;
  const bool is_allowed =
      peer.uid == 0 || peer.uid == geteuid() ||
      (group_ && (peer.gid == *group_ || is_in_peer_groups(descriptor, *group_)));
  if (!is_allowed) {
    spdlog::warn("xfrm: process {} of user {} may not connect: root or the configured group only",
                 peer.pid, peer.uid);
  }
  return is_allowed;
}

void XfrmServer::accept_connection() {
  const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (descriptor < 0) {
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      spdlog::error("xfrm: cannot accept a connection: {}", std::strerror(errno));
    }
    return;
  }
  if (!is_allowed(descriptor)) {
    close(descriptor);
    return;
  }
  add_connection(descriptor, Connection::Greeting::expected);
}

void XfrmServer::receive_from_channel(int channel) {
  preload::ControlFrame frame;
  iovec part{&frame, sizeof(frame)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> ancillary{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = ancillary.data();
  message.msg_controllen = ancillary.size();
  const ssize_t received = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  int descriptor = -1;
  const cmsghdr* rights = received > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (rights != nullptr && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS &&
      rights->cmsg_len == CMSG_LEN(sizeof(int))) {
    std::memcpy(&descriptor, CMSG_DATA(rights), sizeof(int));
  }
  const bool is_hello =
      received == ssize_t{sizeof(frame)} && frame.magic == preload::kControlMagic &&
      frame.version == preload::kVersion && frame.kind == preload::ControlKind::hello;
  if (is_hello && descriptor >= 0) {
    add_connection(descriptor, Connection::Greeting::received);
    return;
  }
  if (descriptor >= 0) close(descriptor);
  close_channel(channel);
}

void XfrmServer::add_connection(int descriptor, Connection::Greeting greeting) {
  connections_[descriptor] = std::make_unique<Connection>(descriptor, handler_, greeting);
  loop_.watch(descriptor, EPOLLIN,
              [this, descriptor](std::uint32_t events) { on_events(descriptor, events); });
  ++accepted_count_;
  settle(descriptor);
}

// A key manager is, as for the kernel, who listens for what it has to act on; it may do so on
// another socket than the one that it makes SAs by.
SaOrigin XfrmServer::origin_of(const Connection& connection) const {
  if (origin_ == SaOrigin::manual) return origin_;
  const bool is_key_manager = std::ranges::any_of(connections_, [&connection](const auto& entry) {
    const Connection& other = *entry.second;
    // Processes that cannot be seen from here are not taken for one.
    const bool is_same_program =
        &other == &connection || (other.process() != 0 && other.process() == connection.process());
    return is_same_program && other.listens_for_key_events();
  });
  return is_key_manager ? SaOrigin::automatic : SaOrigin::by_hand;
}

void XfrmServer::on_events(int descriptor, std::uint32_t events) {
  Connection& connection = *connections_.at(descriptor);
  if ((events & EPOLLOUT) != 0) connection.on_writable();
  // Hang-ups come with EOF or an error, which reading finds.
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    connection.on_readable(receive_buffer_, origin_of(connection));
  }
  settle(descriptor);
}

void XfrmServer::settle(int descriptor) {
  const auto found = connections_.find(descriptor);
  if (found == connections_.end()) return;
  if (!found->second->is_closed()) {
    loop_.set_events(descriptor, found->second->wanted_events());
    return;
  }
  loop_.unwatch(descriptor);
  connections_.erase(found);
}

template <typename Write>
void XfrmServer::notify(std::uint32_t group, std::uint16_t type, Write write) {
  if (connections_.empty()) return;
  SecretBytes datagram;
  MessageWriter writer(datagram);
  writer.begin(type, 0, handler_.cause().sequence, handler_.cause().port_id);
  write(writer);
  writer.end();
  for (const auto& [descriptor, connection] : connections_) {
    connection->notify(group, datagram);
    // A connection that closed is destroyed by its next event: it may be the one being served.
    if (!connection->is_closed()) loop_.set_events(descriptor, connection->wanted_events());
  }
}

bool XfrmServer::hears_of_changes() const {
  return std::ranges::any_of(connections_, [](const auto& entry) {
    return entry.second->is_in_group(XFRMNLGRP_SA);
  });
}

void XfrmServer::on_sa_added(const Sa& sa) {
  if (sa.is_larval) return;  // as the kernel: ALLOCSPI is not announced
  notify(XFRMNLGRP_SA, XFRM_MSG_NEWSA,
         [&](MessageWriter& writer) { write_sa(writer, view_of(manager_, sa)); });
}

void XfrmServer::on_sa_updated(const Sa& sa) {
  notify(XFRMNLGRP_SA, XFRM_MSG_UPDSA,
         [&](MessageWriter& writer) { write_sa(writer, view_of(manager_, sa)); });
}

void XfrmServer::on_sa_deleted(const Sa& sa) {
  notify(XFRMNLGRP_SA, XFRM_MSG_DELSA,
         [&](MessageWriter& writer) { write_sa_deletion(writer, view_of(manager_, sa)); });
}

void XfrmServer::on_sa_peer_moved(const Sa& sa, const PeerEndpoint& peer) {
  notify(XFRMNLGRP_MAPPING, XFRM_MSG_MAPPING,
         [&](MessageWriter& writer) { write_sa_mapping(writer, sa, peer); });
}

void XfrmServer::on_migrated(const Migration& migration) {
  notify(XFRMNLGRP_MIGRATE, XFRM_MSG_MIGRATE,
         [&](MessageWriter& writer) { write_migration(writer, migration); });
}

void XfrmServer::on_sa_expired(const Sa& sa, SaExpiry expiry) {
  notify(XFRMNLGRP_EXPIRE, XFRM_MSG_EXPIRE,
         [&](MessageWriter& writer) { write_sa_expiry(writer, view_of(manager_, sa), expiry); });
}

void XfrmServer::on_sas_flushed(std::uint8_t protocol) {
  notify(XFRMNLGRP_SA, XFRM_MSG_FLUSHSA,
         [&](MessageWriter& writer) { writer.fixed(xfrm_usersa_flush{protocol}); });
}

void XfrmServer::on_policy_added(const Policy& policy) {
  if (policy.origin != PolicyOrigin::xfrm) return;
  notify(XFRMNLGRP_POLICY, XFRM_MSG_NEWPOLICY, [&](MessageWriter& writer) {
    write_policy(writer, {policy, manager_.policy_figures(policy.slot)});
  });
}

void XfrmServer::on_policy_updated(const Policy& policy) {
  if (policy.origin != PolicyOrigin::xfrm) return;
  notify(XFRMNLGRP_POLICY, XFRM_MSG_UPDPOLICY, [&](MessageWriter& writer) {
    write_policy(writer, {policy, manager_.policy_figures(policy.slot)});
  });
}

void XfrmServer::on_policy_deleted(const Policy& policy) {
  if (policy.origin != PolicyOrigin::xfrm) return;
  notify(XFRMNLGRP_POLICY, XFRM_MSG_DELPOLICY, [&](MessageWriter& writer) {
    write_policy_deletion(writer, {policy, {}});
  });
}

void XfrmServer::on_policies_flushed(std::uint8_t type) {
  notify(XFRMNLGRP_POLICY, XFRM_MSG_FLUSHPOLICY,
         [&](MessageWriter& writer) { write_policy_type(writer, type); });
}

void XfrmServer::on_default_policy_set() {
  notify(XFRMNLGRP_POLICY, XFRM_MSG_GETDEFAULT,
         [&](MessageWriter& writer) { write_default(writer, manager_.default_verdicts()); });
}

}  // namespace culvert::xfrm
