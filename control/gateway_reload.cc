// SPDX-License-Identifier: BSD-3-Clause
// The gateway takes another configuration while it runs.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "control/config_difference.h"
#include "control/error_lines.h"
#include "control/gateway.h"
#include "control/log.h"
#include "control/wanted_tables.h"

namespace culvert {

ReloadReport Gateway::reload(const std::optional<std::filesystem::path>& file, ReloadMode mode) {
  ReloadReport report{.file = file.value_or(config_.file).string()};
  const auto end = [&report](ReloadOutcome outcome) {
    report.outcome = outcome;
    return report;
  };
  // 1. The whole file, and what it names, without touching anything.
  const auto loaded = load_config(report.file, this_machine());
  for (const ConfigError& error : loaded.errors) report.faults.push_back(error.text());
  if (!loaded.config) return end(ReloadOutcome::faulty);
  const Config config = with_ports_as_in(*loaded.config, config_);
  const auto wanted =
      WantedTables::load(config, options_.instance, options_.batch_files, KeyReport::unsaid,
                         [&](Family family, const IpAddress& address) {
                           return is_configured_address(config, family, address) ||
                                  forwarding_.is_our_address(family, address);
                         });
  const auto change = wanted ? TableChange::between(*manager_, (*wanted)->manager())
                             : Result<TableChange>(wanted.error());
  if (!change) {
    report.faults = error_lines(change.error().message);
    return end(ReloadOutcome::faulty);
  }
  // 2. The difference.
  report.changes = changed_lines(config_lines(config_), config_lines(config));
  report.changes.insert(report.changes.end(), change->lines().begin(), change->lines().end());
  report.needs_restart = changed_lines(start_lines(config_), start_lines(config));
  if (!report.needs_restart.empty()) return end(ReloadOutcome::needs_restart);
  if (mode == ReloadMode::check) {
    return end(report.changes.empty() ? ReloadOutcome::unchanged : ReloadOutcome::would_change);
  }
  // 3. All of it, or nothing.
  if (const auto applied = apply(config, *change); !applied) {
    report.faults.push_back(applied.error().message);
    return end(ReloadOutcome::failed);
  }
  set_up_log("culvert-control", config_.log_level);
  note_config_file();
  return end(report.changes.empty() ? ReloadOutcome::unchanged : ReloadOutcome::changed);
}

// On an error everything is as it was.
Result<void> Gateway::apply(const Config& config, const TableChange& change) {
  const Config before = std::exchange(config_, config);
  manager_->set_esp_options(manager_options(config));
  const auto changed = change_tables(before, config, change);
  if (changed) {
    push_esp_options();
    events_.set_audits(config_.audits);
    dataplane_->kick();
    return {};
  }
  config_ = before;
  manager_->set_esp_options(manager_options(before));
  return changed;
}

// New policies first, then addresses and routes, then old policies go: what is protected before and
// after does not leave in clear by a route that came too early or went too late.
Result<void> Gateway::change_tables(const Config& before, const Config& config,
                                    const TableChange& change) {
  const PolicyVerdict verdict =
      config.default_policy == PolicyAction::bypass ? PolicyVerdict::allow : PolicyVerdict::block;
  manager_->begin();
  auto done = change.bring_new(*manager_);
  if (done && verdict == PolicyVerdict::block) {
    done = manager_->set_configured_default(verdict);
    if (done) done = manager_->send();
  }
  if (done) done = change_linux(before, config);
  if (!done) {
    manager_->rollback();
    return done;
  }
  done = manager_->set_configured_default(verdict);
  if (done) done = change.remove_old(*manager_);
  if (!done) manager_->rollback();
  if (done) done = manager_->commit();  // rolls back by itself
  if (!done && follower_) static_cast<void>(follower_->apply_config(before));
  return done;
}

// Addresses, routes and neighbours, which Linux may refuse: then it has the old ones again.
Result<void> Gateway::change_linux(const Config& before, const Config& config) {
  if (!follower_) return {};
  const auto refused = follower_->apply_config(config);
  if (refused.empty()) return {};
  static_cast<void>(follower_->apply_config(before));
  return Error{EINVAL, fmt::format("Linux refused: {}", fmt::join(refused, "; "))};
}

// What StartConfig says of them is as old as the gateway.
void Gateway::push_esp_options() {
  Request request;
  request.op = RequestOp::esp_options;
  request.index = config_.mss;
  request.generation = config_.splits_after_esp ? 1 : 0;
  push(request);
}

// A gateway that was told to run with another file goes on with it after a restart of control.
void Gateway::take_noted_config() {
  const auto& noted = regions_.requests().config_file;
  const std::string file(noted.begin(), std::ranges::find(noted, '\0'));
  if (file.empty() || file == config_.file) return;
  const auto loaded = load_config(file, this_machine());
  for (const ConfigError& error : loaded.errors) spdlog::error("{}", error.text());
  if (!loaded.config) {
    spdlog::error("{} was loaded last and has faults by now; {} is taken", file,
                  config_.file.string());
    return;
  }
  spdlog::info("{} was loaded last, and is taken", file);
  config_ = *loaded.config;
}

void Gateway::note_config_file() {
  auto& noted = regions_.requests().config_file;
  const std::string file = config_.file.string();
  noted.fill('\0');
  std::ranges::copy(file, noted.begin());
}

Result<Json> Gateway::answer_reload(const Json& request, ApiServer::Peer peer) {
  std::optional<std::filesystem::path> file;
  if (const auto named = request.find("file"); named != request.end()) {
    if (!named->is_string()) return Error{EINVAL, "\"file\" must be a path"};
    file = named->get<std::string>();
    if (peer != ApiServer::Peer::owner) {
      return Error{EPERM, "only root may name a file; without one the gateway's own is taken"};
    }
    if (!file->is_absolute() || file->native().size() >= kConfigFileBytes) {
      return Error{EINVAL,
                   fmt::format("file \"{}\": must be an absolute path of less than {} bytes",
                               file->string(), kConfigFileBytes)};
    }
  }
  const bool is_check = request.value("check", false);
  const ReloadReport report = reload(file, is_check ? ReloadMode::check : ReloadMode::apply);
  if (!is_check) log_report(report);
  return json_of(report);
}

}  // namespace culvert
