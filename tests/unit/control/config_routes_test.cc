// SPDX-License-Identifier: BSD-3-Clause
// The next hops of [[route]].
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/address_text.h"
#include "control/config.h"

namespace culvert {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ConfigResult parse(std::string_view text) {
  return parse_config(text, "gw.toml", {.cores = {0}, .memory_bytes = 16ull << 30});
}

std::vector<std::string> errors_of(std::string_view text) {
  std::vector<std::string> texts;
  for (const ConfigError& error : parse(text).errors) texts.push_back(error.text());
  return texts;
}

std::string port_with(std::string_view lines) {
  return "[[port]]\nname = \"wan\"\ndevice = \"wan0\"\n" + std::string(lines) + "\n";
}

// A route with these next hops.
std::string hops_text(const std::string& hops, const std::string& more = "") {
  return port_with("addresses = [\"192.0.2.1/24\"]\n[[route]]\nprefix = \"10.2.0.0/16\"\n" + more +
                   "\nnexthops = [" + hops + "]");
}

TEST(ConfigRoutes, ReadsSeveralNextHops) {
  const auto result =
      parse(hops_text("{ via = \"192.0.2.2\", port = \"wan\", weight = 256 },"
                      "{ via = \"192.0.2.3\", port = \"wan\" }"));
  ASSERT_TRUE(result.config.has_value());
  const auto& hops = result.config->routes.at(0).hops;
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(address_text(Family::v4, hops[0].via), "192.0.2.2");
  EXPECT_EQ(hops[0].weight, 256);
  EXPECT_EQ(hops[1].weight, 1);
}

TEST(ConfigRoutes, SaysWhatIsWrongWithNextHops) {
  const std::string good = "{ via = \"192.0.2.2\", port = \"wan\" }";
  std::string many = good;
  for (int i = 0; i < 32; ++i) many += ", " + good;
  const struct {
    std::string text;
    const char* message;
  } kFaults[] = {
      {hops_text(""), "nexthops an array: must be a list of 1 to 32 tables"},
      {hops_text("\"192.0.2.2\""), "nexthops \"192.0.2.2\": must be a table"},
      {hops_text(good, "port = \"wan\""), "port: stands in each of nexthops, not beside them"},
      {hops_text(good, "via = \"192.0.2.3\""), "via: stands in each of nexthops"},
      {hops_text(good, "type = \"blackhole\""), "nexthops: a blackhole has none"},
      {hops_text("{ port = \"wan\" }"), "nexthops: \"via\" is missing"},
      {hops_text("{ via = \"192.0.2.2\" }"), "nexthops: \"port\" is missing"},
      {hops_text("{ via = \"192.0.2.2\", port = \"van\" }"), "no [[port]] has this name"},
      {hops_text("{ via = \"192.0.2.2\", port = \"wan\", weight = 0 }"),
       "weight 0: must be a whole number, 1 to 256"},
      {hops_text("{ via = \"192.0.2.2\", port = \"wan\", weight = 257 }"), "weight 257: must be"},
      {hops_text("{ via = \"192.0.2.2\", port = \"wan\", wait = 2 }"), "unknown key \"wait\""},
      {hops_text(good + ", { via = \"198.51.100.2\", port = \"wan\" }"),
       "via \"198.51.100.2\": must be on a network of port \"wan\": 192.0.2.0/24"},
      {hops_text("{ via = \"2001:db8::2\", port = \"wan\" }"),
       "must be an IPv4 address, as the prefix is"},
      {hops_text(good + ", " + good), "via \"192.0.2.2\" on port \"wan\" is given twice"},
      {hops_text(many), "nexthops: has 33, a route has 1 to 32 of them"},
  };
  for (const auto& fault : kFaults) {
    EXPECT_THAT(errors_of(fault.text), ElementsAre(HasSubstr(fault.message))) << fault.text;
  }
}

TEST(ConfigRoutes, TakesNextHopsOnNetworksOfTheirPortOnly) {
  constexpr std::string_view kPorts =
      "addresses = [\"192.0.2.1/24\", \"2001:db8::1/64\"]\n"
      "[[port]]\nname = \"lan\"\ndevice = \"lan0\"\naddresses = [\"10.1.0.1/16\"]\n"
      "[[route]]\nprefix = \"198.51.100.0/25\"\nport = \"wan\"\n"
      "[[route]]\nprefix = \"10.9.0.0/16\"\n";
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"via = \"192.0.2.9\"\nport = \"wan\"", ""},
      {"via = \"10.1.200.9\"\nport = \"lan\"", ""},
      {"via = \"198.51.100.9\"\nport = \"wan\"", ""},  // by the route on the link
      {"via = \"203.0.113.9\"\nport = \"wan\"",
       "gw.toml:14:7: via \"203.0.113.9\": must be on a network of port \"wan\": "
       "198.51.100.0/25, 192.0.2.0/24"},
      {"via = \"192.0.2.9\"\nport = \"lan\"", "must be on a network of port \"lan\": 10.1.0.0/16"},
      {"via = \"198.51.100.129\"\nport = \"wan\"", "must be on a network"},
      {"port = \"wan\"\n[[route]]\nprefix = \"2001:db8:1::/48\"\nvia = \"2001:db8::2\"\n"
       "port = \"wan\"",
       ""},
      {"port = \"wan\"\n[[route]]\nprefix = \"2001:db8:1::/48\"\nvia = \"fe80::2\"\n"
       "port = \"lan\"",
       ""},
      {"port = \"wan\"\n[[route]]\nprefix = \"2001:db8:1::/48\"\nvia = \"2001:db8::2\"\n"
       "port = \"lan\"",
       "port \"lan\" has no IPv6 network"},
      {"via = \"203.0.113.9\"\ntype = \"blackhole\"", ""},
  };
  for (const auto& [lines, message] : cases) {
    const auto errors = errors_of(port_with(std::string(kPorts) + std::string(lines)));
    if (message.empty()) {
      EXPECT_THAT(errors, ElementsAre()) << lines;
    } else {
      EXPECT_THAT(errors, ElementsAre(HasSubstr(std::string(message)))) << lines;
    }
  }
}

}  // namespace
}  // namespace culvert
