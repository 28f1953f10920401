// SPDX-License-Identifier: BSD-3-Clause
#include <cerrno>
#include <filesystem>
#include <string>

#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

using SaManagerKeys = SaManagerTest;

TEST_F(SaManagerKeys, RefusesAKeyThatIsInUseInEitherDirection) {
  static_cast<void>(add(outbound(0x1001), key_number(1)));
  EXPECT_EQ(add_error(outbound(0x1002), key_number(1)), EEXIST);
  const Result<Sa> other_way = manager_->add(inbound(0x1003), key_number(1));
  ASSERT_FALSE(other_way);
  EXPECT_EQ(other_way.error().code, EEXIST);
  EXPECT_NE(other_way.error().message.find("0x1001"), std::string::npos);
  EXPECT_NE(other_way.error().message.find("nonces"), std::string::npos);
}

TEST_F(SaManagerKeys, GoesOnBehindTheLastNumberWhenAKeyComesAgain) {
  const SaIndex index = add(outbound(0x1001), key_number(1));
  dataplane_.use_sequence(index.raw(), 5000);
  ASSERT_TRUE(manager_->remove(outbound(0x1001).id));
  Sa again = outbound(0x1001);
  again.replay = ReplayAsked{.oseq = 4000};  // read before the last packets went
  const SaIndex moved = add(again, key_number(1));
  EXPECT_EQ(dataplane_.installed_sas().at(moved.raw()).sequence, 5000u);
}

TEST_F(SaManagerKeys, BelievesALargerNumberThanItRemembers) {
  const SaIndex index = add(inbound(0x1001), key_number(1));
  dataplane_.use_sequence(index.raw(), 50);
  ASSERT_TRUE(manager_->remove(inbound(0x1001).id));
  Sa again = inbound(0x1001);
  again.replay = ReplayAsked{.seq = 4000};
  const SaIndex moved = add(again, key_number(1));
  EXPECT_EQ(dataplane_.installed_sas().at(moved.raw()).sequence, 4000u);
}

TEST_F(SaManagerKeys, ReadsAllSixtyFourBitsOfANumberOnlyWithEsn) {
  Sa esn = outbound(0x1001);
  esn.flags = kStateEsn;
  esn.info_window = 0;
  esn.replay =
      ReplayAsked{.is_esn_struct = true, .window = 32, .bitmap_words = 1, .oseq = 7, .oseq_hi = 2};
  EXPECT_EQ(dataplane_.installed_sas().size(), 0u);
  const SaIndex with_esn = add(esn, key_number(1));
  EXPECT_EQ(dataplane_.installed_sas().at(with_esn.raw()).sequence, (2ull << 32) + 7);
  Sa plain = outbound(0x1002);
  plain.replay = ReplayAsked{.oseq = 7, .oseq_hi = 2};
  const SaIndex without = add(plain, key_number(2));
  EXPECT_EQ(dataplane_.installed_sas().at(without.raw()).sequence, 7u);
}

TEST_F(SaManagerKeys, RefusesAKeyWhoseNumbersAreUsedUp) {
  const SaIndex index = add(outbound(0x1001), key_number(1));
  dataplane_.use_sequence(index.raw(), 0xffffffff);
  ASSERT_TRUE(manager_->remove(outbound(0x1001).id));
  EXPECT_EQ(add_error(outbound(0x1001), key_number(1)), EOVERFLOW);
}

TEST_F(SaManagerKeys, KnowsKeysInUseAndGoneAfterItsRestart) {
  static_cast<void>(add(outbound(0x1001), key_number(1)));
  const SaIndex gone = add(outbound(0x1002), key_number(2));
  dataplane_.use_sequence(gone.raw(), 777);
  ASSERT_TRUE(manager_->remove(outbound(0x1002).id));
  restart_control();
  EXPECT_EQ(add_error(outbound(0x1003), key_number(1)), EEXIST);
  const SaIndex again = add(outbound(0x1002), key_number(2));
  EXPECT_EQ(dataplane_.installed_sas().at(again.raw()).sequence, 777u);
}

// A restarted control that took the lowest free slot would put another SA where the last words of
// the key are, and the next one would not find them.
TEST_F(SaManagerKeys, KnowsAKeyThatIsGoneAfterTwoRestartsWithAnotherSaBetween) {
  const SaIndex gone = add(outbound(0x1001), key_number(1));
  dataplane_.use_sequence(gone.raw(), 777);
  ASSERT_TRUE(manager_->remove(outbound(0x1001).id));
  restart_control();
  static_cast<void>(add(outbound(0x1002), key_number(2)));
  restart_control();
  const SaIndex again = add(outbound(0x1001), key_number(1));
  EXPECT_EQ(dataplane_.installed_sas().at(again.raw()).sequence, 777u);
}

