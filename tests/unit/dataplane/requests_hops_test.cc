// SPDX-License-Identifier: BSD-3-Clause
// Routes of several next hops, as control asks for them.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "tests/unit/dataplane/requests_fixture.h"

namespace culvert {
namespace {

using RequestsForHops = HostileRequests;

TEST_F(RequestsForHops, CountInTheirPlacesBeforeTheirRouteAlone) {
  const auto hop = [](std::uint32_t place, std::uint8_t last) {
    return Request{.op = RequestOp::route_hop,
                   .family = Family::v4,
                   .index = place,
                   .weight = 1,
                   .via = IpAddress::v4(Be32(0xc0000200u + last))};
  };
  Request route{.op = RequestOp::route_add, .family = Family::v4, .prefix_bits = 8, .index = 2};
  const auto is_group = [&] {
    return fib_->packed(fib_->lookup(Ipv4Address{1})).kind() == AdjacencyKind::group;
  };
  EXPECT_EQ(ask(route), Refusal::bad_hop_place);
  EXPECT_EQ(ask(hop(1, 2)), Refusal::bad_hop_place);
  EXPECT_EQ(ask(hop(0, 2)), Refusal::none);
  EXPECT_EQ(ask(route), Refusal::bad_hop_place);  // one of two
  EXPECT_EQ(ask(hop(0, 2)), Refusal::none);
  EXPECT_EQ(ask(hop(2, 3)), Refusal::bad_hop_place);
  EXPECT_EQ(ask(hop(1, 3)), Refusal::bad_hop_place);  // the row has ended
  EXPECT_EQ(ask(hop(0, 2)), Refusal::none);
  EXPECT_EQ(ask({.op = RequestOp::commit}), Refusal::none);  // others may come in between
  EXPECT_EQ(ask(hop(1, 3)), Refusal::none);
  EXPECT_EQ(ask(route), Refusal::none);
  EXPECT_TRUE(is_group());
  EXPECT_EQ(ask(route), Refusal::bad_hop_place);  // they serve once
  EXPECT_TRUE(is_group());
}

TEST_F(RequestsForHops, AreRefusedByNameWhereNextHopsAreOutOfTheirBounds) {
  const Request good{.op = RequestOp::route_hop, .family = Family::v4, .weight = 1};
  const auto with = [&good](auto change) {
    Request request = good;
    change(request);
    return request;
  };
  EXPECT_EQ(ask(with([](Request& request) { request.family = Family{5}; })), Refusal::bad_family);
  EXPECT_EQ(ask(with([](Request& request) { request.port = 2; })), Refusal::bad_port);
  EXPECT_EQ(ask(with([](Request& request) { request.weight = 0; })), Refusal::bad_weight);
  EXPECT_EQ(ask(with([](Request& request) { request.weight = 257; })), Refusal::bad_weight);
  for (std::uint32_t place = 0; place < kMaxRouteHops; ++place) {
    EXPECT_EQ(ask(with([&](Request& request) { request.index = place; })), Refusal::none);
  }
  EXPECT_EQ(ask(with([](Request& request) { request.index = kMaxRouteHops; })),
            Refusal::too_many_hops);
  // Twice the same, and of two families.
  EXPECT_EQ(ask(good), Refusal::none);
  EXPECT_EQ(ask(with([](Request& request) { request.index = 1; })), Refusal::none);
  Request route{.op = RequestOp::route_add, .family = Family::v6, .prefix_bits = 8, .index = 2};
  EXPECT_EQ(ask(route), Refusal::bad_family);
  route.family = Family::v4;
  EXPECT_EQ(ask(route), Refusal::duplicate_hop);
}

// So many SAs between the same ends that both next hops get some.
TEST_F(RequestsForHops, KeepAnSaOnOneNextHopUntilItsLinkFails) {
  const PortId kHops[] = {PortId{0}, PortId{1}};
  const std::array hops{WeightedHop<Ipv4Address>{Ipv4Address{0x0a000002}, kHops[0]},
                        WeightedHop<Ipv4Address>{Ipv4Address{0x0b000002}, kHops[1]}};
  ASSERT_EQ(fib_->route_add({Ipv4Address{0xc0000200}, 24}, hops), Refusal::none);
  fib_->publish();
  const auto next_hops = [&] {
    std::vector<std::uint16_t> ports;
    for (std::uint32_t i = 0; i < kMaxSas; ++i) {
      const AdjacencyIndex next{sad_->sa(SaIndex{i})->adjacency.load()};
      ports.push_back(fib_->packed(next).port().raw());
    }
    return ports;
  };
  write_sa();
  SaSpec spec = theirs_.sa_specs()[3];
  spec.direction = Direction::out;
  for (std::uint32_t i = 0; i < kMaxSas; ++i) {
    spec.spi = 0x1000 + i;
    theirs_.keys()[i] = {.generation = 7, .key_bytes = 20, .key = {}};
    theirs_.sa_specs()[i] = spec;
    ASSERT_EQ(ask({.op = RequestOp::sa_add, .index = i, .generation = 7}), Refusal::none);
  }
  const auto before = next_hops();
  const auto first = std::ranges::count(before, std::uint16_t{0});
  EXPECT_GT(first, kMaxSas / 4);
  EXPECT_LT(first, kMaxSas * 3 / 4);
  requests_->set_link(kHops[1], false);
  EXPECT_EQ(next_hops(), std::vector<std::uint16_t>(kMaxSas, 0));
  requests_->set_link(kHops[1], true);
  EXPECT_EQ(next_hops(), before);
  // Behind one UDP header all go one way.
  for (std::uint32_t i = 0; i < kMaxSas; ++i) {
    SaSpec& moved = theirs_.sa_specs()[i];
    moved.flags = kSaUdpEncap;
    moved.encap_src_port = moved.encap_dst_port = Be16(4500);
    ASSERT_EQ(ask({.op = RequestOp::sa_update, .index = i, .generation = 7}), Refusal::none);
  }
  const auto behind_udp = next_hops();
  EXPECT_EQ(behind_udp, std::vector<std::uint16_t>(kMaxSas, behind_udp.front()));
}

}  // namespace
}  // namespace culvert
