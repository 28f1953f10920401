// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/server.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sodium.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

#include "control/regions_server.h"

namespace culvert {
namespace {

constexpr std::size_t kMostConnections = 256;
// A client that asks on and on and does not read is not read from any further.
constexpr std::size_t kMostUnsentBytes = 16 << 20;
// Bodies that are received at a time: so much memory can be taken by those who send them slowly.
constexpr std::ptrdiff_t kMostBodies = 4;
constexpr std::size_t kBodyPieceBytes = 256 << 10;

bool user_is_in_group(uid_t user, gid_t group) {
  const passwd* entry = getpwuid(user);
  if (entry == nullptr) return false;
  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  if (getgrouplist(entry->pw_name, entry->pw_gid, groups.data(), &count) < 0) {
    groups.resize(static_cast<std::size_t>(count));
    if (getgrouplist(entry->pw_name, entry->pw_gid, groups.data(), &count) < 0) return false;
  }
  groups.resize(static_cast<std::size_t>(count));
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

std::string refusal(const std::string& message) {
  return Json{{"version", kApiVersion}, {"ok", false}, {"error", message}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

bool peer_is_owner(int descriptor) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

bool peer_is_allowed(int descriptor, const std::string& group) {
  if (peer_is_owner(descriptor)) return true;
  ucred peer{};
  socklen_t length = sizeof peer;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  const struct group* entry = group.empty() ? nullptr : getgrnam(group.c_str());
  if (entry == nullptr) return false;
  const gid_t wanted = entry->gr_gid;
  return peer.gid == wanted || user_is_in_group(peer.uid, wanted);
}

ApiServer::ApiServer(EventLoop& loop, std::filesystem::path path, std::string group)
    : loop_(loop), path_(std::move(path)), group_(std::move(group)) {}

ApiServer::~ApiServer() {
  while (!connections_.empty()) drop(connections_.begin()->first);
  if (listener_ < 0) return;
  loop_.unwatch(listener_);
  close(listener_);
  unlink(path_.c_str());
}

Result<void> ApiServer::open() {
  // Whoever may enter the directory may connect; the peer's credentials decide.
  const Result<int> listener = listen_at(path_, 0666);
  if (!listener) return listener.error();
  listener_ = *listener;
  loop_.watch(listener_, EPOLLIN, [this](std::uint32_t) { accept_one(); });
  return {};
}

void ApiServer::accept_one() {
  const int descriptor = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (descriptor < 0) return;
  if (connections_.size() >= kMostConnections || !peer_is_allowed(descriptor, group_)) {
    const std::string text =
        refusal("permission denied: be root or in the group that [control] group names") + "\n";
    send(descriptor, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    close(descriptor);
    return;
  }
  const Peer peer = peer_is_owner(descriptor) ? Peer::owner : Peer::member;
  connections_[descriptor] = std::make_unique<Connection>();
  connections_[descriptor]->descriptor = descriptor;
  connections_[descriptor]->peer = peer;
  loop_.watch(descriptor, EPOLLIN,
              [this, descriptor](std::uint32_t events) { on_event(descriptor, events); });
}

void ApiServer::drop(int descriptor) {
  loop_.unwatch(descriptor);
  close(descriptor);
  connections_.erase(descriptor);
}

void ApiServer::on_event(int descriptor, std::uint32_t events) {
  Connection& connection = *connections_.at(descriptor);
  if ((events & EPOLLOUT) != 0) {
    send_answers(connection);
  } else {
    read_requests(connection);
  }
}

void ApiServer::read_requests(Connection& connection) {
  if (connection.body_bytes != 0) return read_body(connection);
  // What comes may be the beginning of a body, with keys in it.
  std::array<char, 16384> buffer;
  const ssize_t count = recv(connection.descriptor, buffer.data(), buffer.size(), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return drop(connection.descriptor);
  connection.received.append(buffer.data(), static_cast<std::size_t>(count));
  sodium_memzero(buffer.data(), static_cast<std::size_t>(count));
  take_lines(connection);
}

void ApiServer::take_lines(Connection& connection) {
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = connection.received.find('\n', begin)) != SecretText::npos;
       begin = end + 1) {
    if (connection.to_send.size() > kMostUnsentBytes) return drop(connection.descriptor);
    connection.pending.assign(connection.received, begin, end - begin);
    if (take_body(connection)) {
      begin = end + 1;
      break;
    }
    connection.to_send += answer(connection.pending, connection.peer);
    connection.to_send += '\n';
  }
  connection.received.erase(0, begin);
  if (connection.body_bytes != 0) return finish_body(connection);
  if (connection.received.size() > kLongestApiRequestBytes) return drop(connection.descriptor);
  send_answers(connection);
}

// Whether nothing of what follows the pending request's line is a line: its body comes first, or it
// is refused one.
bool ApiServer::take_body(Connection& connection) {
  if (connection.pending.find("\"body_bytes\"") == std::string::npos) return false;
  const Json request = Json::parse(connection.pending, nullptr, false);
  if (!request.is_object() || !request.contains("body_bytes")) return false;
  const Json& bytes = request["body_bytes"];
  const auto receiving = std::ranges::count_if(
      connections_, [](const auto& entry) { return entry.second->body_bytes != 0; });
  if (bytes == 0) return false;
  std::string fault;
  if (!bytes.is_number_unsigned() || bytes.get<std::uint64_t>() > kLongestApiBodyBytes) {
    fault = fmt::format("body_bytes {}: must be a number, at most {}", bytes.dump(),
                        kLongestApiBodyBytes);
  } else if (receiving >= kMostBodies) {
    fault =
        fmt::format("{} other requests with bytes are on their way: ask again later", kMostBodies);
  }
  if (!fault.empty()) {
    // Nobody knows where the next line would begin.
    connection.to_send += refusal(fault) + "\n";
    connection.ends = true;
    return true;
  }
  connection.body_bytes = bytes.get<std::size_t>();
  connection.body.reserve(connection.body_bytes);
  return true;
}

// Takes the body's beginning from what was received with the line.
void ApiServer::finish_body(Connection& connection) {
  const std::size_t there =
      std::min(connection.received.size(), connection.body_bytes - connection.body.size());
  const auto bytes = std::as_bytes(std::span(connection.received)).first(there);
  connection.body.insert(connection.body.end(), bytes.begin(), bytes.end());
  sodium_memzero(connection.received.data(), there);
  connection.received.erase(0, there);
  if (connection.body.size() < connection.body_bytes) return send_answers(connection);
  const std::string reply = answer(connection.pending, connection.peer, connection.body);
  sodium_memzero(connection.body.data(), connection.body.size());
  connection.body.clear();
  connection.body_bytes = 0;
  connection.to_send += reply;
  connection.to_send += '\n';
  take_lines(connection);
}

void ApiServer::read_body(Connection& connection) {
  const std::size_t had = connection.body.size();
  connection.body.resize(std::min(had + kBodyPieceBytes, connection.body_bytes));
  const ssize_t count = recv(connection.descriptor, connection.body.data() + had,
                             connection.body.size() - had, MSG_DONTWAIT);
  connection.body.resize(had + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return drop(connection.descriptor);
  if (connection.body.size() == connection.body_bytes) finish_body(connection);
}

void ApiServer::send_answers(Connection& connection) {
  while (connection.sent < connection.to_send.size()) {
    const ssize_t count = send(connection.descriptor, connection.to_send.data() + connection.sent,
                               connection.to_send.size() - connection.sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return loop_.set_events(connection.descriptor, EPOLLOUT);
    if (count < 0) return drop(connection.descriptor);
    connection.sent += static_cast<std::size_t>(count);
  }
  if (connection.ends) return drop(connection.descriptor);
  connection.to_send.clear();
  connection.sent = 0;
  loop_.set_events(connection.descriptor, EPOLLIN);
}

std::string ApiServer::answer(std::string_view line, Peer peer,
                              std::span<const std::byte> body) const {
  const Json request = Json::parse(line, nullptr, false);
  if (!request.is_object()) return refusal("a request is one JSON object on one line");
  const auto version = request.find("version");
  if (version == request.end() || *version != kApiVersion) {
    return refusal(fmt::format("version {}: this culvert-control speaks {}",
                               version == request.end() ? "missing" : version->dump(),
                               kApiVersion));
  }
  Result<std::string> answered = answer_view(request, peer, body);
  return answered ? *std::move(answered) : refusal(answered.error().message);
}

Result<std::string> ApiServer::answer_view(const Json& request, Peer peer,
                                           std::span<const std::byte> body) const {
  const auto name = request.find("view");
  if (name == request.end() || !name->is_string()) return Error{EINVAL, "\"view\" is missing"};
  const auto text = [](Json answer) {
    return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  if (const auto view = body_views_.find(name->get<std::string>()); view != body_views_.end()) {
    Result<Reply> reply = view->second(request, body);
    if (!reply) return reply.error();
    Json answer{{"version", kApiVersion}, {"ok", true}, {"data", std::move(reply->data)}};
    if (reply->body.empty()) return text(std::move(answer));
    answer["body_bytes"] = reply->body.size();
    return text(std::move(answer)) + "\n" + reply->body;
  }
  const auto view = views_.find(name->get<std::string>());
  if (view == views_.end()) {
    std::vector<std::string> names;
    for (const auto& [known, unused] : views_) names.push_back(known);
    for (const auto& [known, unused] : body_views_) names.push_back(known);
    return Error{EINVAL,
                 fmt::format("view {}: there are {}", name->dump(), fmt::join(names, ", "))};
  }
  if (!body.empty()) return Error{EINVAL, fmt::format("view {}: takes no body", name->dump())};
  Result<Json> data = view->second(request, peer);
  if (!data) return data.error();
  return text(Json{{"version", kApiVersion}, {"ok", true}, {"data", std::move(*data)}});
}

}  // namespace culvert
