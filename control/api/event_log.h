// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/api/protocol.h"
#include "control/result.h"
#include "control/sa_manager.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// What happened lately, for `culvert events`: auditable drops (RFC 4303 4, RFC 4301 9), lifetimes,
// peers that moved, links. The oldest of kKept go first. One thread, control's.
class EventLog final : public SaListener {
 public:
  static constexpr std::size_t kKept = 4096;

  // Whether auditable drops are kept (RFC 4303 4: the administrator says so).
  void set_audits(bool audits) { audits_ = audits; }

  // What the ports are called, in their order.
  void set_ports(std::vector<std::string> names) { ports_ = std::move(names); }

  // Of the dataplane. Those about SAs come through the listener, once they are true for control.
  void add(const Event& event);

  [[nodiscard]] bool hears_of_changes() const override { return false; }
  void on_sa_expired(const Sa& sa, SaExpiry expiry) override;
  void on_sa_peer_moved(const Sa& sa, const PeerEndpoint& peer) override;

  // {"events":[...],"next":N}: those numbered `from` (0: all that are kept) and above, at most
  // `limit`; `next` is what to ask from the next time.
  [[nodiscard]] Result<Json> view(const Json& request) const;

 private:
  Json& append(std::string_view name, std::uint64_t time_ns);

  [[nodiscard]] std::string port_name(std::uint32_t port) const;

  bool audits_ = true;
  std::vector<std::string> ports_;
  std::deque<Json> events_;
  std::uint64_t next_number_ = 1;
};

}  // namespace culvert
