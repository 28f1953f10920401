// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/event_loop.h"
#include "control/result.h"
#include "control/sa_manager.h"
#include "control/xfrm/connection.h"
#include "control/xfrm/request_handler.h"

namespace culvert::xfrm {

// Answers XFRM netlink to programs that run with the preload library, and tells them what changes.
// One thread, that of the event loop.
class XfrmServer final : public SaListener {
 public:
  // `origin` is what SAs that come in here are marked with: `manual`, or else `automatic` for those
  // of key managers, and `by_hand` for all others.
  XfrmServer(EventLoop& loop, SaManager& manager, SaOrigin origin);
  ~XfrmServer() override;

  // Listens at `path`, whose directory must exist; a socket that is there is replaced. Who may
  // connect: root, the user that control runs as, and members of `group`. Errors carry the errno of
  // the call that failed.
  [[nodiscard]] Result<void> listen(const std::string& path, std::optional<gid_t> group);

  // Takes over one end of a channel (kChannelVariable): every socket that arrives there is served,
  // without asking for credentials.
  void adopt_channel(int descriptor);

  [[nodiscard]] std::size_t connection_count() const { return connections_.size(); }
  // Connections there ever were.
  [[nodiscard]] std::uint64_t accepted_count() const { return accepted_count_; }
  // Requests that ended in an error.
  [[nodiscard]] std::uint64_t refused_count() const { return handler_.refused_count(); }

  [[nodiscard]] bool hears_of_changes() const override;
  void on_sa_added(const Sa& sa) override;
  void on_sa_updated(const Sa& sa) override;
  void on_sa_deleted(const Sa& sa) override;
  void on_sa_expired(const Sa& sa, SaExpiry expiry) override;
  void on_sa_peer_moved(const Sa& sa, const PeerEndpoint& peer) override;
  void on_migrated(const Migration& migration) override;
  void on_sas_flushed(std::uint8_t protocol) override;
  void on_policy_added(const Policy& policy) override;
  void on_policy_updated(const Policy& policy) override;
  void on_policy_deleted(const Policy& policy) override;
  void on_policies_flushed(std::uint8_t type) override;
  void on_default_policy_set() override;

 private:
  void accept_connection();
  void receive_from_channel(int channel);
  void close_channel(int channel);
  [[nodiscard]] bool is_allowed(int descriptor) const;
  void add_connection(int descriptor, Connection::Greeting greeting);
  void on_events(int descriptor, std::uint32_t events);
  [[nodiscard]] SaOrigin origin_of(const Connection& connection) const;
  // Watches for what the connection waits for now, or destroys it.
  void settle(int descriptor);
  // Sends a notification; `write` fills the message in behind its header.
  template <typename Write>
  void notify(std::uint32_t group, std::uint16_t type, Write write);

  EventLoop& loop_;
  SaManager& manager_;
  const SaOrigin origin_;
  RequestHandler handler_;
  SecretBytes receive_buffer_;
  int listener_ = -1;
  std::string path_;
  std::optional<gid_t> group_;
  std::map<int, std::unique_ptr<Connection>> connections_;
  std::vector<int> channels_;
  std::uint64_t accepted_count_ = 0;
};

}  // namespace culvert::xfrm
