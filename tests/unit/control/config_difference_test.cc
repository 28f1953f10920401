// SPDX-License-Identifier: BSD-3-Clause
#include "control/config_difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

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

TEST(ConfigDifference, TellsWhatWaitsForAStartFromWhatChangesAtOnce) {
  Config before;
  before.ports.push_back({.name = "wan"});
  Config after = before;
  after.ports.back().addresses = {{.family = Family::v4, .prefix_bits = 24}};
  after.routes.push_back({.kind = RouteKind::blackhole});
  after.mss = 1300;
  after.splits_after_esp = true;
  after.default_policy = PolicyAction::bypass;
  after.idle_timeout_seconds = 60;
  after.log_level = LogLevel::debug;
  EXPECT_THAT(changed_lines(config_lines(before), config_lines(after)), SizeIs(12));
  EXPECT_THAT(changed_lines(start_lines(before), start_lines(after)), IsEmpty());
  after.max_sas = 7;
  after.ports.back().device = "eth9";
  after.ports.push_back({.name = "lan"});
  EXPECT_THAT(
      changed_lines(start_lines(before), start_lines(after)),
      ElementsAre("- dataplane: max_sas 65536", "- port wan: device ", "+ dataplane: max_sas 7",
                  "+ port wan: device eth9", "+ port lan: device ", "+ port lan: mtu 1500"));
}

TEST(ConfigDifference, ComparesNextHopsAndTheirWeightsInWhateverOrder) {
  Config before;
  before.ports = {{.name = "wan"}, {.name = "lan"}};
  before.routes = {{.prefix = {.family = Family::v4, .prefix_bits = 8},
                    .hops = {{.via = IpAddress::v4(Be32(0xc0000202)), .port = 0, .weight = 1},
                             {.via = IpAddress::v4(Be32(0x0a010002)), .port = 1, .weight = 2}}}};
  Config after = before;
  std::swap(after.routes[0].hops[0], after.routes[0].hops[1]);
  EXPECT_THAT(changed_lines(config_lines(before), config_lines(after)), IsEmpty());
  after.routes[0].hops[1].weight = 5;
  EXPECT_THAT(changed_lines(config_lines(before), config_lines(after)),
              ElementsAre("- route 0.0.0.0/8: via 10.1.0.2 port lan weight 2, "
                          "via 192.0.2.2 port wan weight 1",
                          "+ route 0.0.0.0/8: via 10.1.0.2 port lan weight 2, "
                          "via 192.0.2.2 port wan weight 5"));
  EXPECT_THAT(changed_lines(start_lines(before), start_lines(after)), IsEmpty());
}

TEST(ConfigDifference, KeepsThePlacesOfPortsThatRun) {
  Config running;
  running.ports = {{.name = "lan"}, {.name = "wan"}};
  Config config;
  config.ports = {{.name = "wan", .mtu = 9000}, {.name = "lan"}};
  config.routes = {{.hops = {{.port = 0}}}};
  config.neighbors = {{.port = 1}};
  const Config ordered = with_ports_as_in(config, running);
  EXPECT_EQ(ordered.ports[1].name, "wan");
  EXPECT_EQ(ordered.ports[1].mtu, 9000);
  EXPECT_EQ(ordered.routes[0].hops.at(0).port, 1);
  EXPECT_EQ(ordered.neighbors[0].port, 0);
  config.ports[1].name = "dmz";
  EXPECT_EQ(with_ports_as_in(config, running).ports[0].name, "wan");
}

}  // namespace
}  // namespace culvert
