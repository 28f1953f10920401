// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "control/config.h"
#include "control/request_channel.h"
#include "control/result.h"
#include "control/sa_manager.h"
#include "dataplane/shm/regions.h"

namespace culvert {

// What the configuration says of SAs and policies; files and addresses are for the caller to name.
[[nodiscard]] SaManagerOptions manager_options(const Config& config);

// Loads the policies of a configuration, then the SAs and policies of its batch files: all or
// nothing of each. `more_files` are batch files besides the configuration's.
[[nodiscard]] Result<void> load_tables(SaManager& manager, const Config& config,
                                       std::span<const std::filesystem::path> more_files);

// Whether it is said where the sequence numbers of manual keys would begin. Of SAs that run
// already, and go on, it would not be true.
enum class KeyReport : std::uint8_t { first_sequences, unsaid };

// The same in regions that nobody else sees and without a dataplane: what a configuration would
// bring, for whoever wants to know before anything is changed.
class WantedTables {
 public:
  // Errors are what is wrong in a batch file.
  [[nodiscard]] static Result<std::unique_ptr<WantedTables>> load(
      const Config& config, const std::string& instance,
      std::span<const std::filesystem::path> more_files, KeyReport report,
      std::function<bool(Family, const IpAddress&)> is_our_address);
  ~WantedTables();  // wipes the keys
  WantedTables(const WantedTables&) = delete;
  WantedTables& operator=(const WantedTables&) = delete;

  [[nodiscard]] const SaManager& manager() const { return *manager_; }

 private:
  WantedTables() = default;

  Descriptors descriptors_{};
  Regions regions_;
  DryRunChannel channel_;
  std::optional<SaManager> manager_;
};

}  // namespace culvert
