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

Result<std::string> ApiClient::exchange_line(const std::string& line) {
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t sent = send(descriptor_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent <= 0) return Error{EPROTO, "culvert-control closed the connection"};
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  std::size_t end = received_.find('\n');
  std::array<char, 65536> buffer;
  while (end == std::string::npos) {
    const ssize_t count = recv(descriptor_, buffer.data(), buffer.size(), 0);
    if (count == 0) return Error{EPROTO, "culvert-control closed the connection"};
    if (count < 0) {
      return Error{errno, fmt::format("no answer from culvert-control within {} s: {}",
                                      patience_.count(), std::generic_category().message(errno))};
    }
    const std::size_t searched = received_.size();
    received_.append(buffer.data(), static_cast<std::size_t>(count));
    end = received_.find('\n', searched);
  }
  std::string answer = received_.substr(0, end);
  received_.erase(0, end + 1);
  return answer;
}

Result<Json> ApiClient::ask(std::string_view view, const Json& parameters) {
  Json request = {{"version", kApiVersion}, {"view", view}};
  request.update(parameters);
  const auto line = exchange_line(request.dump() + "\n");
  if (!line) return line.error();
  Json answer = Json::parse(*line, nullptr, false);
  if (!answer.is_object() || answer.value("version", 0) != kApiVersion) {
    return Error{EPROTO, fmt::format("culvert-control is of another version: this client speaks "
                                     "API version {}",
                                     kApiVersion)};
  }
  if (!answer.value("ok", false)) {
    return Error{EINVAL, answer.value("error", "refused without a reason")};
  }
  return std::move(answer["data"]);
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
