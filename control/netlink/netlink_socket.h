// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <vector>

#include "control/netlink/netlink_message.h"
#include "control/netlink/unique_fd.h"
#include "control/result.h"

namespace culvert {

// A route netlink socket of the network namespace its thread was in when it was opened. Errors
// carry the kernel's own words (extended acknowledgements) where it has any.
class NetlinkSocket {
 public:
  using Handler = std::function<void(const nlmsghdr&)>;

  // For requests and dumps.
  [[nodiscard]] static Result<NetlinkSocket> open();
  // For events of these multicast groups (RTNLGRP_*): non-blocking, with a large receive buffer.
  [[nodiscard]] static Result<NetlinkSocket> subscribe(std::initializer_list<int> groups);

  [[nodiscard]] int descriptor() const { return socket_.get(); }

  // Sends the message and waits for the acknowledgement. `handler`, if any, gets what comes before
  // it, as for RTM_GETLINK.
  [[nodiscard]] Result<void> request(NetlinkMessage& message, const Handler& handler = {});

  // `interrupted`: the table changed meanwhile, entries may be missing or double.
  enum class Dump { complete, interrupted };
  [[nodiscard]] Result<Dump> dump(NetlinkMessage& message, const Handler& handler);

  // `overrun`: the receive buffer was full and the kernel has thrown messages away.
  enum class Received { messages, nothing, overrun };
  // Takes one batch of events.
  [[nodiscard]] Received receive(const Handler& handler);

 private:
  explicit NetlinkSocket(UniqueFd socket) : socket_(std::move(socket)) {}
  [[nodiscard]] Result<std::uint32_t> send(NetlinkMessage& message, int flags);
  [[nodiscard]] Result<std::size_t> read_datagram();

  UniqueFd socket_;
  std::uint32_t sequence_ = 0;
  std::vector<std::byte> buffer_;
};

}  // namespace culvert
