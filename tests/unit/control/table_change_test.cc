// SPDX-License-Identifier: BSD-3-Clause
#include "control/table_change.h"

#include <gmock/gmock.h>

#include <array>
#include <map>
#include <optional>

#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Sa of_file(Sa sa) {
  sa.origin = SaOrigin::manual;
  return sa;
}
Policy of_file(Policy policy, std::uint32_t priority = 0) {
  policy.is_from_batch = true;
  policy.priority = priority;
  return policy;
}
Policy discarding(std::uint8_t net, std::uint32_t priority = 0) {
  Policy policy = of_file(out_policy(net), priority);
  policy.templates.clear();
  policy.verdict = PolicyVerdict::block;
  return policy;
}

// What runs is the fixture's; what is wanted stands in regions of its own.
class TableChangeTest : public SaManagerTest {
 protected:
  TableChangeTest() {
    EXPECT_EQ(wanted_regions_.attach(other_.descriptors(), Side::control), "");
    wanted_.emplace(wanted_regions_, dry_run_, options());
  }

  void want(const Sa& sa, const Key& key) { EXPECT_TRUE(wanted_->add(sa, key)); }
  void want(const Policy& policy) { EXPECT_TRUE(wanted_->add_policy(policy)); }
  void run(const Policy& policy) {
    const auto added = manager_->add_policy(policy);
    ASSERT_TRUE(added);
    priorities_[added->slot] = added->priority;
  }

  [[nodiscard]] TableChange change() {
    auto change = TableChange::between(*manager_, *wanted_);
    EXPECT_TRUE(change);
    return *change;
  }
  [[nodiscard]] Result<void> apply(const TableChange& change) {
    manager_->begin();
    if (const auto done = change.bring_new(*manager_); !done) {
      manager_->rollback();
      return done;
    }
    if (const auto done = change.remove_old(*manager_); !done) {
      manager_->rollback();
      return done;
    }
    return manager_->commit();
  }

  // "set PRIORITY", "delete" in the order in which the dataplane hears of policies.
  [[nodiscard]] std::vector<std::string> policies_told() {
    std::vector<std::string> told;
    for (const Request& request : dataplane_.take_requests()) {
      if (request.op == RequestOp::policy_set) {
        const PolicySpec& spec = control_regions_.policy_specs()[request.index];
        told.push_back("set " + std::to_string(spec.priority));
      } else if (request.op == RequestOp::policy_delete) {
        told.push_back("delete " + std::to_string(priorities_[request.index]));
      }
    }
    return told;
  }

  FakeDataplane other_;
  Regions wanted_regions_;
  DryRunChannel dry_run_;
  std::optional<SaManager> wanted_;
  std::map<std::uint32_t, std::uint32_t> priorities_;  // of what ran at first, by slot
};

TEST_F(TableChangeTest, IsEmptyWhereAllIsAsItShouldBe) {
  static_cast<void>(add(of_file(outbound(0x1001)), key_number(1)));
  run(of_file(out_policy(1)));
  want(of_file(outbound(0x1001)), key_number(1));
  want(of_file(out_policy(1)));
  static_cast<void>(dataplane_.take_requests());
  EXPECT_THAT(change().lines(), IsEmpty());
  ASSERT_TRUE(apply(change()));
  EXPECT_THAT(dataplane_.take_requests(), IsEmpty());
}

TEST_F(TableChangeTest, LeavesAloneWhatDidNotComeFromAFile) {
  static_cast<void>(add(outbound(0x1001), key_number(1)));
  run(out_policy(1));
  EXPECT_THAT(change().lines(), IsEmpty());
  ASSERT_TRUE(apply(change()));
  EXPECT_EQ(manager_->sad_counts().sas, 1u);
  EXPECT_EQ(manager_->spd_counts().policies, (std::array<std::uint32_t, 3>{0, 1, 0}));
}

TEST_F(TableChangeTest, IsRefusedWhereSomebodyElseHasMadeAnother) {
  run(out_policy(1));
  want(of_file(out_policy(1), 7));
  const auto refused = TableChange::between(*manager_, *wanted_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EEXIST);
  EXPECT_THAT(refused.error().message, HasSubstr("10.1.0.0/16"));
}

