// SPDX-License-Identifier: BSD-3-Clause
#include "control/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace culvert
