// SPDX-License-Identifier: BSD-3-Clause
#include "control/forwarding_record.h"

#include <gtest/gtest.h>

#include "control/address_text.h"

namespace culvert {
namespace {

Request about(RequestOp op, const char* prefix) {
  const auto parsed = parse_prefix(prefix);
  Request request;
  request.op = op;
  request.family = parsed->family;
  request.address = parsed->address;
  request.prefix_bits = parsed->prefix_bits;
  return request;
}

Config config_with_port() {
  Config config;
  config.ports.push_back({});
  config.ports.back().name = "wan";
  return config;
}

TEST(ForwardingRecord, KnowsOurAddressesFromWhatTheDataplaneWasTold) {
  ForwardingRecord record;
  const IpAddress address = parse_address("192.0.2.1")->address;
  EXPECT_FALSE(record.is_our_address(Family::v4, address));
  record.apply(about(RequestOp::address_add, "192.0.2.1/24"));
  EXPECT_TRUE(record.is_our_address(Family::v4, address));
  record.apply(about(RequestOp::address_delete, "192.0.2.1/24"));
  EXPECT_FALSE(record.is_our_address(Family::v4, address));
}

TEST(ForwardingRecord, ShowsConnectedAndOtherRoutes) {
  ForwardingRecord record;
  record.apply(about(RequestOp::address_add, "192.0.2.1/24"));
  Request route = about(RequestOp::route_add, "10.2.0.0/16");
  route.via = parse_address("192.0.2.9")->address;
  record.apply(route);
  route.via = parse_address("192.0.2.2")->address;
  record.apply(route);
  Request blackhole = about(RequestOp::route_add, "10.3.0.0/16");
  blackhole.route_kind = RouteKind::blackhole;
  record.apply(blackhole);
  const Json view = record.view(config_with_port());
  ASSERT_EQ(view["routes"].size(), 3u);
  EXPECT_EQ(view["routes"][0]["prefix"], "192.0.2.0/24");
  EXPECT_EQ(view["routes"][1]["via"], "192.0.2.2");
  EXPECT_EQ(view["routes"][1]["port"], "wan");
  EXPECT_EQ(view["routes"][2]["type"], "blackhole");
}

TEST(ForwardingRecord, ShowsAllNextHopsOfARoute) {
  ForwardingRecord record;
  for (std::uint32_t place = 0; place < 2; ++place) {
    Request hop{.op = RequestOp::route_hop, .family = Family::v4, .index = place};
    hop.weight = static_cast<std::uint16_t>(3 - place);
    hop.via = parse_address(place == 0 ? "192.0.2.2" : "192.0.2.3")->address;
    record.apply(hop);
  }
  Request route = about(RequestOp::route_add, "10.2.0.0/16");
  route.index = 2;
  record.apply(route);
  const Json shown = record.view(config_with_port())["routes"][0];
  EXPECT_EQ(shown["via"], nullptr);
  EXPECT_EQ(shown["nexthops"], Json::parse(R"([{"via": "192.0.2.2", "port": "wan", "weight": 3},
                            {"via": "192.0.2.3", "port": "wan", "weight": 2}])"));
  route = about(RequestOp::route_add, "10.2.0.0/16");
  record.apply(route);
  EXPECT_EQ(record.view(config_with_port())["routes"][0]["nexthops"].size(), 1u);
}

TEST(ForwardingRecord, ShowsTheSubnetOfSeveralAddressesOnce) {
  ForwardingRecord record;
  record.apply(about(RequestOp::address_add, "192.0.2.1/24"));
  record.apply(about(RequestOp::address_add, "192.0.2.3/24"));
  const Json view = record.view(config_with_port());
  EXPECT_EQ(view["addresses"].size(), 2u);
  EXPECT_EQ(view["routes"].size(), 1u);
}

TEST(ForwardingRecord, ForgetsARouteThatIsDeleted) {
  ForwardingRecord record;
  record.apply(about(RequestOp::route_add, "10.2.0.0/16"));
  record.apply(about(RequestOp::route_delete, "10.2.0.0/16"));
  EXPECT_TRUE(record.view(config_with_port())["routes"].empty());
}

TEST(ForwardingRecord, ShowsIpv6AndNoRoutesToEveryLinksOwnNetwork) {
  ForwardingRecord record;
  record.apply(about(RequestOp::address_add, "fe80::1/64"));
  record.apply(about(RequestOp::address_add, "2001:db8::1/64"));
  record.apply(about(RequestOp::address_add, "2001:db8:1::1/128"));
  Request route = about(RequestOp::route_add, "2001:db8:2::/48");
  route.via = parse_address("fe80::2")->address;
  record.apply(route);
  const Json view = record.view(config_with_port());
  EXPECT_EQ(view["addresses"].size(), 3u);
  ASSERT_EQ(view["routes"].size(), 2u);
  EXPECT_EQ(view["routes"][0]["prefix"], "2001:db8::/64");
  EXPECT_EQ(view["routes"][0]["type"], "connected");
  EXPECT_EQ(view["routes"][1]["prefix"], "2001:db8:2::/48");
  EXPECT_EQ(view["routes"][1]["via"], "fe80::2");
}

}  // namespace
}  // namespace culvert
