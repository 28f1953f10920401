// SPDX-License-Identifier: BSD-3-Clause
#include <cerrno>

#include "control/address_text.h"
#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

class SaManagerSpd : public SaManagerTest {
 protected:
  [[nodiscard]] Policy add_policy(const Policy& policy) {
    const Result<Policy> added = manager_->add_policy(policy);
    EXPECT_TRUE(added) << added.error().message;
    return added ? *added : Policy{};
  }
  // The SAs that the dataplane was told for this policy.
  [[nodiscard]] std::vector<std::uint32_t> pushed_sas(std::uint32_t slot) {
    const PolicySpec spec = dataplane_.policies().at(slot);
    return {spec.sas.begin(), spec.sas.begin() + spec.sa_count};
  }
};

TEST_F(SaManagerSpd, LeadsAPolicyToItsSasNewestFirst) {
  const Policy policy = add_policy(out_policy(1));
  EXPECT_TRUE(pushed_sas(policy.slot).empty());
  const SaIndex first = add(outbound(0x1001), key_number(1));
  const SaIndex second = add(outbound(0x1002), key_number(2));
  static_cast<void>(add(outbound(0x1003, 2), key_number(3)));  // another reqid
  static_cast<void>(add(inbound(0x1004), key_number(4)));
  EXPECT_EQ(pushed_sas(policy.slot), (std::vector<std::uint32_t>{second.raw(), first.raw()}));
}

TEST_F(SaManagerSpd, FindsSasThatWereThereBeforeThePolicy) {
  const SaIndex index = add(outbound(0x1001), key_number(1));
  EXPECT_EQ(pushed_sas(add_policy(out_policy(1)).slot), std::vector<std::uint32_t>{index.raw()});
}

TEST_F(SaManagerSpd, MatchesSasAsXfrmStateFindDoes) {
  struct Case {
    const char* what;
    void (*change)(Template&, Policy&);
    bool is_found;
  };
  const Case cases[] = {
      {"all as it is", [](Template&, Policy&) {}, true},
      {"any source", [](Template& wanted, Policy&) { wanted.src = {}; }, true},
      {"another source", [](Template& wanted, Policy&) { wanted.src = kPeer; }, false},
      {"another end", [](Template& wanted, Policy&) { wanted.dst = kOurs; }, false},
      {"no reqid, which is not any", [](Template& wanted, Policy&) { wanted.reqid = 0; }, false},
      {"its SPI", [](Template& wanted, Policy&) { wanted.spi = Spi{0x1001}; }, true},
      {"another SPI", [](Template& wanted, Policy&) { wanted.spi = Spi{0x1002}; }, false},
      {"another if_id", [](Template&, Policy& policy) { policy.if_id = 3; }, false},
      {"a mark the SA does not ask for",
       [](Template&, Policy& policy) {
         policy.mark = {1, 1};
       },
       true},
  };
  const SaIndex index = add(outbound(0x1001), key_number(1));
  std::uint8_t net = 0;
  for (const Case& entry : cases) {
    Policy policy = out_policy(++net);
    entry.change(policy.templates[0], policy);
    const std::vector<std::uint32_t> found = pushed_sas(add_policy(policy).slot);
    EXPECT_EQ(found, entry.is_found ? std::vector<std::uint32_t>{index.raw()}
                                    : std::vector<std::uint32_t>{})
        << entry.what;
  }
}

TEST_F(SaManagerSpd, RepointsThePolicyBeforeItRemovesTheSa) {
  const Policy policy = add_policy(out_policy(1));
  const SaIndex old_sa = add(outbound(0x1001), key_number(1));
  const SaIndex new_sa = add(outbound(0x1002), key_number(2));
  static_cast<void>(dataplane_.take_requests());
  ASSERT_TRUE(manager_->remove(outbound(0x1001).id));
  const std::vector<Request> requests = dataplane_.take_requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].op, RequestOp::policy_set);
  EXPECT_EQ(requests[1].op, RequestOp::sa_delete);
  EXPECT_EQ(requests[1].index, old_sa.raw());
  EXPECT_EQ(pushed_sas(policy.slot), std::vector<std::uint32_t>{new_sa.raw()});
}

TEST_F(SaManagerSpd, AddsTheSaBeforeItPointsThePolicyThere) {
  static_cast<void>(add_policy(out_policy(1)));
  static_cast<void>(dataplane_.take_requests());
  static_cast<void>(add(outbound(0x1001), key_number(1)));
  const std::vector<Request> requests = dataplane_.take_requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].op, RequestOp::sa_add);
  EXPECT_EQ(requests[1].op, RequestOp::policy_set);
}

