// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/api/event_log.h"
#include "control/api/server.h"
#include "control/api/trace_session.h"
#include "control/config.h"
#include "control/dataplane_client.h"
#include "control/event_loop.h"
#include "control/forwarding_record.h"
#include "control/netlink/follower.h"
#include "control/reload.h"
#include "control/result.h"
#include "control/sa_manager.h"
#include "control/table_change.h"
#include "control/xfrm/server.h"
#include "dataplane/shm/regions.h"

namespace culvert {

enum class GatewayMode {
  live,
  replay,  // addresses, routes and neighbours come from the configuration alone; no Linux
};

struct GatewayOptions {
  std::string instance;
  std::filesystem::path regions_socket;
  GatewayMode mode = GatewayMode::live;
  std::vector<std::filesystem::path> batch_files;  // besides the configuration's
};

// culvert-control at work: the SA manager over the regions, and all who talk to it.
class Gateway {
 public:
  Gateway(EventLoop& loop, Config config, GatewayOptions options);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Attaches, brings the dataplane up to date, loads the batch files whole or not at all, and lets
  // the ports forward. A dataplane that forwards already goes on as it is when a batch file is
  // wrong: that is logged and no error.
  [[nodiscard]] Result<void> start();

  // Takes the configuration file anew, or `file` in its place, as long as the gateway runs: all of
  // it, or nothing. What is to be done is found out before anything is changed.
  [[nodiscard]] ReloadReport reload(const std::optional<std::filesystem::path>& file,
                                    ReloadMode mode);

 private:
  [[nodiscard]] Result<void> attach();
  void make_manager();
  [[nodiscard]] Result<void> start_forwarding_view();
  void take_noted_config();
  void note_config_file();
  [[nodiscard]] Result<void> apply(const Config& config, const TableChange& change);
  [[nodiscard]] Result<void> change_tables(const Config& before, const Config& config,
                                           const TableChange& change);
  [[nodiscard]] Result<void> change_linux(const Config& before, const Config& config);
  void push_esp_options();
  [[nodiscard]] Result<Json> answer_reload(const Json& request, ApiServer::Peer peer);
  [[nodiscard]] Result<void> commit();
  [[nodiscard]] Result<void> open_sockets();
  void add_views();
  void push(const Request& request);
  void push_all();
  void watch();

  EventLoop& loop_;
  Config config_;
  const GatewayOptions options_;
  Descriptors descriptors_{};
  Regions regions_;
  ForwardingRecord forwarding_;
  std::optional<DataplaneClient> dataplane_;
  EventLog events_;
  std::optional<SaManager> manager_;
  std::optional<TraceSession> trace_;
  std::optional<NetlinkFollower> follower_;  // live only
  std::optional<xfrm::XfrmServer> xfrm_;
  std::optional<ApiServer> api_;
};

}  // namespace culvert
