// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "control/api/protocol.h"
#include "control/event_loop.h"
#include "control/result.h"

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

  // Starts to listen.
  [[nodiscard]] Result<void> open();

  // One request line's answer, without the line end. Public for tests and the fuzzer.
  [[nodiscard]] std::string answer(std::string_view line, Peer peer = Peer::member) const;

 private:
  struct Connection {
    int descriptor = -1;
    Peer peer = Peer::member;
    std::string received;
    std::string to_send;
    std::size_t sent = 0;
  };

  void accept_one();
  void on_event(int descriptor, std::uint32_t events);
  void read_requests(Connection& connection);
  void send_answers(Connection& connection);
  void drop(int descriptor);

  EventLoop& loop_;
  std::filesystem::path path_;
  std::string group_;
  int listener_ = -1;
  std::map<std::string, PeerView> views_;
  std::map<int, std::unique_ptr<Connection>> connections_;
};

// Whether the process at the other end of a unix socket is root, of this process's user, or in
// `group` (empty: no group).
[[nodiscard]] bool peer_is_allowed(int descriptor, const std::string& group);
// Whether it is root or of this process's user.
[[nodiscard]] bool peer_is_owner(int descriptor);

}  // namespace culvert