TEST_F(SaManagerSpd, LeavesPoliciesOfOtherSasAlone) {
  static_cast<void>(add_policy(out_policy(1, 5)));
  static_cast<void>(dataplane_.take_requests());
  static_cast<void>(add(outbound(0x1001, 6), key_number(1)));
  EXPECT_EQ(dataplane_.take_requests().size(), 1u);
}

TEST_F(SaManagerSpd, KeepsTheNewestEightSas) {
  const Policy policy = add_policy(out_policy(1));
  std::vector<std::uint32_t> newest_first;
  for (std::uint32_t i = 0; i < 10; ++i) {
    newest_first.insert(newest_first.begin(), add(outbound(0x1001 + i), key_number(i)).raw());
  }
  newest_first.resize(kMaxPolicySas);
  EXPECT_EQ(pushed_sas(policy.slot), newest_first);
}

TEST_F(SaManagerSpd, TurnsVerdictsAndTemplatesIntoActions) {
  Policy allow = out_policy(1);
  allow.templates.clear();
  Policy block = out_policy(3);
  block.verdict = PolicyVerdict::block;
  Policy use = out_policy(4);
  use.templates[0].is_optional = true;
  Policy forwarded = out_policy(5);
  forwarded.direction = PolicyDirection::fwd;
  const auto spec = [this](const Policy& policy) {
    const std::uint32_t slot = add_policy(policy).slot;
    return dataplane_.policies().at(slot);
  };
  EXPECT_EQ(spec(allow).action, PolicyAction::bypass);
  EXPECT_EQ(spec(block).action, PolicyAction::discard);
  EXPECT_EQ(spec(use).is_optional, 1);
  const PolicySpec inbound_spec = spec(forwarded);
  EXPECT_EQ(inbound_spec.direction, Direction::in);
  EXPECT_EQ(inbound_spec.action, PolicyAction::protect);
  EXPECT_EQ(inbound_spec.reqid, 1u);
  EXPECT_EQ(inbound_spec.template_dst, kPeer);
}

TEST_F(SaManagerSpd, RefusesWhatNetXfrmRefuses) {
  struct Case {
    const char* what;
    void (*spoil)(Policy&);
    int code;
  };
  const Case cases[] = {
      {"direction 3", [](Policy& policy) { policy.direction = PolicyDirection{3}; }, EINVAL},
      {"action 2", [](Policy& policy) { policy.verdict = PolicyVerdict{2}; }, EINVAL},
      {"share 4", [](Policy& policy) { policy.share = 4; }, EINVAL},
      {"type sub", [](Policy& policy) { policy.type = 1; }, EINVAL},
      {"index of another direction", [](Policy& policy) { policy.index = 8; }, EINVAL},
      {"no family", [](Policy& policy) { policy.selector.family = Family::none; }, EINVAL},
      {"a prefix of 129 bits",
       [](Policy& policy) {
         policy.selector.family = Family::v6;
         policy.selector.src_prefix_bits = 129;
       },
       EINVAL},
      {"a template of no family", [](Policy& policy) { policy.templates[0].family = Family{5}; },
       EINVAL},
      {"prefix of 33 bits", [](Policy& policy) { policy.selector.dst_prefix_bits = 33; }, EINVAL},
      {"seven templates", [](Policy& policy) { policy.templates.resize(7, policy.templates[0]); },
       EINVAL},
      {"nested templates", [](Policy& policy) { policy.templates.resize(2, policy.templates[0]); },
       EOPNOTSUPP},
      {"a template for AH", [](Policy& policy) { policy.templates[0].protocol = 51; },
       EPROTONOSUPPORT},
      {"a template for BEET mode",
       [](Policy& policy) { policy.templates[0].mode = XfrmMode::beet; }, EPROTONOSUPPORT},
      {"transport mode to no one address",
       [](Policy& policy) {
         policy.templates[0].mode = XfrmMode::transport;
         policy.templates[0].dst = IpAddress{};
       },
       EOPNOTSUPP},
  };
  for (const Case& entry : cases) {
    Policy policy = out_policy(1);
    entry.spoil(policy);
    const Result<Policy> added = manager_->add_policy(policy);
    EXPECT_EQ(added ? 0 : added.error().code, entry.code) << entry.what;
  }
  EXPECT_TRUE(dataplane_.take_requests().empty());
}

TEST_F(SaManagerSpd, FindsTransportModeSasByTheSelectorsEnds) {
  Sa sa = outbound(0x1001);
  sa.mode = XfrmMode::transport;
  const SaIndex index = add(sa, key_number(1));
  Policy policy = out_policy(1);
  policy.selector = {.family = Family::v4,
                     .src_prefix_bits = 32,
                     .dst_prefix_bits = 32,
                     .src = kOurs,
                     .dst = kPeer};
  policy.templates[0] = {.family = Family::v4, .mode = XfrmMode::transport, .reqid = 1};
  const Result<Policy> added = manager_->add_policy(policy);
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(manager_->sas_of_policy(added->slot), (std::vector<SaIndex>{index}));
}

