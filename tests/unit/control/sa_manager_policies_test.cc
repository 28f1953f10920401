// SPDX-License-Identifier: BSD-3-Clause
// Policies that did not come by XFRM: with ranges, from the configuration or by command.
#include <cerrno>

#include "control/policy_text.h"
#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

Policy own(PolicyOrigin origin, std::string ports, PolicyFields more = {}) {
  PolicyFields fields = {
      {"direction", "out"},          {"action", "protect"},         {"src", "10.1.0.5-10.1.0.90"},
      {"dst", "10.2.0.0/16"},        {"protocol", "udp"},           {"dst_ports", std::move(ports)},
      {"template.src", "192.0.2.1"}, {"template.dst", "192.0.2.2"}, {"template.reqid", "1"}};
  for (const auto& [key, value] : more) fields[key] = value;
  PolicyReading reading = policy_of_fields(fields, origin);
  EXPECT_TRUE(reading.policy);
  return reading.policy.value_or(Policy{});
}
Policy configured(std::string ports, PolicyFields more = {}) {
  return own(PolicyOrigin::configuration, std::move(ports), std::move(more));
}

class SaManagerPolicies : public SaManagerTest {
 protected:
  void configure(const std::vector<Policy>& policies) {
    const Result<void> set = manager_->set_configured_policies(policies);
    ASSERT_TRUE(set) << set.error().message;
  }
  // What the dataplane has, by the first port.
  [[nodiscard]] std::map<std::uint16_t, PolicySpec> pushed() {
    std::map<std::uint16_t, PolicySpec> result;
    for (const auto& [slot, spec] : dataplane_.policies()) {
      result[spec.selector.dst_port.host()] = spec;
    }
    return result;
  }
};

TEST_F(SaManagerPolicies, ReachTheDataplaneWithTheirRangesAndTheirSas) {
  const SaIndex sa = add(outbound(0x1001), key_number(1));
  configure({configured("1000-2000", {{"spread", "true"}})});
  ASSERT_EQ(pushed().size(), 1u);
  const PolicySpec spec = pushed().at(1000);
  EXPECT_EQ(spec.ranges.fields, kRangeSrc | kRangeDstPort);
  EXPECT_EQ(spec.ranges.src_last, ipv4(10, 1, 0, 90));
  EXPECT_EQ(spec.ranges.dst_port_last, Be16{2000});
  EXPECT_EQ(spec.spreads, 1);
  ASSERT_EQ(spec.sa_count, 1);
  EXPECT_EQ(spec.sas[0], sa.raw());
}

TEST_F(SaManagerPolicies, OfTheConfigurationFollowIt) {
  configure({configured("1000-2000"), configured("3000-4000")});
  EXPECT_EQ(pushed().size(), 2u);
  static_cast<void>(dataplane_.take_requests());
  configure({configured("1000-2000"), configured("3000-4000")});
  EXPECT_TRUE(dataplane_.take_requests().empty());  // nothing is different
  configure({configured("3000-4000", {{"priority", "5"}}), configured("5000-6000")});
  const auto there = pushed();
  ASSERT_EQ(there.size(), 2u);
  EXPECT_EQ(there.at(3000).priority, 5u);
  EXPECT_TRUE(there.contains(5000));
}

TEST_F(SaManagerPolicies, OfOthersStayWhenTheConfigurationChanges) {
  ASSERT_TRUE(manager_->add_policy(out_policy(1)));
  ASSERT_TRUE(manager_->add_policy(own(PolicyOrigin::command, "1000-2000")));
  configure({configured("1000-2000")});
  EXPECT_EQ(dataplane_.policies().size(), 3u);
  configure({});
  EXPECT_EQ(dataplane_.policies().size(), 2u);
}

TEST_F(SaManagerPolicies, AreChangedAllOrNotAtAll) {
  configure({configured("1000-2000")});
  const PolicySpec* const specs = dataplane_.regions().policy_specs().data();
  dataplane_.set_refuse([specs](const Request& request) {
    const bool is_second =
        request.op == RequestOp::policy_set && specs[request.index].selector.dst_port == Be16{5000};
    return is_second ? Refusal::too_many_ranges : Refusal::none;
  });
  const Result<void> set = manager_->set_configured_policies(
      std::vector{configured("3000-4000"), configured("5000-6000")});
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code, ENOBUFS);
  EXPECT_NE(set.error().message.find("overlap in one place"), std::string::npos);
  EXPECT_NE(set.error().message.find("ports any to 5000-6000: "), std::string::npos);
  dataplane_.set_refuse({});
  const auto policy = manager_->next_policy(0);
  ASSERT_TRUE(policy);
  EXPECT_EQ(policy->selector.dst_port, Be16{1000});
  EXPECT_FALSE(manager_->next_policy(policy->slot + 1));
}

TEST_F(SaManagerPolicies, AreNotCountedNorFlushedByXfrm) {
  ASSERT_TRUE(manager_->add_policy(out_policy(1)));
  configure({configured("1000-2000")});
  const auto out = static_cast<std::size_t>(PolicyDirection::out);
  EXPECT_EQ(manager_->spd_counts().policies[out], 1u);
  const Result<std::size_t> flushed = manager_->flush_policies(kPolicyTypeMain);
  ASSERT_TRUE(flushed);
  EXPECT_EQ(*flushed, 1u);
  EXPECT_TRUE(pushed().contains(1000));
}

TEST_F(SaManagerPolicies, AreToldApartByTheirRanges) {
  ASSERT_TRUE(manager_->add_policy(own(PolicyOrigin::command, "1000-2000")));
  ASSERT_TRUE(manager_->add_policy(own(PolicyOrigin::command, "1000-2001")));
  const Result<Policy> again = manager_->add_policy(own(PolicyOrigin::command, "1000-2000"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, EEXIST);
  ASSERT_TRUE(manager_->remove_policy(id_of(own(PolicyOrigin::command, "1000-2000"))));
  EXPECT_EQ(pushed().at(1000).ranges.dst_port_last, Be16{2001});
}

TEST_F(SaManagerPolicies, SurviveControl) {
  configure({configured("1000-2000", {{"spread", "true"}})});
  const auto before = manager_->next_policy(0);
  restart_control();
  ASSERT_TRUE(manager_->reconcile());
  EXPECT_EQ(manager_->next_policy(0), before);
  static_cast<void>(dataplane_.take_requests());
  configure({configured("1000-2000", {{"spread", "true"}})});
  EXPECT_TRUE(dataplane_.take_requests().empty());
}

TEST_F(SaManagerPolicies, OfXfrmSpreadWhereTheConfigurationSaysSo) {
  const Result<Policy> policy = manager_->add_policy(out_policy(1));
  ASSERT_TRUE(policy);
  commit_dataplane();
  EXPECT_EQ(dataplane_.policies().at(policy->slot).spreads, 0);
  spreads_xfrm_policies_ = true;
  restart_control();
  ASSERT_TRUE(manager_->reconcile());
  EXPECT_EQ(dataplane_.policies().at(policy->slot).spreads, 1);
  EXPECT_FALSE(manager_->next_policy(0)->spreads);  // nobody asked for it
}

}  // namespace
}  // namespace culvert
