// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "control/result.h"
#include "control/xfrm/netlink.h"
#include "control/xfrm/preload_protocol.h"
#include "control/xfrm/request_handler.h"

namespace culvert::xfrm {

// One netlink socket of one program (preload_protocol.h): takes its datagrams apart, answers as
// af_netlink does, and holds what the program has not read yet.
class Connection {
 public:
  enum class Greeting { expected, received };

  // Takes the descriptor over. It is made non-blocking.
  Connection(int descriptor, RequestHandler& handler, Greeting greeting);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] int descriptor() const { return descriptor_; }
  // The program is gone, or spoke nonsense: to be destroyed.
  [[nodiscard]] bool is_closed() const { return is_closed_; }
  // EPOLLIN, EPOLLOUT: reading rests while the program does not take its answers.
  [[nodiscard]] std::uint32_t wanted_events() const;

  // Carries out what arrived; SAs that it makes are of this origin. `buffer` is scratch space for
  // one datagram and is wiped.
  void on_readable(std::span<std::byte> buffer, SaOrigin origin);
  void on_writable();

  // The process that made the socket; 0: one that cannot be seen from here.
  [[nodiscard]] pid_t process() const { return process_; }
  // It hears of packets that want an SA, or of SAs that end: whoever does makes keys by itself.
  [[nodiscard]] bool listens_for_key_events() const;
  // It gets the notifications to this multicast group.
  [[nodiscard]] bool is_in_group(std::uint32_t group) const {
    return group >= 1 && group <= 32 && ((groups_ >> (group - 1)) & 1) != 0;
  }

  // A notification to a multicast group; programs that are not in it do not get it. One that does
  // not read loses it, as with a full netlink socket.
  void notify(std::uint32_t group, Bytes datagram);

 private:
  struct Packet {
    std::uint32_t group = 0;
    SecretBytes datagram;
  };

  void take_control(const preload::ControlFrame& frame);
  void take_datagram(Bytes datagram);
  void take_oversized(Bytes start);
  void take_message(const NetlinkMessage& message);
  void acknowledge(const NetlinkMessage& message, const Error& error);
  void queue(std::uint32_t group, SecretBytes datagram);
  // Sends what is queued, and goes on with the dump, as far as the program takes it.
  void flush();
  [[nodiscard]] bool send_first();
  [[nodiscard]] bool has_option(int option) const { return ((options_ >> option) & 1) != 0; }

  const int descriptor_;
  RequestHandler& handler_;
  pid_t process_ = 0;
  SaOrigin origin_ = SaOrigin::automatic;  // of the request being carried out
  bool is_greeted_;
  bool is_closed_ = false;
  std::uint32_t port_id_ = 0;
  std::uint32_t groups_ = 0;   // bit n - 1: member of group n
  std::uint32_t options_ = 0;  // bit n: option n of SOL_NETLINK is on
  std::deque<Packet> output_;
  std::size_t output_bytes_ = 0;
  std::optional<Dump> dump_;
};

}  // namespace culvert::xfrm