TEST_F(SaManagerSpd, TakesPoliciesOfIpv6) {
  Policy policy = out_policy(1);
  policy.selector = {.family = Family::v6, .dst_prefix_bits = 48};
  policy.selector.dst = parse_address("2001:db8::")->address;
  policy.templates[0].family = Family::v6;
  policy.templates[0].src = parse_address("2001:db8:1::1")->address;
  policy.templates[0].dst = parse_address("2001:db8:2::1")->address;
  const std::uint32_t slot = add_policy(policy).slot;
  const PolicySpec spec = dataplane_.policies().at(slot);
  EXPECT_EQ(spec.selector, policy.selector);
  EXPECT_EQ(spec.template_src, policy.templates[0].src);
  EXPECT_EQ(spec.template_dst, policy.templates[0].dst);
}

TEST_F(SaManagerSpd, AnswersEveryAttributeAsGiven) {
  Policy policy = out_policy(1);
  policy.family = Family::v4;
  policy.mark = {3, 7};
  policy.if_id = 12;
  policy.priority = 1234;
  policy.flags = 2;
  policy.share = 3;
  policy.selector_interface = 4;
  policy.lifetimes.hard_add_expires_seconds = 77;
  policy.templates[0].auth_algorithms = 5;
  policy.index = 4097;
  const Policy added = add_policy(policy);
  Policy expected = policy;
  expected.add_time_seconds = 1'700'000'000;
  expected.slot = added.slot;
  EXPECT_EQ(*manager_->find_policy(PolicyDirection::out, 4097), expected);
}

TEST_F(SaManagerSpd, KeepsInAndFwdApart) {
  Policy in = out_policy(1);
  in.direction = PolicyDirection::in;
  Policy fwd = in;
  fwd.direction = PolicyDirection::fwd;
  const Policy added_in = add_policy(in);
  const Policy added_fwd = add_policy(fwd);
  EXPECT_EQ(added_in.index & 7, 0u);
  EXPECT_EQ(added_fwd.index & 7, 2u);
  EXPECT_FALSE(manager_->find_policy(PolicyDirection::in, added_fwd.index));
  EXPECT_EQ(manager_->spd_counts().policies, (std::array<std::uint32_t, 3>{1, 0, 1}));
  EXPECT_EQ(manager_->add_policy(in).error().code, EEXIST);
}

TEST_F(SaManagerSpd, ReplacesAPolicyInOneStep) {
  const Policy policy = add_policy(out_policy(1));
  static_cast<void>(add_policy(out_policy(3)));
  const std::uint32_t order = dataplane_.policies().at(policy.slot).order;
  Policy blocking = out_policy(1);
  blocking.verdict = PolicyVerdict::block;
  static_cast<void>(dataplane_.take_requests());
  const Result<Policy> replaced = manager_->update_policy(blocking);
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->index, policy.index);
  const std::vector<Request> requests = dataplane_.take_requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].op, RequestOp::policy_set);
  EXPECT_EQ(dataplane_.policies().at(policy.slot).action, PolicyAction::discard);
  // Among equal priorities it keeps its place; with another it comes last.
  EXPECT_EQ(dataplane_.policies().at(policy.slot).order, order);
  blocking.priority = 9;
  ASSERT_TRUE(manager_->update_policy(blocking));
  EXPECT_GT(dataplane_.policies().at(policy.slot).order, order + 1);
}

TEST_F(SaManagerSpd, DeletesBySelectorOrIndex) {
  const Policy first = add_policy(out_policy(1));
  const Policy second = add_policy(out_policy(3));
  ASSERT_TRUE(manager_->remove_policy(id_of(first)));
  ASSERT_TRUE(manager_->remove_policy(PolicyDirection::out, second.index));
  EXPECT_EQ(manager_->remove_policy(id_of(first)).error().code, ENOENT);
  EXPECT_TRUE(dataplane_.policies().empty());
  EXPECT_EQ(*manager_->flush_policies(kPolicyTypeMain), 0u);
}

TEST_F(SaManagerSpd, DiscardsByDefaultWhenAnyDirectionDoes) {
  ASSERT_TRUE(manager_->set_default_verdicts(
      {PolicyVerdict::allow, PolicyVerdict::allow, PolicyVerdict::allow}));
  EXPECT_EQ(dataplane_.default_action(), PolicyAction::bypass);
  ASSERT_TRUE(manager_->set_default_verdicts(
      {PolicyVerdict::allow, PolicyVerdict::allow, PolicyVerdict::block}));
  EXPECT_EQ(dataplane_.default_action(), PolicyAction::discard);
}

}  // namespace
}  // namespace culvert