TEST_F(TableChangeTest, TakesAwayWhatTheFileNoLongerHasAndBringsWhatIsNew) {
  static_cast<void>(add(of_file(outbound(0x1001)), key_number(1)));
  const SaIndex kept = add(of_file(outbound(0x1002)), key_number(2));
  dataplane_.use_sequence(kept.raw(), 500);
  run(of_file(out_policy(1)));
  want(of_file(outbound(0x1002)), key_number(2));
  want(of_file(outbound(0x1003)), key_number(3));
  want(of_file(out_policy(3)));
  EXPECT_THAT(
      change().lines(),
      ElementsAre(HasSubstr("- SA 0x00001001"), HasSubstr("+ SA 0x00001003"),
                  HasSubstr("- policy out from 10.1."), HasSubstr("+ policy out from 10.3.")));
  ASSERT_TRUE(apply(change()));
  EXPECT_FALSE(manager_->find(outbound(0x1001).id));
  EXPECT_TRUE(manager_->find(outbound(0x1003).id));
  EXPECT_EQ(manager_->find(outbound(0x1002).id)->index, kept);
  EXPECT_EQ(manager_->figures(kept).sequence, 500u);
  EXPECT_FALSE(manager_->find_policy(id_of(out_policy(1))));
  EXPECT_EQ(manager_->sas_of_policy(manager_->find_policy(id_of(out_policy(3)))->slot).size(), 2u);
  EXPECT_THAT(change().lines(), IsEmpty());
}

TEST_F(TableChangeTest, LetsAnSaGoOnWhoseLifetimeAloneIsAnother) {
  const SaIndex index = add(of_file(outbound(0x1001)), key_number(1));
  dataplane_.use_sequence(index.raw(), 500);
  Sa longer = of_file(outbound(0x1001));
  longer.lifetimes.hard_bytes = 1'000'000;
  want(longer, key_number(1));
  EXPECT_THAT(change().lines(), ElementsAre(HasSubstr("goes on with other properties")));
  ASSERT_TRUE(apply(change()));
  EXPECT_EQ(manager_->find(longer.id)->index, index);
  EXPECT_EQ(manager_->figures(index).sequence, 500u);
  EXPECT_EQ(manager_->find(longer.id)->lifetimes.hard_bytes, 1'000'000u);
}

TEST_F(TableChangeTest, BeginsAnSaAnewThatHasAnotherKey) {
  static_cast<void>(add(of_file(outbound(0x1001)), key_number(1)));
  run(of_file(out_policy(1)));
  want(of_file(outbound(0x1001)), key_number(2));
  want(of_file(out_policy(1)));
  EXPECT_THAT(change().lines(), ElementsAre(HasSubstr("begins anew with another key")));
  ASSERT_TRUE(apply(change()));
  EXPECT_TRUE(keys_region_holds(key_number(2)));
  EXPECT_FALSE(keys_region_holds(key_number(1)));
  EXPECT_THAT(change().lines(), IsEmpty());
}

TEST_F(TableChangeTest, LetsAKeyMoveToAnotherSaWithoutUsingANumberTwice) {
  const SaIndex index = add(of_file(outbound(0x1001)), key_number(1));
  dataplane_.use_sequence(index.raw(), 500);
  want(of_file(outbound(0x1002)), key_number(1));
  ASSERT_TRUE(apply(change()));
  EXPECT_FALSE(manager_->find(outbound(0x1001).id));
  EXPECT_GE(manager_->figures(manager_->find(outbound(0x1002).id)->index).sequence, 500u);
}

TEST_F(TableChangeTest, SetsStrongPoliciesFirstAndRemovesThemLast) {
  for (const std::uint8_t net : std::array<std::uint8_t, 3>{1, 2, 3})
    run(of_file(out_policy(net), 10u * net));
  static_cast<void>(dataplane_.take_requests());
  for (const std::uint8_t net : std::array<std::uint8_t, 3>{6, 4, 5})
    want(of_file(out_policy(net), 10u * net));
  ASSERT_TRUE(apply(change()));
  EXPECT_THAT(policies_told(),
              ElementsAre("set 40", "set 50", "set 60", "delete 30", "delete 20", "delete 10"));
}

