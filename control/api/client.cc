// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "control/api/paths.h"

namespace culvert {
namespace {

Error connect_error(std::string_view instance, const std::string& path, int code) {
  if (code == EACCES || code == EPERM) {
    return {EACCES, fmt::format("{}: permission denied; be root or in the group that the "
                                "configuration names in [control] group",
                                path)};
  }
  if (code == ENOENT || code == ECONNREFUSED) {
    return {ECONNREFUSED,
            fmt::format("instance \"{}\" is not running (nothing answers at {})", instance, path)};
  }
  return {code, fmt::format("{}: {}", path, std::generic_category().message(code))};
}

}  // namespace

ApiClient::ApiClient(ApiClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      received_(std::move(other.received_)),
      patience_(other.patience_) {}

ApiClient::~ApiClient() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<ApiClient> ApiClient::connect(std::string_view instance) {
  const auto folder = instance_dir(instance);
  if (!folder) return folder.error();
  return connect_at(*folder / kApiSocket, instance);
}

Result<ApiClient> ApiClient::connect_at(const std::filesystem::path& file,
                                        std::string_view instance) {
  const std::string& path = file.native();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return connect_error(instance, path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.data(), path.size());
  ApiClient client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (client.descriptor_ < 0) return connect_error(instance, path, errno);
  client.set_patience(client.patience_);
  if (::connect(client.descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
      0) {
    return connect_error(instance, path, errno);
  }
  return client;
}

void ApiClient::set_patience(std::chrono::seconds patience) {
  patience_ = patience;
  const timeval time{.tv_sec = patience.count(), .tv_usec = 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

Result<void> ApiClient::send_bytes(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return Error{EPROTO, "culvert-control closed the connection"};
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<void> ApiClient::receive_more() {
  std::array<char, 262144> buffer;
  ssize_t count = 0;
  do {
    count = recv(descriptor_, buffer.data(), buffer.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count == 0) return Error{EPROTO, "culvert-control closed the connection"};
  if (count < 0) {
    const int code = errno;
    // An answer that comes too late must not be taken for the next question's.
    shutdown(descriptor_, SHUT_RDWR);
    return Error{code, fmt::format("no answer from culvert-control within {} s: {}",
                                   patience_.count(), std::generic_category().message(code))};
  }
  received_.append(buffer.data(), static_cast<std::size_t>(count));
  return {};
}

Result<std::string> ApiClient::receive_line() {
  std::size_t searched = 0;
  std::size_t end = std::string::npos;
  while ((end = received_.find('\n', searched)) == std::string::npos) {
    searched = received_.size();
    if (const auto more = receive_more(); !more) return more.error();
  }
  std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  return line;
}

Result<ApiClient::Answer> ApiClient::exchange(std::string_view view, const Json& parameters,
                                              std::span<const std::byte> body) {
  Json request = {{"version", kApiVersion}, {"view", view}};
  request.update(parameters);
  if (!body.empty()) request["body_bytes"] = body.size();
  const std::string line = request.dump() + "\n";
  auto sent = send_bytes(std::as_bytes(std::span(line)));
  if (sent) sent = send_bytes(body);
  // A server that refuses a body says why before it closes.
  const auto answered = receive_line();
  if (!answered) return sent ? answered.error() : sent.error();
  Json answer = Json::parse(*answered, nullptr, false);
  if (!answer.is_object() || answer.value("version", 0) != kApiVersion) {
    return Error{EPROTO, fmt::format("culvert-control is of another version: this client speaks "
                                     "API version {}",
                                     kApiVersion)};
  }
  if (!answer.value("ok", false)) {
    return Error{EINVAL, answer.value("error", "refused without a reason")};
  }
  Answer result{std::move(answer["data"]), {}};
  const auto bytes = answer.value("body_bytes", std::size_t{0});
  while (received_.size() < bytes) {
    if (const auto more = receive_more(); !more) return more.error();
  }
  if (bytes == 0) return result;
  result.body = received_.substr(0, bytes);
  // The line end of the whole answer follows.
  if (received_.size() == bytes) {
    if (const auto more = receive_more(); !more) return more.error();
  }
  received_.erase(0, bytes + 1);
  return result;
}

Result<Json> ApiClient::ask(std::string_view view, const Json& parameters) {
  auto answer = exchange(view, parameters);
  if (!answer) return answer.error();
  return std::move(answer->data);
}

Result<Json> ApiClient::ask_all(std::string_view view, const std::string& list) {
  Json all;
  Json from = 0;
  while (!from.is_null()) {
    auto page = ask(view, {{"from", from}});
    if (!page) return page.error();
    if (!page->contains(list)) return Error{EPROTO, fmt::format("view {}: no {}", view, list)};
    from = page->value("next", Json());
    page->erase("next");
    if (all.is_null()) {
      all = std::move(*page);
    } else {
      for (Json& entry : (*page)[list]) all[list].push_back(std::move(entry));
    }
  }
  return all;
}

}  // namespace culvert
