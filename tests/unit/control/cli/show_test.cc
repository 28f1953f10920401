// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/show.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/cli/table.h"

namespace culvert {
namespace {

using testing::HasSubstr;
using testing::Not;

Json inbound_sa() {
  return {{"spi", "0x00001001"},
          {"direction", "in"},
          {"src", "192.0.2.2"},
          {"dst", "192.0.2.1"},
          {"encap", {{"src_port", 4500}, {"dst_port", 4500}}},
          {"mode", "tunnel"},
          {"algorithm", "aes128-gcm"},
          {"esn", true},
          {"reqid", 1},
          {"sequence", 5},
          {"packets", 4},
          {"bytes", 400},
          {"drops", {{"esp_in_replay", 2}, {"esp_in_icv", 1}}},
          {"replay", {{"window", 64}, {"top", 5}, {"bitmap", "000000000000001f"}}},
          {"last_used_seconds_ago", 3},
          {"age_seconds", 60}};
}

TEST(Table, AlignsNumbersRightAndTextLeft) {
  Table table({"name", "packets"});
  table.add_row({"wan", 5});
  table.add_row({"a longer name", 12345678});
  EXPECT_EQ(table.text(),
            "name            packets\n"
            "wan                   5\n"
            "a longer name  12345678\n");
}

TEST(SasText, SaysEverythingAboutAnSa) {
  const std::string text = sas_text(Json::array({inbound_sa()}), SaDetail::full);
  for (const char* part :
       {"SPI 0x00001001  in  192.0.2.2:4500 -> 192.0.2.1:4500", "tunnel, aes128-gcm", "ESN yes",
        "packets 4, bytes 400, highest sequence number 5", "replay window 64", "000000000000001f",
        "drops: esp_in_replay 2, esp_in_icv 1", "last used 3 s ago, age 60 s"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(SasText, SaysNeverForAnSaThatWasNotUsed) {
  Json sa = inbound_sa();
  sa["last_used_seconds_ago"] = nullptr;
  EXPECT_THAT(sas_text(Json::array({sa}), SaDetail::full), HasSubstr("last used never"));
}

TEST(SasText, LeavesTheWindowOutForOutboundSas) {
  Json sa = inbound_sa();
  sa["direction"] = "out";
  EXPECT_THAT(sas_text(Json::array({sa}), SaDetail::full), Not(HasSubstr("replay window")));
}

TEST(SasText, FitsAnSaIntoOneLine) {
  const std::string text = sas_text(Json::array({inbound_sa()}), SaDetail::brief);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_THAT(text, HasSubstr("last use [s ago]"));
}

TEST(PoliciesText, EndsWithTheDefault) {
  const Json data = {{"policies", Json::array()},
                     {"default", "bypass"},
                     {"defaults", {{"in", "bypass"}, {"out", "bypass"}, {"fwd", "bypass"}}}};
  EXPECT_EQ(policies_text(data), "no policies\ndefault bypass\n");
}

TEST(PoliciesText, SaysWhichDefaultsWereAskedForWhereTheyDiffer) {
  const Json data = {{"policies", Json::array()},
                     {"default", "discard"},
                     {"defaults", {{"in", "bypass"}, {"out", "discard"}, {"fwd", "bypass"}}}};
  EXPECT_THAT(policies_text(data),
              HasSubstr("default discard (asked for: in bypass, out discard, fwd bypass; where one "
                        "is discard, all are)"));
}

TEST(RoutesText, HasALineForEachNextHop) {
  const std::string text = routes_text(Json::parse(R"({"routes": [
      {"prefix": "10.2.0.0/16", "type": "unicast", "via": null, "port": null, "nexthops": [
          {"via": "192.0.2.2", "port": "wan", "weight": 3},
          {"via": "192.0.2.3", "port": "lan", "weight": 1}]},
      {"prefix": "10.3.0.0/16", "type": "unicast", "via": "192.0.2.4", "port": "wan", "nexthops": [
          {"via": "192.0.2.4", "port": "wan", "weight": 1}]}]})"));
  EXPECT_THAT(text, testing::ContainsRegex("10.2.0.0/16 +unicast +192.0.2.2 +wan +3"));
  EXPECT_THAT(text, testing::ContainsRegex("10.2.0.0/16 +unicast +192.0.2.3 +lan +1"));
  EXPECT_THAT(text, testing::ContainsRegex("10.3.0.0/16 +unicast +192.0.2.4 +wan +-"));
}

TEST(DropsText, ShowsReasonsWithTheirMeaning) {
  const Json drops = {{{"name", "esp_in_icv"}, {"packets", 3}, {"help", "forged"}}};
  EXPECT_THAT(drops_text(drops, "no drops"), HasSubstr("esp_in_icv        3  forged"));
  EXPECT_EQ(drops_text(Json::array(), "no drops"), "no drops\n");
}

}  // namespace
}  // namespace culvert
