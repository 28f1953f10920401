// SPDX-License-Identifier: BSD-3-Clause
#include "control/netlink/static_requests.h"

#include <gmock/gmock.h>

#include "tests/unit/control/netlink/request_text.h"

namespace culvert {
namespace {

AddressPrefix prefix(std::string_view text) {
  const auto parsed = parse_prefix(text);
  return {.family = parsed->family, .prefix_bits = parsed->prefix_bits, .address = parsed->address};
}

TEST(StaticRequests, CarryTheConfigurationsAddressesRoutesAndNeighborsInThisOrder) {
  Config config;
  config.ports = {{.name = "wan", .addresses = {prefix("192.0.2.1/24")}},
                  {.name = "lan", .addresses = {prefix("10.1.0.1/16"), prefix("10.3.0.1/16")}}};
  config.routes = {
      {.prefix = prefix("10.2.0.0/16"), .hops = {{.via = parse_address("192.0.2.2")->address}}},
      {.prefix = prefix("10.9.0.0/16"), .kind = RouteKind::blackhole}};
  config.neighbors = {{.family = Family::v4,
                       .address = parse_address("10.1.0.2")->address,
                       .mac = {2, 0, 0, 0, 0, 2},
                       .port = 1}};
  std::vector<std::string> texts;
  for (const Request& request : static_requests(config)) texts.push_back(text_of(request));
  EXPECT_THAT(texts, testing::ElementsAre("address_add 0 192.0.2.1/24", "address_add 1 10.1.0.1/16",
                                          "address_add 1 10.3.0.1/16",
                                          "route_add 0 10.2.0.0/16 via 192.0.2.2",
                                          "route_add blackhole 10.9.0.0/16",
                                          "neighbor_set 1 10.1.0.2 02:00:00:00:00:02"));
}

TEST(StaticRequests, CarrySeveralNextHopsBeforeTheirRoute) {
  Config config;
  config.ports = {{.name = "wan"}, {.name = "lan"}};
  config.routes = {
      {.prefix = prefix("10.2.0.0/16"),
       .hops = {{.via = parse_address("192.0.2.2")->address, .port = 0, .weight = 2},
                {.via = parse_address("192.0.2.2")->address, .port = 1, .weight = 1}}}};
  std::vector<std::string> texts;
  for (const Request& request : static_requests(config)) texts.push_back(text_of(request));
  EXPECT_THAT(texts, testing::ElementsAre("route_hop 0 0 via 192.0.2.2 weight 2",
                                          "route_hop 1 1 via 192.0.2.2 weight 1",
                                          "route_add 10.2.0.0/16 2"));
}

TEST(StaticRequests, CarryBothFamilies) {
  Config config;
  config.ports = {{.name = "wan", .addresses = {prefix("2001:db8::1/64"), prefix("192.0.2.1/24")}}};
  config.routes = {
      {.prefix = prefix("2001:db8:2::/48"), .hops = {{.via = parse_address("fe80::2")->address}}}};
  config.neighbors = {{.family = Family::v6,
                       .address = parse_address("fe80::2")->address,
                       .mac = {2, 0, 0, 0, 0, 2},
                       .port = 0}};
  std::vector<std::string> texts;
  for (const Request& request : static_requests(config)) texts.push_back(text_of(request));
  EXPECT_THAT(texts,
              testing::ElementsAre("address_add 0 2001:db8::1/64", "address_add 0 192.0.2.1/24",
                                   "route_add 0 2001:db8:2::/48 via fe80::2",
                                   "neighbor_set 0 fe80::2 02:00:00:00:00:02"));
}

}  // namespace
}  // namespace culvert