// Were the middle one weakened before the weakest is gone, packets would meet that one.
TEST_F(TableChangeTest, WeakensAPolicyInItsOldPlaceAmongThoseThatGo) {
  run(of_file(out_policy(1), 10));
  run(of_file(out_policy(2), 20));
  run(discarding(3, 30));
  static_cast<void>(dataplane_.take_requests());
  want(of_file(out_policy(2), 90));
  ASSERT_TRUE(apply(change()));
  EXPECT_THAT(policies_told(), ElementsAre("delete 30", "set 90", "delete 10"));
}

TEST_F(TableChangeTest, IsTakenBackAsAWholeWhenTheDataplaneRefusesAPart) {
  const SaIndex old = add(of_file(outbound(0x1001)), key_number(1));
  run(of_file(out_policy(1)));
  want(of_file(outbound(0x1002)), key_number(2));
  want(of_file(out_policy(2)));
  const TableChange change_to_do = change();
  const auto lines = change_to_do.lines();
  dataplane_.set_refuse([](const Request& request) {
    return request.op == RequestOp::policy_set ? Refusal::no_table_memory : Refusal::none;
  });
  EXPECT_EQ(apply(change_to_do).error().code, ENOBUFS);
  dataplane_.set_refuse(nullptr);
  EXPECT_EQ(manager_->find(outbound(0x1001).id)->index, old);
  EXPECT_FALSE(manager_->find(outbound(0x1002).id));
  const auto policies = dataplane_.policies();
  ASSERT_EQ(policies.size(), 1u);
  EXPECT_EQ(policies.begin()->second.selector, out_policy(1).selector);
  EXPECT_EQ(change().lines(), lines);
}

// A refusal after the first half, as of an address by Linux.
TEST_F(TableChangeTest, CanBeTakenBackBetweenItsHalves) {
  run(of_file(out_policy(1), 10));
  want(of_file(out_policy(1), 5));
  want(discarding(2));
  manager_->begin();
  ASSERT_TRUE(change().bring_new(*manager_));
  EXPECT_EQ(dataplane_.policies().size(), 2u);
  manager_->rollback();
  const auto policies = dataplane_.policies();
  ASSERT_EQ(policies.size(), 1u);
  EXPECT_EQ(policies.begin()->second.priority, 10u);
  EXPECT_EQ(policies.begin()->second.action, PolicyAction::protect);
}

TEST_F(TableChangeTest, ChangesTheDefaultAfterNewPoliciesAndBeforeOldOnesGo) {
  run(of_file(out_policy(1)));
  static_cast<void>(dataplane_.take_requests());
  want(discarding(2));
  manager_->begin();
  const TableChange change_to_do = change();
  ASSERT_TRUE(change_to_do.bring_new(*manager_));
  ASSERT_TRUE(manager_->set_configured_default(PolicyVerdict::allow));
  ASSERT_TRUE(change_to_do.remove_old(*manager_));
  ASSERT_TRUE(manager_->commit());
  std::vector<RequestOp> told;
  for (const Request& request : dataplane_.take_requests()) told.push_back(request.op);
  EXPECT_THAT(told, ElementsAre(RequestOp::policy_set, RequestOp::policy_default,
                                RequestOp::policy_delete));
  EXPECT_EQ(manager_->default_action(), PolicyAction::bypass);
  restart_control();
  EXPECT_EQ(manager_->default_action(), PolicyAction::discard);  // the fixture's is configured
}

TEST_F(TableChangeTest, KeepsWhatWasSaidOfTheDefaultWhereTheConfigurationSaysTheSame) {
  DefaultVerdicts said;
  said.fill(PolicyVerdict::allow);
  ASSERT_TRUE(manager_->set_default_verdicts(said));
  ASSERT_TRUE(manager_->set_configured_default(default_verdict_));
  EXPECT_EQ(manager_->default_verdicts(), said);
}

}  // namespace
}  // namespace culvert
