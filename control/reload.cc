// SPDX-License-Identifier: BSD-3-Clause
#include "control/reload.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

namespace culvert {
namespace {

constexpr std::array<std::string_view, 6> kOutcomes = {"unchanged",     "would_change", "changed",
                                                       "needs_restart", "faulty",       "failed"};

std::string verdict(const ReloadReport& report, std::string_view instance) {
  switch (report.outcome) {
    case ReloadOutcome::unchanged:
      return fmt::format("instance {} runs with exactly {}", instance, report.file);
    case ReloadOutcome::would_change:
      return fmt::format("instance {} would change so with {}", instance, report.file);
    case ReloadOutcome::changed:
      return fmt::format("instance {} runs with {}", instance, report.file);
    case ReloadOutcome::needs_restart:
      return fmt::format(
          "instance {} cannot change all of this while it runs; nothing was changed. For the lines "
          "marked with ! it must be started anew",
          instance);
    case ReloadOutcome::faulty:
      return fmt::format("instance {} goes on as before: {} has faults", instance, report.file);
    case ReloadOutcome::failed:
      return fmt::format("instance {} goes on as before: {} could not be applied", instance,
                         report.file);
  }
  return {};
}

}  // namespace

std::string_view name_of(ReloadOutcome outcome) {
  return kOutcomes[static_cast<std::size_t>(outcome)];
}

ReloadOutcome outcome_named(std::string_view name) {
  const auto* const found = std::ranges::find(kOutcomes, name);
  if (found == kOutcomes.end()) return ReloadOutcome::failed;
  return static_cast<ReloadOutcome>(found - kOutcomes.begin());
}

Json json_of(const ReloadReport& report) {
  return {{"file", report.file},
          {"outcome", name_of(report.outcome)},
          {"changes", report.changes},
          {"needs_restart", report.needs_restart},
          {"faults", report.faults}};
}

ReloadReport report_from(const Json& json) {
  const auto lines = [&json](const char* key) {
    return json.value(key, std::vector<std::string>{});
  };
  return {.file = json.value("file", ""),
          .outcome = outcome_named(json.value("outcome", "")),
          .changes = lines("changes"),
          .needs_restart = lines("needs_restart"),
          .faults = lines("faults")};
}

std::string reload_text(const ReloadReport& report, std::string_view instance) {
  std::string text;
  for (const std::string& line : report.changes) {
    const bool waits = std::ranges::find(report.needs_restart, line) != report.needs_restart.end();
    text += fmt::format("{} {}\n", waits ? "!" : " ", line);
  }
  return text + verdict(report, instance) + "\n";
}

void log_report(const ReloadReport& report) {
  for (const std::string& fault : report.faults) spdlog::error("reload: {}", fault);
  const char* fate = report.outcome == ReloadOutcome::changed ? "" : "not applied: ";
  for (const std::string& line : report.changes) spdlog::info("reload: {}{}", fate, line);
  const bool is_fine =
      report.outcome == ReloadOutcome::unchanged || report.outcome == ReloadOutcome::changed;
  const auto level = is_fine ? spdlog::level::info : spdlog::level::err;
  spdlog::log(level, "reload of {}: {}", report.file, name_of(report.outcome));
}

}  // namespace culvert
