// SPDX-License-Identifier: BSD-3-Clause
#include <cerrno>

#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

using SaManagerTransaction = SaManagerTest;

TEST_F(SaManagerTransaction, TellsTheDataplaneAtItsEnd) {
  manager_->begin();
  ASSERT_TRUE(manager_->add_policy(out_policy(1)));
  static_cast<void>(add(outbound(0x1001), key_number(1)));
  static_cast<void>(add(outbound(0x1002), key_number(2)));
  EXPECT_TRUE(dataplane_.take_requests().empty());
  EXPECT_TRUE(recorder_.heard.empty());
  ASSERT_TRUE(manager_->commit());
  const std::vector<Request> requests = dataplane_.take_requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[2].op, RequestOp::policy_set);
  EXPECT_EQ(dataplane_.policies().begin()->second.sa_count, 2);
  EXPECT_EQ(recorder_.heard.size(), 3u);
}

TEST_F(SaManagerTransaction, LeavesNothingBehindWhenTakenBackBeforeItsEnd) {
  const Policy kept = *manager_->add_policy(out_policy(3));
  static_cast<void>(dataplane_.take_requests());
  recorder_.heard.clear();
  manager_->begin();
  static_cast<void>(add(outbound(0x1001), key_number(1)));
  ASSERT_TRUE(manager_->remove_policy(id_of(kept)));
  ASSERT_TRUE(manager_->add_policy(out_policy(1)));
  EXPECT_EQ(add_error(outbound(0x20), key_number(2)), EINVAL);
  manager_->rollback();
  EXPECT_EQ(manager_->sad_counts().sas, 0u);
  EXPECT_EQ(manager_->spd_counts().policies, (std::array<std::uint32_t, 3>{0, 1, 0}));
  EXPECT_TRUE(manager_->find_policy(id_of(kept)));
  EXPECT_FALSE(keys_region_holds(key_number(1)));
  EXPECT_TRUE(dataplane_.take_requests().empty());
  EXPECT_TRUE(recorder_.heard.empty());
  static_cast<void>(add(outbound(0x1001), key_number(1)));
}

TEST_F(SaManagerTransaction, IsTakenBackAsAWholeWhenTheDataplaneRefusesAPart) {
  const SaIndex old_sa = add(outbound(0x1001), key_number(1));
  const Policy old_policy = *manager_->add_policy(out_policy(1));
  dataplane_.use_sequence(old_sa.raw(), 900);
  std::uint32_t additions = 0;
  dataplane_.set_refuse([&additions](const Request& request) {
    if (request.op != RequestOp::sa_add) return Refusal::none;
    return ++additions == 2 ? Refusal::no_window_memory : Refusal::none;
  });
  manager_->begin();
  ASSERT_TRUE(manager_->remove(outbound(0x1001).id));
  Policy changed = out_policy(1);
  changed.verdict = PolicyVerdict::block;
  ASSERT_TRUE(manager_->update_policy(changed));
  static_cast<void>(add(outbound(0x1002), key_number(2)));
  static_cast<void>(add(outbound(0x1003), key_number(3)));
  EXPECT_EQ(manager_->commit().error().code, ENOBUFS);

  EXPECT_EQ(manager_->sad_counts().sas, 1u);
  const auto installed = dataplane_.installed_sas();
  ASSERT_EQ(installed.size(), 1u);
  EXPECT_EQ(installed.at(old_sa.raw()).spi, 0x1001u);
  EXPECT_EQ(installed.at(old_sa.raw()).sequence, 900u);
  const PolicySpec policy = dataplane_.policies().at(old_policy.slot);
  EXPECT_EQ(policy.action, PolicyAction::protect);
  ASSERT_EQ(policy.sa_count, 1);
  EXPECT_EQ(policy.sas[0], old_sa.raw());
  EXPECT_FALSE(keys_region_holds(key_number(2)));
  EXPECT_FALSE(keys_region_holds(key_number(3)));
  dataplane_.set_refuse(nullptr);
  static_cast<void>(add(outbound(0x1002), key_number(2)));
}

TEST_F(SaManagerTransaction, LetsAnIdentityAndAKeyComeAgain) {
  const SaIndex index = add(outbound(0x1001), key_number(1));
  dataplane_.use_sequence(index.raw(), 55);
  manager_->begin();
  EXPECT_EQ(*manager_->flush_sas(0), 1u);
  const SaIndex again = add(outbound(0x1001), key_number(1));
  ASSERT_TRUE(manager_->commit());
  EXPECT_EQ(dataplane_.installed_sas().at(again.raw()).sequence, 55u);
  EXPECT_EQ(manager_->sad_counts().sas, 1u);
}

TEST_F(SaManagerTransaction, MayBeLoadedAgain) {
  const auto load = [this] {
    manager_->begin();
    Sa manual = outbound(0x1001);
    manual.origin = SaOrigin::manual;
    static_cast<void>(add(manual, key_number(1)));
    EXPECT_TRUE(manager_->add_policy(out_policy(1)));
    return manager_->commit().has_value();
  };
  EXPECT_TRUE(load());
  static_cast<void>(dataplane_.take_requests());
  restart_control();
  EXPECT_TRUE(load());
  EXPECT_TRUE(dataplane_.take_requests().empty());
  manager_->begin();
  EXPECT_EQ(add_error(outbound(0x1001), key_number(9)), EEXIST);
  manager_->rollback();
}

TEST_F(SaManagerTransaction, OfADeadControlIsDropped) {
  manager_->begin();
  static_cast<void>(add(outbound(0x1001), key_number(1)));
  ASSERT_TRUE(manager_->add_policy(out_policy(1)));
  // Not committed: what is in the regions is all that the next control sees. One request makes it
  // look at them at all.
  ASSERT_TRUE(client_->push({.op = RequestOp::commit}));
  ASSERT_TRUE(client_->finish(0));
  restart_control();
  ASSERT_TRUE(manager_->reconcile());
  EXPECT_EQ(manager_->sad_counts().sas, 0u);
  EXPECT_EQ(manager_->spd_counts().policies, (std::array<std::uint32_t, 3>{0, 0, 0}));
  EXPECT_FALSE(keys_region_holds(key_number(1)));
}

TEST_F(SaManagerTransaction, FailsWithAReasonWhileTheDataplaneIsDead) {
  set_timeout(std::chrono::milliseconds(100));
  dataplane_.stop();
  const Result<Sa> added = manager_->add(outbound(0x1001), key_number(1));
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, ETIMEDOUT);
  EXPECT_NE(added.error().message.find("does not answer"), std::string::npos);
  EXPECT_EQ(manager_->sad_counts().sas, 0u);
}

TEST(SaManagerDryRun, ChecksABatchWithoutADataplane) {
  Descriptors descriptors;
  ASSERT_EQ(create_regions({.max_sas = 8, .max_policies = 8}, {}, descriptors), "");
  Regions regions;
  ASSERT_EQ(regions.attach(descriptors, Side::control), "");
  DryRunChannel channel;
  SaManagerOptions options;
  options.floor_storage = FloorStorage::in_memory;
  options.is_our_address = [](Family, const IpAddress& address) { return address == kOurs; };
  SaManager manager(regions, channel, options);
  manager.begin();
  EXPECT_TRUE(manager.add(outbound(0x1001), key_number(1)));
  EXPECT_EQ(manager.add(outbound(0x1002), key_number(1)).error().code, EEXIST);
  manager.rollback();
  for (const int descriptor : descriptors) {
    if (descriptor >= 0) close(descriptor);
  }
}

}  // namespace
}  // namespace culvert
