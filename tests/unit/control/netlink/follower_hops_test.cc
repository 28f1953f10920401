// SPDX-License-Identifier: BSD-3-Clause
// Routes of several next hops.
#include <gmock/gmock.h>

#include "tests/unit/control/netlink/follower_fixture.h"

namespace culvert {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using FollowerOfHops = Follower;

TEST_F(FollowerOfHops, LeavesOutANextHopWhileItsMirrorIsDown) {
  make_mirrors();
  start(two_ports());
  run("ip route add 10.5.0.0/16 nexthop via 192.0.2.5 nexthop via 10.1.0.5");
  const std::vector<std::string> both = {"route_hop 0 1 via 10.1.0.5 weight 1",
                                         "route_hop 1 0 via 192.0.2.5 weight 1",
                                         "route_add 10.5.0.0/16 2"};
  EXPECT_THAT(news(), testing::IsSupersetOf(both));
  run("ip link set lan down");
  EXPECT_THAT(news(), ElementsAre("route_add 0 10.5.0.0/16 via 192.0.2.5"));
  run("ip link set lan up");
  EXPECT_EQ(news(), both);
  run("ip link set lan down");
  static_cast<void>(news());
  run("ip route del 10.5.0.0/16");
  EXPECT_THAT(news(), ElementsAre("route_delete 10.5.0.0/16"));
}

TEST_F(FollowerOfHops, PutsConfiguredNextHopsOntoTheMirrorsAndTakesThemBack) {
  make_mirrors();
  Config config = two_ports();
  config.routes = {{.prefix = prefix("10.2.0.0/16"),
                    .hops = {{.via = ip("192.0.2.2"), .port = 0, .weight = 3},
                             {.via = ip("10.1.0.2"), .port = 1}}}};
  start(config);
  EXPECT_THAT(news(), testing::IsSupersetOf(std::vector<std::string>{
                          "route_hop 0 1 via 10.1.0.2 weight 1",
                          "route_hop 1 0 via 192.0.2.2 weight 3", "route_add 10.2.0.0/16 2"}));
  EXPECT_THAT(run("ip route show 10.2.0.0/16"),
              AllOf(HasSubstr("nexthop via 192.0.2.2 dev wan weight 3"),
                    HasSubstr("nexthop via 10.1.0.2 dev lan weight 1")));
  // While a mirror is down the configured route has the others.
  run("ip link set lan down");
  EXPECT_THAT(news(), ElementsAre("route_add 0 10.2.0.0/16 via 192.0.2.2"));
  run("ip link set lan up");
  EXPECT_THAT(news(), testing::Contains("route_add 10.2.0.0/16 2"));
  config.routes[0].hops.pop_back();
  EXPECT_THAT(follower_->apply_config(config), IsEmpty());
  EXPECT_THAT(news(), ElementsAre("route_add 0 10.2.0.0/16 via 192.0.2.2"));
  config.routes[0].hops.push_back({.via = ip("10.1.0.3"), .port = 1});
  EXPECT_THAT(follower_->apply_config(config), IsEmpty());
  static_cast<void>(news());
  EXPECT_THAT(follower_->apply_config(two_ports()), IsEmpty());
  EXPECT_THAT(news(), ElementsAre("route_delete 10.2.0.0/16"));
}

}  // namespace
}  // namespace culvert
