// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/balance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace culvert {
namespace {

using testing::HasSubstr;

Json reading(std::uint64_t received, std::uint64_t sent) {
  return {
      {"received", received}, {"from_linux", 0}, {"originated", 0}, {"split", 0}, {"sent", sent},
      {"punted", 0},          {"drops", 0},      {"merged", 0},     {"held", 0},  {"stable", true}};
}

// The verdict on these readings; the last one repeats.
BalanceVerdict verdict_on(const std::vector<Json>& readings) {
  std::size_t next = 0;
  const auto verdict = judge_balance(
      [&]() -> Result<Json> { return readings[std::min(next++, readings.size() - 1)]; }, [] {});
  EXPECT_TRUE(verdict.has_value());
  return *verdict;
}

TEST(Balance, IsOkWhenBothSidesAreEqual) {
  const auto verdict = verdict_on({reading(10, 10)});
  EXPECT_TRUE(verdict.is_ok);
  EXPECT_EQ(verdict.readings, 1u);
}

TEST(Balance, WaitsForPacketsThatAreUnderWay) {
  const auto verdict = verdict_on({reading(10, 7), reading(12, 11), reading(12, 12)});
  EXPECT_TRUE(verdict.is_ok);
  EXPECT_EQ(verdict.readings, 3u);
}

TEST(Balance, IsNotOkWhenCountersStandStillAndDiffer) {
  const auto verdict = verdict_on({reading(10, 9)});
  EXPECT_FALSE(verdict.is_ok);
  EXPECT_EQ(verdict.under_way, 1);
  EXPECT_THAT(balance_text(verdict), HasSubstr("not ok, 1 packets are unaccounted for"));
}

TEST(Balance, IsNotOkWhenMoreWentOutThanCameIn) {
  EXPECT_THAT(balance_text(verdict_on({reading(10, 12)})),
              HasSubstr("not ok, 2 packets are counted twice"));
}

TEST(Balance, IsOkUnderTrafficThatNeverPausesWithAsFewUnderWayAsQueuesHold) {
  std::vector<Json> readings;
  for (std::uint64_t i = 0; i < 100; ++i) readings.push_back(reading(1000 * i + 32, 1000 * i));
  const auto verdict = verdict_on(readings);
  EXPECT_TRUE(verdict.is_ok);
  EXPECT_EQ(verdict.under_way, 32);
  EXPECT_THAT(balance_text(verdict), HasSubstr("ok, traffic did not pause"));
}

TEST(Balance, SaysItsVerdictInJson) {
  const Json json = balance_json(verdict_on({reading(10, 10)}));
  EXPECT_EQ(json["balance"], "ok");
  EXPECT_EQ(json["received"], 10);
  EXPECT_FALSE(json.contains("stable"));
}

}  // namespace
}  // namespace culvert
