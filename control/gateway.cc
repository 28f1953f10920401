// SPDX-License-Identifier: BSD-3-Clause
#include "control/gateway.h"

#include <fmt/format.h>
#include <grp.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "control/api/counter_views.h"
#include "control/api/paths.h"
#include "control/api/policy_commands.h"
#include "control/api/sa_bulk.h"
#include "control/api/sa_views.h"
#include "control/config_difference.h"
#include "control/error_lines.h"
#include "control/netlink/static_requests.h"
#include "control/process.h"
#include "control/wanted_tables.h"

namespace culvert {
namespace {

using std::chrono::milliseconds;

// culvertd initialises DPDK, huge pages and devices meanwhile.
constexpr milliseconds kStartPatience{45000};
constexpr milliseconds kHousekeeping{100};

// The ports that this instance was started with, by their names.
Config ports_of(const StartConfig& start) {
  Config config;
  for (std::size_t i = 0; i < std::min<std::size_t>(start.port_count, kMaxPorts); ++i) {
    const auto& name = start.ports[i].name;
    config.ports.push_back({.name = {name.begin(), std::ranges::find(name, '\0')}});
  }
  return config;
}

}  // namespace

Gateway::Gateway(EventLoop& loop, Config config, GatewayOptions options)
    : loop_(loop), config_(std::move(config)), options_(std::move(options)) {
  descriptors_.fill(-1);
}

Gateway::~Gateway() {
  if (follower_) loop_.unwatch(follower_->descriptor());
  if (dataplane_) loop_.unwatch(dataplane_->descriptor());
  api_.reset();
  xfrm_.reset();
  trace_.reset();
  manager_.reset();
  for (const int descriptor : descriptors_) {
    if (descriptor >= 0) close(descriptor);
  }
}

Result<void> Gateway::attach() {
  std::string error = receive_descriptors(options_.regions_socket.string(), descriptors_);
  if (error.empty()) error = regions_.attach(descriptors_, Side::control);
  if (!error.empty()) return Error{ENOTCONN, error};
  take_noted_config();
  config_ = with_ports_as_in(std::move(config_), ports_of(regions_.requests().start));
  if (regions_.sizes() != region_sizes(config_)) {
    return Error{EINVAL, fmt::format("{}: max_sas, max_policies or [esp] differ from what this "
                                     "instance was started with; stop it and start it anew",
                                     config_.file.string())};
  }
  dataplane_.emplace(regions_, descriptors_);
  return dataplane_->wait_until_started(kStartPatience);
}

void Gateway::make_manager() {
  SaManagerOptions wanted = manager_options(config_);
  wanted.watches_lifetimes = options_.mode != GatewayMode::replay;
  wanted.floor_storage =
      options_.mode == GatewayMode::replay ? FloorStorage::in_memory : FloorStorage::file;
  wanted.floor_file = floor_file(config_, options_.instance).string();
  wanted.is_our_address = [this](Family family, const IpAddress& address) {
    return is_configured_address(config_, family, address) ||
           forwarding_.is_our_address(family, address);
  };
  manager_.emplace(regions_, *dataplane_, std::move(wanted));
  manager_->add_listener(&events_);
  events_.set_audits(config_.audits);
  std::vector<std::string> names;
  for (const ConfigPort& port : config_.ports) names.push_back(port.name);
  events_.set_ports(std::move(names));
  trace_.emplace(regions_, *dataplane_, *manager_, config_);
}

void Gateway::push(const Request& request) {
  forwarding_.apply(request);
  if (const auto pushed = dataplane_->push(request); !pushed) {
    spdlog::error("{}", pushed.error().message);
  }
}

Result<void> Gateway::start_forwarding_view() {
  if (options_.mode == GatewayMode::replay) {
    for (const Request& request : static_requests(config_)) push(request);
    return {};
  }
  follower_.emplace(config_, [this](const Request& request) { push(request); });
  return follower_->start();
}

// Ports forward once the dataplane has acknowledged this.
Result<void> Gateway::commit() {
  Request request;
  request.op = RequestOp::commit;
  const auto sequence = dataplane_->push(request);
  if (!sequence) return sequence.error();
  const auto refused = dataplane_->finish(*sequence);
  if (!refused) return refused.error();
  if (!refused->empty()) return refusal_error(refused->front().refusal);
  return {};
}

// A dataplane that started anew knows nothing and is silent until the commit.
void Gateway::push_all() {
  const auto pushed = manager_->push_everything();
  if (!pushed) {
    spdlog::error("{}", pushed.error().message);
    return;
  }
  push_esp_options();
  if (const auto off = trace_->turn_off(); !off) spdlog::error("{}", off.error().message);
  if (follower_) {
    follower_->push_all();
  } else {
    for (const Request& request : static_requests(config_)) push(request);
  }
  if (const auto committed = commit(); !committed) spdlog::error("{}", committed.error().message);
}

Result<void> Gateway::start() {
  if (const auto attached = attach(); !attached) return attached;
  const bool is_forwarding = dataplane_->view().phase == DataplanePhase::forwarding;
  make_manager();
  const auto pushed = is_forwarding ? manager_->reconcile() : manager_->push_everything();
  if (!pushed) return pushed;
  push_esp_options();
  if (const auto off = trace_->turn_off(); !off) return off;
  if (const auto started = start_forwarding_view(); !started) return started;
  if (const auto loaded = load_tables(*manager_, config_, options_.batch_files); !loaded) {
    if (!is_forwarding) return loaded;
    for (const std::string& line : error_lines(loaded.error().message)) spdlog::error("{}", line);
    spdlog::error("the gateway goes on without the configuration's SAs and policies");
  }
  if (const auto opened = open_sockets(); !opened) return opened;
  if (const auto committed = commit(); !committed) return committed;
  watch();
  const SadCounts sas = manager_->sad_counts();
  spdlog::info("instance {}: {} ports, {} SAs, forwarding", options_.instance, config_.ports.size(),
               sas.sas);
  return {};
}

Result<void> Gateway::open_sockets() {
  const std::filesystem::path folder = options_.regions_socket.parent_path();
  api_.emplace(loop_, folder / kApiSocket, config_.group);
  add_views();
  if (const auto opened = api_->open(); !opened) return opened;
  if (options_.mode == GatewayMode::replay) return {};
  std::optional<gid_t> group;
  if (const struct group* entry =
          config_.group.empty() ? nullptr : getgrnam(config_.group.c_str())) {
    group = entry->gr_gid;
  }
  xfrm_.emplace(loop_, *manager_, SaOrigin::automatic);
  return xfrm_->listen((folder / kXfrmSocket).string(), group);
}

void Gateway::add_views() {
  const auto add = [this](const char* name, auto view) {
    api_->add_view(name, [view](const Json&) -> Result<Json> { return view(); });
  };
  api_->add_view("sa", [this](const Json& request) { return sa_view(*manager_, request); });
  api_->add_view("policy", [this](const Json& request) { return policy_view(*manager_, request); });
  api_->add_view("policy_add",
                 [this](const Json& request) { return add_policy(*manager_, request); });
  api_->add_view("policy_delete",
                 [this](const Json& request) { return delete_policy(*manager_, request); });
  api_->add_body_view(
      "sa_batch",
      [this](const Json& request, std::span<const std::byte> body) -> Result<ApiServer::Reply> {
        auto data = change_sas(*manager_, request, body);
        if (!data) return data.error();
        return ApiServer::Reply{*std::move(data), {}};
      });
  api_->add_body_view("sa_dump", [this](const Json& request, std::span<const std::byte>) {
    return dump_sas(*manager_, request);
  });
  add("ports", [this] { return ports_view(config_, dataplane_->view(), regions_.state()); });
  add("routes", [this] { return forwarding_.view(config_); });
  add("drops", [this] { return drops_view(dataplane_->view(), regions_.state()); });
  add("fragments", [this] { return fragments_view(regions_.state()); });
  add("balance", [this] { return balance_view(regions_.state()); });
  add("workers", [this] { return workers_view(config_, dataplane_->view(), regions_.state()); });
  add("version", [this] { return version_view(options_.instance, dataplane_->view()); });
  api_->add_view("events", [this](const Json& request) { return events_.view(request); });
  add("running", [this] { return Json{{"lines", config_lines(config_)}}; });
  if (options_.mode == GatewayMode::replay) return;
  api_->add_view("trace", [this](const Json& request) { return trace_->answer(request); });
  api_->add_peer_view("reload", [this](const Json& request, ApiServer::Peer peer) {
    return answer_reload(request, peer);
  });
}

void Gateway::watch() {
  dataplane_->set_new_incarnation_callback([this] { push_all(); });
  dataplane_->set_event_callback([this](const Event& event) {
    if (follower_) follower_->on_event(event);
    manager_->on_event(event);
    events_.add(event);
  });
  loop_.watch(dataplane_->descriptor(), EPOLLIN, [this](std::uint32_t) {
    dataplane_->on_readable();
    dataplane_->kick();
  });
  if (follower_) {
    loop_.watch(follower_->descriptor(), EPOLLIN, [this](std::uint32_t) {
      follower_->on_readable();
      dataplane_->kick();
    });
  }
  loop_.every(kHousekeeping, [this] {
    manager_->poll();
    trace_->poll();
    dataplane_->check_incarnation();
    dataplane_->kick();
  });
}

}  // namespace culvert
