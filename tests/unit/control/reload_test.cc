// SPDX-License-Identifier: BSD-3-Clause
#include "control/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>

namespace culvert {
namespace {

using testing::HasSubstr;

TEST(ReloadReport, SurvivesTheWayToTheClient) {
  for (const ReloadOutcome outcome :
       {ReloadOutcome::unchanged, ReloadOutcome::would_change, ReloadOutcome::changed,
        ReloadOutcome::needs_restart, ReloadOutcome::faulty, ReloadOutcome::failed}) {
    const ReloadReport report{.file = "/etc/gw.toml",
                              .outcome = outcome,
                              .changes = {"- a", "+ b"},
                              .needs_restart = {"+ b"},
                              .faults = {"c"}};
    const ReloadReport read = report_from(Json::parse(json_of(report).dump()));
    EXPECT_EQ(read.outcome, outcome);
    EXPECT_EQ(read.file, report.file);
    EXPECT_EQ(read.changes, report.changes);
    EXPECT_EQ(read.needs_restart, report.needs_restart);
    EXPECT_EQ(read.faults, report.faults);
  }
}

TEST(ReloadReport, TakesAnOutcomeItDoesNotKnowForAFailure) {
  EXPECT_EQ(outcome_named("postponed"), ReloadOutcome::failed);
}

TEST(ReloadReport, MarksWhatNeedsARestart) {
  const std::string text = reload_text({.file = "/etc/gw.toml",
                                        .outcome = ReloadOutcome::needs_restart,
                                        .changes = {"- port wan: mtu 1500", "+ log: level info"},
                                        .needs_restart = {"- port wan: mtu 1500"},
                                        .faults = {}},
                                       "west");
  EXPECT_THAT(text, HasSubstr("! - port wan: mtu 1500\n  + log: level info\n"));
  EXPECT_THAT(text, HasSubstr("nothing was changed"));
}

std::string logged(const ReloadReport& report) {
  std::ostringstream text;
  const auto before = spdlog::default_logger();
  auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text);
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", std::move(sink)));
  log_report(report);
  spdlog::set_default_logger(before);
  return text.str();
}

TEST(ReloadLog, TellsWhatWasAppliedFromWhatWasNot) {
  ReloadReport report{.file = "/etc/gw.toml",
                      .outcome = ReloadOutcome::changed,
                      .changes = {"+ neighbor"},
                      .needs_restart = {},
                      .faults = {}};
  EXPECT_THAT(logged(report), HasSubstr("reload: + neighbor"));
  for (const auto outcome : {ReloadOutcome::failed, ReloadOutcome::needs_restart}) {
    report.outcome = outcome;
    EXPECT_THAT(logged(report), HasSubstr("reload: not applied: + neighbor"));
  }
}

}  // namespace
}  // namespace culvert
