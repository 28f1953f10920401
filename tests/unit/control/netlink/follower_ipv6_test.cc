// SPDX-License-Identifier: BSD-3-Clause
// The follower with IPv6, where Linux tells of some things in another way.
#include <gmock/gmock.h>

#include "tests/unit/control/netlink/follower_fixture.h"

namespace culvert {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Addresses are usable at once, and no link-local ones come by themselves.
class FollowerIpv6 : public Follower {
 protected:
  void SetUp() override {
    Follower::SetUp();
    if (IsSkipped()) return;
    run("sysctl -w net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.addr_gen_mode=1");
    make_mirrors();
  }
  static Config two_ipv6_ports() {
    Config config;
    config.ports = {{.name = "wan", .addresses = {prefix("2001:db8:1::1/64")}},
                    {.name = "lan", .addresses = {prefix("2001:db8:2::1/64")}}};
    return config;
  }
};

TEST_F(FollowerIpv6, PutsTheConfigurationOntoTheMirrorsAndPushesIt) {
  run("sysctl -w net.ipv6.conf.wan.disable_ipv6=1");
  Config config = two_ipv6_ports();
  config.routes = {
      {.prefix = prefix("2001:db8:a::/48"), .hops = {{.via = ip("fe80::9"), .port = 0}}},
      {.prefix = prefix("2001:db8:b::/48"), .kind = RouteKind::blackhole}};
  config.neighbors = {
      {.family = Family::v6, .address = ip("fe80::9"), .mac = {2, 0, 0, 0, 0, 2}, .port = 0}};
  start(config);
  EXPECT_THAT(
      news(),
      ElementsAre("address_add 0 2001:db8:1::1/64", "address_add 1 2001:db8:2::1/64",
                  "route_add 0 2001:db8:a::/48 via fe80::9", "route_add blackhole 2001:db8:b::/48",
                  "neighbor_set 0 fe80::9 02:00:00:00:00:02"));
  EXPECT_THAT(run("ip -6 route"), HasSubstr("2001:db8:a::/48 via fe80::9 dev wan proto 203"));
}

TEST_F(FollowerIpv6, FollowsAddressesRoutesAndNeighbors) {
  start(two_ipv6_ports());
  static_cast<void>(news());
  const struct {
    const char* command;
    std::vector<std::string> pushed;
  } kStory[] = {
      {"ip addr add fe80::1/64 dev wan", {"address_add 0 fe80::1/64"}},
      {"ip addr del fe80::1/64 dev wan", {"address_delete 0 fe80::1/64"}},
      {"ip addr add 2001:db8:3::1/56 dev lan", {"address_add 1 2001:db8:3::1/56"}},
      {"ip addr add 2001:db8:4::1/64 dev lan noprefixroute", {"address_add 1 2001:db8:4::1/128"}},
      {"ip -6 route add 2001:db8:a::/48 via 2001:db8:1::2",
       {"route_add 0 2001:db8:a::/48 via 2001:db8:1::2"}},
      {"ip -6 route replace 2001:db8:a::/48 via fe80::7 dev lan",
       {"route_add 1 2001:db8:a::/48 via fe80::7"}},
      {"ip -6 route del 2001:db8:a::/48", {"route_delete 2001:db8:a::/48"}},
      {"ip -6 route add default via fe80::8 dev wan", {"route_add 0 ::/0 via fe80::8"}},
      {"ip -6 route add unreachable 2001:db8:b::/48", {"route_add blackhole 2001:db8:b::/48"}},
      {"ip -6 route add 2001:db8:c::/48 dev lan table 7", {}},
      {"ip -6 route add fe80:1::/64 dev lan", {}},
      {"ip neigh add fe80::8 lladdr 02:00:00:00:00:02 dev wan nud stale",
       {"neighbor_set 0 fe80::8 02:00:00:00:00:02"}},
      {"ip neigh del fe80::8 dev wan", {"neighbor_delete 0 fe80::8"}},
  };
  for (const auto& step : kStory) {
    run(step.command);
    EXPECT_EQ(news(), step.pushed) << step.command;
  }
}

TEST_F(FollowerIpv6, FollowsRoutesOfSeveralNextHopsThatComeAndGoOneByOne) {
  start(two_ipv6_ports());
  static_cast<void>(news());
  const struct {
    const char* command;
    std::vector<std::string> pushed;
  } kStory[] = {
      {"ip -6 route add 2001:db8:a::/48 nexthop via 2001:db8:1::2 weight 2 nexthop via "
       "2001:db8:2::2",
       {"route_hop 0 0 via 2001:db8:1::2 weight 2", "route_hop 1 1 via 2001:db8:2::2 weight 1",
        "route_add 2001:db8:a::/48 2"}},
      {"ip -6 route append 2001:db8:a::/48 via 2001:db8:2::3",
       {"route_hop 0 0 via 2001:db8:1::2 weight 2", "route_hop 1 1 via 2001:db8:2::2 weight 1",
        "route_hop 2 1 via 2001:db8:2::3 weight 1", "route_add 2001:db8:a::/48 3"}},
      {"ip -6 route del 2001:db8:a::/48 via 2001:db8:1::2 dev wan",
       {"route_hop 0 1 via 2001:db8:2::2 weight 1", "route_hop 1 1 via 2001:db8:2::3 weight 1",
        "route_add 2001:db8:a::/48 2"}},
      {"ip -6 route del 2001:db8:a::/48 via 2001:db8:2::2 dev lan",
       {"route_add 1 2001:db8:a::/48 via 2001:db8:2::3"}},
      {"ip -6 route replace 2001:db8:a::/48 nexthop via fe80::2 dev wan nexthop via fe80::2 dev "
       "lan",
       {"route_hop 0 0 via fe80::2 weight 1", "route_hop 1 1 via fe80::2 weight 1",
        "route_add 2001:db8:a::/48 2"}},
      {"ip -6 route replace 2001:db8:a::/48 via 2001:db8:2::3",
       {"route_add 1 2001:db8:a::/48 via 2001:db8:2::3"}},
  };
  for (const auto& step : kStory) {
    run(step.command);
    EXPECT_EQ(news(), step.pushed) << step.command;
  }
  run("ip -6 route del 2001:db8:a::/48");
  EXPECT_THAT(news(), ElementsAre("route_delete 2001:db8:a::/48"));
}

TEST_F(FollowerIpv6, PutsConfiguredNextHopsOntoTheMirrorsAndTakesThemBack) {
  Config config = two_ipv6_ports();
  config.routes = {{.prefix = prefix("2001:db8:a::/48"),
                    .hops = {{.via = ip("fe80::9"), .port = 0},
                             {.via = ip("fe80::9"), .port = 1, .weight = 5}}}};
  start(config);
  EXPECT_THAT(news(), testing::IsSupersetOf(std::vector<std::string>{
                          "route_hop 0 0 via fe80::9 weight 1",
                          "route_hop 1 1 via fe80::9 weight 5", "route_add 2001:db8:a::/48 2"}));
  config.routes[0].hops.erase(config.routes[0].hops.begin());
  EXPECT_THAT(follower_->apply_config(config), IsEmpty());
  EXPECT_THAT(news(), ElementsAre("route_add 1 2001:db8:a::/48 via fe80::9"));
  EXPECT_THAT(follower_->apply_config(two_ipv6_ports()), IsEmpty());
  EXPECT_THAT(news(), ElementsAre("route_delete 2001:db8:a::/48"));
}

TEST_F(FollowerIpv6, HasLinuxResolveANeighborThatTheDataplaneWants) {
  start(two_ipv6_ports());
  static_cast<void>(news());
  follower_->on_event(neighbor_event(EventType::neighbor_wanted, "2001:db8:1::9"));
  EXPECT_THAT(run("ip neigh show dev wan"), HasSubstr("2001:db8:1::9"));
}

}  // namespace
}  // namespace culvert
