// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/api/protocol.h"

// `culvert reload`: what a running gateway says of a configuration that it is to take.
//   {"version":1,"view":"reload","check":true,"file":"/etc/culvert/gw.toml"}
// `file` is only for root and the user that control runs as: control reads it with its own rights,
// and its errors quote it. Without it the gateway's own file is taken anew.

namespace culvert {

enum class ReloadMode : std::uint8_t { check, apply };

enum class ReloadOutcome : std::uint8_t {
  unchanged,      // the gateway runs with exactly this
  would_change,   // of a check
  changed,        // all of it
  needs_restart,  // some of it cannot change while the gateway runs, so nothing was changed
  faulty,         // the file or a batch file; nothing was changed
  failed,         // it could not be carried out and was taken back
};
[[nodiscard]] std::string_view name_of(ReloadOutcome outcome);
// Of what another version may say: `failed`.
[[nodiscard]] ReloadOutcome outcome_named(std::string_view name);

struct ReloadReport {
  std::string file;
  ReloadOutcome outcome = ReloadOutcome::unchanged;
  std::vector<std::string> changes;        // "- port wan: address 192.0.2.1/24"
  std::vector<std::string> needs_restart;  // those among them that wait for the next start
  std::vector<std::string> faults;         // sentences
};
[[nodiscard]] Json json_of(const ReloadReport& report);
[[nodiscard]] ReloadReport report_from(const Json& json);

// For people: each change a line, then what was done about it.
[[nodiscard]] std::string reload_text(const ReloadReport& report, std::string_view instance);

// The same for the log.
void log_report(const ReloadReport& report);

}  // namespace culvert
