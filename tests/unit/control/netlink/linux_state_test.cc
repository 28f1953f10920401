// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/linux_state.h"

#include <gtest/gtest.h>

#include "control/address_text.h"

namespace culvert {
namespace {

constexpr InterfaceIndex kWan = 10;
constexpr InterfaceIndex kLan = 11;
constexpr InterfaceIndex kForeign = 2;

IpAddress ip(std::string_view text) {
  return parse_address(text)->address;
}

RoutePrefix prefix(std::string_view text) {
  const auto parsed = parse_prefix(text);
  return {.network = parsed->address, .bits = parsed->prefix_bits, .family = parsed->family};
}

LinuxRoute route(std::string_view destination, std::vector<NextHop> hops,
                 std::uint32_t metric = 0) {
  return {.prefix = prefix(destination), .metric = metric, .hops = std::move(hops)};
}

LinuxState with_mirrors() {
  return LinuxState{.mirrors = {{kWan, 0}, {kLan, 1}}};
}

const std::optional<ForwardingRoute> kNothing;
const std::optional<ForwardingRoute> kBlackhole{{.kind = RouteKind::blackhole}};
std::optional<ForwardingRoute> via(PortNumber port, std::string_view gateway) {
  return ForwardingRoute{.hops = {{.via = ip(gateway), .port = port}}};
}

TEST(LinuxState, TheLowestMetricWins) {
  LinuxState state = with_mirrors();
  state.add_route(route("10.0.0.0/8", {{kWan, ip("192.0.2.2")}}, 20), RoutePlace::first);
  state.add_route(route("10.0.0.0/8", {{kLan, ip("192.0.2.3")}}, 10), RoutePlace::first);
  state.add_route(route("10.0.0.0/8", {{kWan, ip("192.0.2.4")}}, 30), RoutePlace::first);
  EXPECT_EQ(state.forwarding_route(prefix("10.0.0.0/8")), via(1, "192.0.2.3"));
}

TEST(LinuxState, TheNextBestRouteCountsWhenTheBestIsRemoved) {
  LinuxState state = with_mirrors();
  state.add_route(route("10.0.0.0/8", {{kWan, ip("192.0.2.2")}}, 20), RoutePlace::first);
  state.add_route(route("10.0.0.0/8", {{kLan, ip("192.0.2.3")}}, 10), RoutePlace::first);
  state.remove_route(route("10.0.0.0/8", {{kLan, ip("192.0.2.3")}}, 10));
  EXPECT_EQ(state.forwarding_route(prefix("10.0.0.0/8")), via(0, "192.0.2.2"));
}

TEST(LinuxState, AReplacedRouteIsGone) {
  LinuxState state = with_mirrors();
  state.add_route(route("10.0.0.0/8", {{kWan, ip("192.0.2.2")}}), RoutePlace::first);
  state.add_route(route("10.0.0.0/8", {{kWan, ip("192.0.2.3")}}), RoutePlace::instead);
  state.remove_route(route("10.0.0.0/8", {{kWan, ip("192.0.2.3")}}));
  EXPECT_EQ(state.forwarding_route(prefix("10.0.0.0/8")), kNothing);
}

TEST(LinuxState, AnAppendedRouteComesAfterItsEquals) {
  LinuxState state = with_mirrors();
  state.add_route(route("10.0.0.0/8", {{kWan, ip("192.0.2.2")}}), RoutePlace::first);
  state.add_route(route("10.0.0.0/8", {{kLan, ip("192.0.2.3")}}), RoutePlace::last);
  EXPECT_EQ(state.forwarding_route(prefix("10.0.0.0/8")), via(0, "192.0.2.2"));
}

TEST(LinuxState, ARouteToldTwiceIsRemovedByOneDelete) {
  LinuxState state = with_mirrors();
  const LinuxRoute twice = route("10.0.0.0/8", {{kWan, ip("192.0.2.2")}});
  state.add_route(twice, RoutePlace::last);
  state.add_route(twice, RoutePlace::first);
  state.remove_route(twice);
  EXPECT_EQ(state.forwarding_route(prefix("10.0.0.0/8")), kNothing);
}

TEST(LinuxState, NextHopsThroughPortsAreToldWithTheirWeights) {
  LinuxState state = with_mirrors();
  state.add_route(route("10.0.0.0/8", {{kWan, ip("192.0.2.3"), 7},
                                       {kForeign, ip("198.51.100.1"), 2},
                                       {kLan, ip("192.0.2.2"), 1}}),
                  RoutePlace::first);
  const auto told = state.forwarding_route(prefix("10.0.0.0/8"));
  EXPECT_EQ(told, (ForwardingRoute{.hops = {{.via = ip("192.0.2.2"), .port = 1, .weight = 1},
                                            {.via = ip("192.0.2.3"), .port = 0, .weight = 7}}}));
}

TEST(LinuxState, TheSameNextHopAgainAddsItsWeight) {
  LinuxState state = with_mirrors();
  state.add_route(route("10.0.0.0/8", {{kWan, ip("192.0.2.2"), 200},
                                       {kWan, ip("192.0.2.3"), 1},
                                       {kWan, ip("192.0.2.2"), 100}}),
                  RoutePlace::first);
  const auto told = state.forwarding_route(prefix("10.0.0.0/8"));
  ASSERT_EQ(told->hops.size(), 2u);
  EXPECT_EQ(told->hops[0].weight, kMaxHopWeight);
  EXPECT_EQ(told->hops[1].weight, 1);
}

TEST(LinuxState, MoreNextHopsThanTheDataplaneTakesAreLeftOut) {
  LinuxState state = with_mirrors();
  std::vector<NextHop> hops;
  for (int i = 0; i < 40; ++i) hops.push_back({kWan, ip("192.0.2." + std::to_string(10 + i))});
  state.add_route(route("10.0.0.0/8", hops), RoutePlace::first);
  EXPECT_EQ(state.forwarding_route(prefix("10.0.0.0/8"))->hops.size(), kMaxRouteHops);
}

TEST(LinuxState, TheOnlyNextHopThroughAPortIsTaken) {
  LinuxState state = with_mirrors();
  state.add_route(route("10.0.0.0/8", {{kForeign, ip("198.51.100.1")}, {kLan, ip("192.0.2.3")}}),
                  RoutePlace::first);
  EXPECT_EQ(state.forwarding_route(prefix("10.0.0.0/8")), via(1, "192.0.2.3"));
}

TEST(LinuxState, ARouteWithoutNextHopsIsABlackhole) {
  LinuxState state = with_mirrors();
  state.add_route(route("10.0.0.0/8", {}), RoutePlace::first);
  EXPECT_EQ(state.forwarding_route(prefix("10.0.0.0/8")), kBlackhole);
}

TEST(LinuxState, APrefixThroughForeignInterfacesIsABlackhole) {
  LinuxState state = with_mirrors();
  state.add_route(route("10.0.0.0/8", {{kForeign, ip("198.51.100.1")}}), RoutePlace::first);
  EXPECT_EQ(state.forwarding_route(prefix("10.0.0.0/8")), kBlackhole);
}

TEST(LinuxState, ARouteThroughAPortWinsOverABetterForeignOne) {
  LinuxState state = with_mirrors();
  state.add_route(route("0.0.0.0/0", {{kForeign, ip("198.51.100.1")}}, 1), RoutePlace::first);
  state.add_route(route("0.0.0.0/0", {{kWan, ip("192.0.2.2")}}, 100), RoutePlace::first);
  EXPECT_EQ(state.forwarding_route(prefix("0.0.0.0/0")), via(0, "192.0.2.2"));
}

TEST(LinuxState, TheConnectedRouteOfAnAddressIsLeftToTheDataplane) {
  LinuxState state = with_mirrors();
  state.addresses.insert({.port = 0, .address = ip("192.0.2.1"), .bits = 24});
  state.add_route(route("192.0.2.0/24", {{kWan, {}}}), RoutePlace::first);
  EXPECT_EQ(state.forwarding_route(prefix("192.0.2.0/24")), kNothing);
}

TEST(LinuxState, AnOnLinkRouteWithoutAnAddressIsTold) {
  LinuxState state = with_mirrors();
  state.addresses.insert({.port = 0, .address = ip("192.0.2.1"), .bits = 32});
  state.add_route(route("192.0.2.0/24", {{kWan, {}}}), RoutePlace::first);
  EXPECT_EQ(state.forwarding_route(prefix("192.0.2.0/24")), via(0, "0.0.0.0"));
}

// The first four bytes of 2001:db8:: as an IPv4 address are those of 32.1.13.184.
TEST(LinuxState, KeepsFamiliesApart) {
  LinuxState state = with_mirrors();
  state.add_route(route("::/0", {{kWan, ip("fe80::1")}}), RoutePlace::first);
  state.add_route(route("0.0.0.0/0", {{kLan, ip("192.0.2.2")}}), RoutePlace::first);
  EXPECT_EQ(state.forwarding_route(prefix("::/0")), via(0, "fe80::1"));
  EXPECT_EQ(state.forwarding_route(prefix("0.0.0.0/0")), via(1, "192.0.2.2"));
  state.add_route(route("2001:db8::/32", {{kWan, {}}}), RoutePlace::first);
  state.addresses.insert({0, ip("32.1.13.184"), 32});
  EXPECT_EQ(state.forwarding_route(prefix("2001:db8::/32")), via(0, "::"));
  state.addresses.insert({0, ip("2001:db8::1"), 32, Family::v6});
  EXPECT_EQ(state.forwarding_route(prefix("2001:db8::/32")), kNothing);
}

TEST(LinuxState, SaysWhetherItKnewARouteThatGoes) {
  LinuxState state = with_mirrors();
  state.add_route(route("::/0", {{kWan, ip("fe80::1")}}), RoutePlace::first);
  EXPECT_FALSE(state.remove_route(route("::/0", {{kWan, ip("fe80::2")}})));
  EXPECT_TRUE(state.remove_route(route("::/0", {{kWan, ip("fe80::1")}})));
  EXPECT_FALSE(state.remove_route(route("::/0", {{kWan, ip("fe80::1")}})));
}

}  // namespace
}  // namespace culvert