// In a full table the key comes again where its last words are.
TEST_F(SaManagerKeys, KnowsAKeyThatIsGoneThoughControlDiedWhileItCameAgain) {
  std::vector<SaIndex> all;
  for (std::uint32_t i = 0; i < 64; ++i) all.push_back(add(outbound(0x1000 + i), key_number(i)));
  dataplane_.use_sequence(all[5].raw(), 777);
  ASSERT_TRUE(manager_->remove(outbound(0x1005).id));
  // What an addition does before anything else is in the slot.
  ASSERT_EQ(SaSlots(control_regions_).record(all[5].raw()).state, SlotState::free);
  SaSlots dying(control_regions_);
  dying.put_back_free(all[5].raw());
  ASSERT_EQ(dying.take(), all[5].raw());
  restart_control();
  ASSERT_TRUE(manager_->reconcile());
  manager_->poll();
  const SaIndex again = add(outbound(0x1005), key_number(5));
  EXPECT_EQ(dataplane_.installed_sas().at(again.raw()).sequence, 777u);
}

TEST_F(SaManagerKeys, DoesNotTakeAnOlderSasNumberForARefusedOnes) {
  for (std::uint32_t i = 0; i < 64; ++i) {  // every slot has had an SA that went far
    const SaIndex index = add(inbound(0x1001), key_number(i));
    dataplane_.use_sequence(index.raw(), 1'000'000);
    ASSERT_TRUE(manager_->remove(inbound(0x1001).id));
  }
  dataplane_.set_refuse([](const Request&) { return Refusal::no_window_memory; });
  EXPECT_EQ(add_error(inbound(0x1002), key_number(100)), ENOBUFS);
  dataplane_.set_refuse(nullptr);
  const SaIndex index = add(inbound(0x1002), key_number(100));
  EXPECT_EQ(dataplane_.installed_sas().at(index.raw()).sequence, 0u);
}

TEST_F(SaManagerKeys, StartsManualOutboundKeysAtTheirFloor) {
  Sa manual = outbound(0x1001);
  manual.origin = SaOrigin::manual;
  const SaIndex first = add(manual, key_number(1));
  EXPECT_EQ(dataplane_.installed_sas().at(first.raw()).sequence, 0u);
  dataplane_.use_sequence(first.raw(), 5);
  ASSERT_TRUE(manager_->remove(manual.id));
  const SaIndex second = add(manual, key_number(1));
  EXPECT_EQ(dataplane_.installed_sas().at(second.raw()).sequence, 5u);
}

class SaManagerFloors : public SaManagerKeys {
 protected:
  SaManagerFloors() {
    std::string name = ::testing::TempDir() + "culvert-floors-XXXXXX";
    folder_ = mkdtemp(name.data());
    start_instance();
  }
  ~SaManagerFloors() override { std::filesystem::remove_all(folder_); }

  // As after `culvert down` and `up`: nothing is left but the file.
  void start_instance() {
    SaManagerOptions with_file = options();
    with_file.floor_storage = FloorStorage::file;
    with_file.floor_file = folder_ / "floors";
    manager_ = std::make_unique<SaManager>(control_regions_, *client_, with_file);
  }
  // Where an SA under the key starts that was in use when the instance before was ended.
  std::uint64_t start_after_another_instance(Sa sa, const Key& key) {
    static_cast<void>(add(sa, key));
    KeyFloors floors(FloorStorage::file, folder_ / "floors");
    return *floors.reserve(*floors.name_of(key.bytes()));
  }

  std::filesystem::path folder_;
};

TEST_F(SaManagerFloors, KeepsOneForACounterModeKeyThatWasTyped) {
  Sa typed = outbound(0x1001);
  typed.origin = SaOrigin::by_hand;
  EXPECT_EQ(start_after_another_instance(typed, key_number(1)), KeyFloors::kReserve);
}

TEST_F(SaManagerFloors, KeepsNoneForAKeyManagersKeys) {
  Sa negotiated = outbound(0x1001);
  negotiated.origin = SaOrigin::automatic;
  EXPECT_EQ(start_after_another_instance(negotiated, key_number(1)), 0u);
}

TEST_F(SaManagerKeys, RefusesManualOutboundKeysWithoutAPlaceForTheirFloor) {
  SaManagerOptions with_file = options();
  with_file.floor_storage = FloorStorage::file;
  with_file.floor_file = "/proc/nowhere/floors";
  manager_ = std::make_unique<SaManager>(control_regions_, *client_, with_file);
  Sa manual = outbound(0x1001);
  manual.origin = SaOrigin::manual;
  const Result<Sa> added = manager_->add(manual, key_number(1));
  ASSERT_FALSE(added);
  EXPECT_NE(added.error().message.find("/proc/nowhere/floors"), std::string::npos);
  EXPECT_TRUE(dataplane_.take_requests().empty());
  EXPECT_FALSE(keys_region_holds(key_number(1)));
  // Inbound there are no nonces to make.
  Sa manual_in = inbound(0x1002);
  manual_in.origin = SaOrigin::manual;
  static_cast<void>(add(manual_in, key_number(2)));
}

}  // namespace
}  // namespace culvert
