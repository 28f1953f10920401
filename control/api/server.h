// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "control/api/protocol.h"
#include "control/event_loop.h"
#include "control/result.h"
#include "control/secret_bytes.h"

namespace culvert {

// Answers clients on the API socket: root, this process's own user, and members of one group.
class ApiServer {
 public:
  enum class Peer : std::uint8_t {
    member,  // of the group
    owner,   // root, or this process's own user
  };
  // Gets the whole request; an Error becomes the client's answer.
  using View = std::function<Result<Json>(const Json& request)>;
  struct Reply {
    Json data;
    std::string body;  // bytes behind the line
  };
  // The same with bytes behind the request's line, or the answer's.
  using BodyView =
      std::function<Result<Reply>(const Json& request, std::span<const std::byte> body)>;
  // The same for what not everybody may ask.
  using PeerView = std::function<Result<Json>(const Json& request, Peer peer)>;

  // `group` may be empty: then only root and the own user are answered.
  ApiServer(EventLoop& loop, std::filesystem::path path, std::string group);
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  void add_view(const std::string& name, View view) {
    views_[name] = [view = std::move(view)](const Json& request, Peer) { return view(request); };
  }
  void add_peer_view(const std::string& name, PeerView view) { views_[name] = std::move(view); }
  void add_body_view(const std::string& name, BodyView view) {
    body_views_[name] = std::move(view);
  }

  // Starts to listen.
  [[nodiscard]] Result<void> open();

  // One request's answer: a line without its end, or one with it and a body behind it. Public for
  // tests and the fuzzer.
  [[nodiscard]] std::string answer(std::string_view line, Peer peer = Peer::member,
                                   std::span<const std::byte> body = {}) const;

 private:
  struct Connection {
    int descriptor = -1;
    Peer peer = Peer::member;
    SecretText received;
    // A request whose body comes, and what has come of it. The memory stays for the next one.
    std::string pending;
    SecretBytes body;
    std::size_t body_bytes = 0;
    std::string to_send;
    std::size_t sent = 0;
    bool ends = false;  // as soon as all is sent
  };

  void accept_one();
  void on_event(int descriptor, std::uint32_t events);
  void read_requests(Connection& connection);
  void take_lines(Connection& connection);
  [[nodiscard]] bool take_body(Connection& connection);
  void read_body(Connection& connection);
  void finish_body(Connection& connection);
  [[nodiscard]] Result<std::string> answer_view(const Json& request, Peer peer,
                                                std::span<const std::byte> body) const;
  void send_answers(Connection& connection);
  void drop(int descriptor);

  EventLoop& loop_;
  std::filesystem::path path_;
  std::string group_;
  int listener_ = -1;
  std::map<std::string, PeerView> views_;
  std::map<std::string, BodyView> body_views_;
  std::map<int, std::unique_ptr<Connection>> connections_;
};

// Whether the process at the other end of a unix socket is root, of this process's user, or in
// `group` (empty: no group).
[[nodiscard]] bool peer_is_allowed(int descriptor, const std::string& group);
// Whether it is root or of this process's user.
[[nodiscard]] bool peer_is_owner(int descriptor);

}  // namespace culvert
