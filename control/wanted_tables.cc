// SPDX-License-Identifier: BSD-3-Clause
#include "control/wanted_tables.h"

#include <sodium.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "control/xfrm/batch.h"

namespace culvert {

SaManagerOptions manager_options(const Config& config) {
  SaManagerOptions options;
  options.window_floor = config.replay_window;
  options.idle_seconds = config.idle_timeout_seconds;
  options.follows_peers = config.follows_peers;
  options.df = config.df;
  options.keepalive_seconds = config.nat_keepalive_seconds;
  options.dummies_per_second = config.dummies_per_second;
  options.allowed = config.allowed_transforms;
  options.spreads_xfrm_policies = config.spreads_xfrm_policies;
  options.default_verdict =
      config.default_policy == PolicyAction::bypass ? PolicyVerdict::allow : PolicyVerdict::block;
  return options;
}

Result<void> load_tables(SaManager& manager, const Config& config,
                         std::span<const std::filesystem::path> more_files) {
  if (auto set = manager.set_configured_policies(config.policies); !set) return set;
  std::vector<std::filesystem::path> files = config.batch_files;
  files.insert(files.end(), more_files.begin(), more_files.end());
  if (files.empty()) return {};
  return xfrm::load_batches(manager, files);
}

Result<std::unique_ptr<WantedTables>> WantedTables::load(
    const Config& config, const std::string& instance,
    std::span<const std::filesystem::path> more_files, KeyReport report,
    std::function<bool(Family, const IpAddress&)> is_our_address) {
  std::unique_ptr<WantedTables> tables(new WantedTables);
  tables->descriptors_.fill(-1);
  std::string error =
      create_regions(region_sizes(config), start_config(config, "check"), tables->descriptors_);
  if (error.empty()) error = tables->regions_.attach(tables->descriptors_, Side::control);
  if (!error.empty()) return Error{ENOMEM, error};
  SaManagerOptions options = manager_options(config);
  options.floor_storage = FloorStorage::read_only;
  options.floor_file = floor_file(config, instance).string();
  options.says_first_sequences = report == KeyReport::first_sequences;
  options.is_our_address = std::move(is_our_address);
  tables->manager_.emplace(tables->regions_, tables->channel_, std::move(options));
  if (const auto loaded = load_tables(*tables->manager_, config, more_files); !loaded) {
    return loaded.error();
  }
  return tables;
}

WantedTables::~WantedTables() {
  if (manager_) {
    for (auto sa = manager_->next_sa(SaIndex{0}); sa;
         sa = manager_->next_sa(SaIndex{sa->index.raw() + 1})) {
      KeySlot& slot = regions_.keys()[sa->index.raw()];
      sodium_memzero(slot.key.data(), slot.key.size());
    }
  }
  for (const int descriptor : descriptors_) {
    if (descriptor >= 0) close(descriptor);
  }
}

}  // namespace culvert
