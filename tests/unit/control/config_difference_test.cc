// SPDX-License-Identifier: BSD-3-Clause
#include "control/config_difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ConfigDifference, IsEmptyForEqualConfigurations) {
  Config config;
  config.ports.push_back({});
  EXPECT_THAT(changed_lines(config_lines(config), config_lines(config)), IsEmpty());
}

TEST(ConfigDifference, NamesWhatGoesThenWhatComes) {
  Config before;
  before.ports.push_back({});
  before.ports.back().name = "wan";
  Config after = before;
  after.ports.back().mtu = 9000;
  EXPECT_THAT(changed_lines(config_lines(before), config_lines(after)),
              ElementsAre("- port wan: mtu 1500", "+ port wan: mtu 9000"));
}

}  // namespace
}  // namespace culvert
