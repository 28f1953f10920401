// SPDX-License-Identifier: BSD-3-Clause
#include "control/policy_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "control/config.h"

namespace culvert {
namespace {

using testing::HasSubstr;

PolicyFields discard() {
  return {{"direction", "out"}, {"action", "discard"}};
}
PolicyFields protect() {
  return {{"direction", "out"},
          {"action", "protect"},
          {"template.src", "192.0.2.1"},
          {"template.dst", "192.0.2.2"},
          {"template.reqid", "7"}};
}
PolicyFields with(PolicyFields fields, const PolicyFields& more) {
  for (const auto& [key, value] : more) fields[key] = value;
  return fields;
}

TEST(PolicyText, SaysAgainWhatWasRead) {
  const std::pair<PolicyFields, std::string> cases[] = {
      {discard(), "policy out from any to any any: discard, priority 0"},
      {with(discard(), {{"src", "10.1.0.0/24"}, {"priority", "9"}}),
       "policy out from 10.1.0.0/24 to 0.0.0.0/0 any: discard, priority 9"},
      {with(discard(), {{"src", "10.1.0.5-10.1.0.90"}, {"dst", "10.2.0.1"}}),
       "policy out from 10.1.0.5-10.1.0.90 to 10.2.0.1/32 any: discard, priority 0"},
      {with(
           discard(),
           {{"src", "2001:db8::5-2001:db8::ff"}, {"protocol", "icmpv6"}, {"icmp_type", "128-129"}}),
       "policy out from 2001:db8::5-2001:db8::ff to ::/0 icmpv6 type 128-129 code any: discard, "
       "priority 0"},
      {with(discard(), {{"protocol", "udp"}, {"src_ports", "53"}, {"dst_ports", "1000-2000"}}),
       "policy out from any to any udp ports 53 to 1000-2000: discard, priority 0"},
      {with(discard(), {{"protocol", "icmp"}, {"icmp_type", "3"}, {"icmp_code", "0-4"}}),
       "policy out from any to any icmp type 3 code 0-4: discard, priority 0"},
      {with(protect(), {{"dst", "10.2.0.0/16"}, {"spread", "true"}}),
       "policy out from 0.0.0.0/0 to 10.2.0.0/16 any: protect, priority 0, tunnel 192.0.2.1 to "
       "192.0.2.2 reqid 7, spread"},
      {{{"direction", "in"}, {"action", "protect"}, {"template.optional", "true"}},
       "policy in from any to any any: protect, priority 0, tunnel any to any reqid 0 optional"},
  };
  for (const auto& [fields, text] : cases) {
    const PolicyReading reading = policy_of_fields(fields, PolicyOrigin::command);
    ASSERT_TRUE(reading.policy) << text << reading.faults.front().message;
    EXPECT_EQ(policy_text(*reading.policy), text);
  }
}

TEST(PolicyText, TakesARangeOfOneForThatOne) {
  const auto reading = policy_of_fields(
      with(discard(), {{"src", "10.1.0.5-10.1.0.5"}, {"protocol", "tcp"}, {"dst_ports", "80-80"}}),
      PolicyOrigin::command);
  ASSERT_TRUE(reading.policy);
  EXPECT_EQ(reading.policy->ranges, SelectorRanges{});
  EXPECT_EQ(reading.policy->selector.src_prefix_bits, 32);
  EXPECT_EQ(reading.policy->selector.dst_port_mask, Be16{0xffff});
}

TEST(PolicyText, SaysWhatIsWrongAndWhatIsAllowed) {
  struct Case {
    PolicyFields fields;
    std::string key;
    std::string message;
  };
  const PolicyFields udp = {{"protocol", "udp"}};
  const Case cases[] = {
      {{{"action", "discard"}}, "direction", "is missing: \"in\" or \"out\""},
      {{{"direction", "out"}}, "action", "is missing"},
      {with(discard(), {{"direction", "fwd"}}), "direction", "must be \"in\" or \"out\""},
      {with(discard(), {{"action", "allow"}}), "action", "must be \"protect\""},
      {with(discard(), {{"priority", "-1"}}), "priority", "must be a whole number"},
      {with(discard(), {{"src", "10.1.0.9-10.1.0.5"}}), "src", "ends before it begins"},
      {with(discard(), {{"src", "10.1.0.9-2001:db8::1"}}), "src", "the other an IPv6 address"},
      {with(discard(), {{"src", "10.1.0.9-"}}), "src", "both ends of the range"},
      {with(discard(), {{"src", "10.1.0.5/24"}}), "src", "did you mean \"10.1.0.0/24\"?"},
      {with(discard(), {{"src", "lan"}}), "src", "must be a prefix such as"},
      {with(discard(), {{"src", "10.1.0.0/24"}, {"dst", "2001:db8::/32"}}), "dst",
       "must be IPv4 as src is"},
      {with(discard(), {{"protocol", "quic"}}), "protocol", "must be tcp, udp"},
      {with(discard(), {{"protocol", "icmp"}, {"src", "2001:db8::/32"}}), "protocol",
       "there it is \"icmpv6\""},
      {with(discard(), with(udp, {{"dst_ports", "2000-1000"}})), "dst_ports",
       "ends before it begins"},
      {with(discard(), with(udp, {{"dst_ports", "1-65536"}})), "dst_ports",
       "must be a number from 0 to 65535"},
      {with(discard(), {{"src_ports", "53"}}), "src_ports", "needs protocol tcp"},
      {with(discard(), with(udp, {{"icmp_type", "3"}})), "icmp_type", "needs protocol icmp"},
      {with(discard(), {{"protocol", "icmp"}, {"icmp_type", "256"}}), "icmp_type",
       "must be a number from 0 to 255"},
      {with(discard(), {{"protocol", "icmp"}, {"icmp_code", "3"}}), "icmp_code", "needs icmp_type"},
      {with(discard(), {{"template.reqid", "3"}}), "action", "takes no template"},
      {with(discard(), {{"spread", "true"}}), "spread", "direction out and action protect"},
      {with(discard(), {{"destination", "any"}}), "destination", "no such field; there are"},
      {{{"direction", "out"}, {"action", "protect"}}, "template", "is missing"},
      {with(protect(), {{"template.dst", "2001:db8::1"}}), "template.dst",
       "of the family of template.src"},
      {with(protect(), {{"template.mode", "beet"}}), "template.mode",
       "must be \"tunnel\" or \"transport\""},
      {with(protect(), {{"template.optional", "true"}}), "template.optional", "cannot be"},
      {with(protect(), {{"template.reqid", "x"}}), "template.reqid", "must be a whole number"},
  };
  for (const Case& wrong : cases) {
    const PolicyReading reading = policy_of_fields(wrong.fields, PolicyOrigin::command);
    EXPECT_FALSE(reading.policy);
    ASSERT_EQ(reading.faults.size(), 1u) << wrong.key << wrong.message;
    EXPECT_EQ(reading.faults[0].key, wrong.key);
    EXPECT_THAT(reading.faults[0].message, HasSubstr(wrong.message));
  }
}

constexpr std::string_view kGateway = R"(
[[port]]
name = "wan"
device = "wan0"
)";

ConfigResult parse(std::string_view text) {
  const Machine machine{.cores = {0}, .memory_bytes = 16ull << 30};
  return parse_config(std::string(kGateway) + std::string(text), "gw.toml", machine);
}

TEST(ConfigPolicies, AreReadWithTheirRanges) {
  const ConfigResult result = parse(R"(
[policy]
default = "bypass"

[[policy.entry]]
direction = "out"
action = "protect"
priority = 20
src = "10.1.0.5-10.1.0.90"
dst = "10.2.0.0/16"
protocol = 17
src_ports = 53
dst_ports = "1000-2000"
spread = true
template = { src = "192.0.2.1", dst = "192.0.2.2", mode = "tunnel", reqid = 7 }

[[policy.entry]]
direction = "in"
action = "discard"
)");
  ASSERT_TRUE(result.config) << result.errors.front().text();
  EXPECT_EQ(result.config->default_policy, PolicyAction::bypass);
  ASSERT_EQ(result.config->policies.size(), 2u);
  EXPECT_EQ(policy_text(result.config->policies[0]),
            "policy out from 10.1.0.5-10.1.0.90 to 10.2.0.0/16 udp ports 53 to 1000-2000: protect, "
            "priority 20, tunnel 192.0.2.1 to 192.0.2.2 reqid 7, spread");
  EXPECT_EQ(result.config->policies[0].origin, PolicyOrigin::configuration);
  EXPECT_EQ(result.config->policies[1].verdict, PolicyVerdict::block);
}

TEST(ConfigPolicies, AreRefusedWithFileAndLine) {
  struct Fault {
    std::string_view lines;
    std::string_view message;
  };
  const Fault faults[] = {
      {"src = \"10.1.0.9-10.1.0.5\"",
       "gw.toml:9:7: [[policy.entry]]: src \"10.1.0.9-10.1.0.5\": "
       "the range ends before it begins"},
      {"dst_port = 5", "gw.toml:9:12: [[policy.entry]]: dst_port \"5\": no such field; there are"},
      {"src = [1]", "gw.toml:9:7: src an array: must be a string in quotes"},
      {"template = { reqid = 1 }", "takes no template"},
      {"[[policy.entry]]\ndirection = \"out\"\naction = \"bypass\"",
       "gw.toml:9:1: [[policy.entry]]: policy out from any to any any: given twice"},
  };
  for (const Fault& fault : faults) {
    const auto errors = parse("\n[[policy.entry]]\ndirection = \"out\"\naction = \"discard\"\n" +
                              std::string(fault.lines))
                            .errors;
    ASSERT_EQ(errors.size(), 1u) << fault.lines << (errors.empty() ? "" : errors[0].text());
    EXPECT_THAT(errors[0].text(), HasSubstr(std::string(fault.message)));
  }
}

}  // namespace
}  // namespace culvert
