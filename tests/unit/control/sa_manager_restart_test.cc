// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

class SaManagerRestart : public SaManagerTest {
 protected:
  SaManagerRestart() {
    policy_ = *manager_->add_policy(out_policy(1));
    first_ = add(outbound(0x1001), key_number(1));
    second_ = add(outbound(0x1002), key_number(2));
    third_ = add(inbound(0x1003), key_number(3));
    commit_dataplane();
    static_cast<void>(dataplane_.take_requests());
  }

  // The operations asked for since the last look, without the default policy.
  [[nodiscard]] std::vector<RequestOp> operations() {
    std::vector<RequestOp> result;
    for (const Request& request : dataplane_.take_requests()) {
      if (request.op != RequestOp::policy_default) result.push_back(request.op);
    }
    return result;
  }

  Policy policy_;
  SaIndex first_ = kNoSa;
  SaIndex second_ = kNoSa;
  SaIndex third_ = kNoSa;
};

TEST_F(SaManagerRestart, OfControlFindsEverythingAndTouchesNothing) {
  const Sa before = *manager_->sa_at(second_);
  restart_control();
  ASSERT_TRUE(manager_->reconcile());
  EXPECT_TRUE(operations().empty());
  EXPECT_EQ(*manager_->sa_at(second_), before);
  EXPECT_EQ(manager_->sad_counts().sas, 3u);
  EXPECT_TRUE(constant_time_equal(manager_->key_of(first_), key_number(1).bytes()));
  EXPECT_EQ(manager_->find_policy(id_of(policy_))->index, policy_.index);
  EXPECT_TRUE(recorder_.heard.size() == 4) << "a restart is no event";
}

TEST_F(SaManagerRestart, OfControlKeepsTheSasOrder) {
  restart_control();
  const SaIndex newest = add(outbound(0x1004), key_number(4));
  EXPECT_EQ(manager_->sas_of_policy(policy_.slot), (std::vector<SaIndex>{newest, second_, first_}));
}

TEST_F(SaManagerRestart, OfControlPushesWhatIsMissing) {
  dataplane_.regions().sa_states()[second_.raw()].generation = 0;
  restart_control();
  static_cast<void>(manager_->reconcile());
  EXPECT_EQ(operations(), std::vector<RequestOp>{RequestOp::sa_add});
}

// Control died when the dataplane had done a removal and nobody had noted it yet.
TEST_F(SaManagerRestart, OfControlAddsWhatIsMissingBehindTheNumbersThatWereUsed) {
  dataplane_.use_sequence(second_.raw(), 99);
  const std::uint32_t generation = control_regions_.sa_specs()[second_.raw()].generation;
  ASSERT_TRUE(client_->push(
      {.op = RequestOp::sa_delete, .index = second_.raw(), .generation = generation}));
  ASSERT_TRUE(client_->finish(0));
  restart_control();
  ASSERT_TRUE(manager_->reconcile());
  EXPECT_EQ(dataplane_.installed_sas().at(second_.raw()).sequence, 99u);
}

TEST_F(SaManagerRestart, OfTheDataplanePushesSasBeforePolicies) {
  dataplane_.stop();
  bool was_called = false;
  client_->set_new_incarnation_callback([&] {
    was_called = true;
    EXPECT_TRUE(manager_->push_everything());
  });
  client_->check_incarnation();
  EXPECT_FALSE(was_called);
  dataplane_.start();
  client_->check_incarnation();
  EXPECT_TRUE(was_called);
  EXPECT_EQ(operations(), (std::vector<RequestOp>{RequestOp::sa_add, RequestOp::sa_add,
                                                  RequestOp::sa_add, RequestOp::policy_set}));
  EXPECT_EQ(dataplane_.installed_sas().size(), 3u);
  EXPECT_EQ(dataplane_.policies().at(policy_.slot).sa_count, 2);
  EXPECT_EQ(dataplane_.default_action(), PolicyAction::discard);
}

TEST_F(SaManagerRestart, OfTheDataplaneKeepsSequenceNumbers) {
  dataplane_.use_sequence(first_.raw(), 12345);
  dataplane_.stop();
  dataplane_.start();
  client_->check_incarnation();
  ASSERT_TRUE(manager_->push_everything());
  EXPECT_EQ(manager_->figures(first_).sequence, 12345u);
}

TEST_F(SaManagerRestart, OfBothPushesEverything) {
  dataplane_.stop();
  manager_.reset();
  dataplane_.start();
  restart_control();
  ASSERT_TRUE(manager_->reconcile());
  EXPECT_EQ(operations().size(), 4u);
}

TEST_F(SaManagerRestart, OfControlEndsARemovalThatWasUnderWay) {
  set_timeout(std::chrono::milliseconds(100));
  dataplane_.stop();
  EXPECT_FALSE(manager_->remove(outbound(0x1001).id));
  dataplane_.start();
  set_timeout(std::chrono::milliseconds(2000));
  ASSERT_TRUE(manager_->reconcile());
  EXPECT_EQ(dataplane_.installed_sas().size(), 2u);
  EXPECT_FALSE(manager_->find(outbound(0x1001).id));
  EXPECT_FALSE(keys_region_holds(key_number(1)));
}

TEST_F(SaManagerRestart, OfControlKeepsTheDefaultsThatWereSet) {
  constexpr DefaultVerdicts kSet{PolicyVerdict::allow, PolicyVerdict::allow, PolicyVerdict::allow};
  ASSERT_TRUE(manager_->set_default_verdicts(kSet));
  restart_control();
  EXPECT_EQ(manager_->default_verdicts(), kSet);
  ASSERT_TRUE(manager_->reconcile());
  EXPECT_EQ(dataplane_.default_action(), PolicyAction::bypass);
}

TEST_F(SaManagerRestart, WithAnotherConfiguredDefaultEndsTheDefaultsThatWereSet) {
  constexpr DefaultVerdicts kSet{PolicyVerdict::block, PolicyVerdict::allow, PolicyVerdict::block};
  ASSERT_TRUE(manager_->set_default_verdicts(kSet));
  default_verdict_ = PolicyVerdict::allow;
  restart_control();
  EXPECT_EQ(manager_->default_verdicts(),
            (DefaultVerdicts{PolicyVerdict::allow, PolicyVerdict::allow, PolicyVerdict::allow}));
}

TEST_F(SaManagerRestart, PassesOverWhatIsNoNote) {
  control_regions_.requests().note.bytes.fill(std::byte{0xa5});
  for (SaNote& note : control_regions_.sa_notes()) note.bytes.fill(std::byte{0xa5});
  for (PolicyNote& note : control_regions_.policy_notes()) note.bytes.fill(std::byte{0xa5});
  dataplane_.stop();
  dataplane_.start();
  restart_control();
  EXPECT_EQ(manager_->sad_counts().sas, 0u);
  EXPECT_FALSE(manager_->next_policy(0));
  EXPECT_EQ(manager_->default_verdicts()[0], PolicyVerdict::block);
  static_cast<void>(add(outbound(0x2001), key_number(9)));
}

}  // namespace
}  // namespace culvert
