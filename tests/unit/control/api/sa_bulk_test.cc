// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/sa_bulk.h"

#include <gmock/gmock.h>

#include "control/api/sa_batch.h"
#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

using testing::HasSubstr;

class SaBulkTest : public SaManagerTest {
 protected:
  static SaBatchRecord record_of(SaBatchOp op, std::uint32_t spi) {
    SaBatchRecord record;
    record.op = op;
    record.family = Family::v4;
    record.spi = spi;
    record.dst = kPeer;
    if (op == SaBatchOp::remove) return record;
    record.src = kOurs;
    record.key_bytes = 20;
    return record;
  }
  void add(std::uint32_t spi, unsigned key) {
    append_record(batch_, record_of(SaBatchOp::add, spi), key_number(key).bytes());
  }
  void update(std::uint32_t spi, std::uint32_t if_id) {
    SaBatchRecord record = record_of(SaBatchOp::update, spi);
    record.if_id = if_id;
    append_record(batch_, record, key_number(99).bytes());
  }
  void remove(std::uint32_t spi) { append_record(batch_, record_of(SaBatchOp::remove, spi), {}); }
  Result<Json> send() {
    const Json request{{"transforms", {"aes128-gcm"}}, {"fresh_keys", true}};
    return change_sas(*manager_, request, std::exchange(batch_, {}));
  }
  std::string fault() {
    const auto done = send();
    return done ? "" : done.error().message;
  }
  std::vector<SaDumpRecord> dump(Json request = Json::object()) {
    const auto reply = dump_sas(*manager_, request);
    EXPECT_TRUE(reply);
    return dump_records(reply->body);
  }

  SecretBytes batch_;
};

TEST_F(SaBulkTest, AddsUpdatesAndRemovesInOneGo) {
  add(0x1001, 1);
  add(0x1002, 2);
  ASSERT_TRUE(send());
  add(0x1003, 3);
  update(0x1001, 5);
  remove(0x1002);
  const auto done = send();
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->dump(), R"({"added":1,"updated":1,"removed":1})");
  EXPECT_EQ(dataplane_.installed_sas().size(), 2u);
  EXPECT_EQ(manager_->find({.family = Family::v4, .dst = kPeer, .spi = Spi{0x1001}})->if_id, 5u);
  EXPECT_THAT(recorder_.heard, testing::ElementsAre("added 4097", "added 4098", "added 4099",
                                                    "updated 4097", "deleted 4098"));
}

TEST_F(SaBulkTest, DoesNothingOfABatchWithAFault) {
  add(0x1001, 1);
  ASSERT_TRUE(send());
  add(0x1002, 2);
  remove(0x1001);
  add(0x50, 3);
  EXPECT_THAT(fault(), HasSubstr("record 2 (add spi 0x50 to 192.0.2.2): spi 0x50: reserved, must "
                                 "be at least 256"));
  ASSERT_EQ(manager_->sad_counts().sas, 1u);
  EXPECT_EQ(manager_->next_sa(SaIndex{0})->id.spi, Spi{0x1001});
  EXPECT_EQ(dataplane_.installed_sas().size(), 1u);
  EXPECT_FALSE(keys_region_holds(key_number(2)));
}

TEST_F(SaBulkTest, NamesTheSaThatTheDataplaneRefuses) {
  dataplane_.set_refuse([this](const Request& request) {
    const bool is_third =
        request.op == RequestOp::sa_add && control_regions_.sa_specs()[request.index].spi == 0x1003;
    return is_third ? Refusal::no_window_memory : Refusal::none;
  });
  for (unsigned i = 1; i < 6; ++i) add(0x1000 + i, i);
  EXPECT_THAT(fault(), HasSubstr("spi 0x1003 to 192.0.2.2: the dataplane refused: no memory left"));
  EXPECT_EQ(manager_->sad_counts().sas, 0u);
  EXPECT_TRUE(dataplane_.installed_sas().empty());
}

TEST_F(SaBulkTest, PutsAnSaInTheRemovedOnesPlace) {
  add(0x1001, 1);
  ASSERT_TRUE(send());
  remove(0x1001);
  add(0x1001, 2);
  ASSERT_TRUE(send());
  EXPECT_EQ(dataplane_.installed_sas().size(), 1u);
  EXPECT_TRUE(keys_region_holds(key_number(2)));
  EXPECT_FALSE(keys_region_holds(key_number(1)));
}

TEST_F(SaBulkTest, GoesOnBehindTheNumbersThatARemovedKeyUsed) {
  add(0x1001, 1);
  ASSERT_TRUE(send());
  dataplane_.use_sequence(0, 500);
  remove(0x1001);
  add(0x1002, 1);
  ASSERT_TRUE(send());
  EXPECT_EQ(manager_->spec_of(*manager_->next_index(SaIndex{0})).sequence, 500u);
}

TEST_F(SaBulkTest, SendsRemovalsOfOthersWithWhatIsAdded) {
  add(0x1001, 1);
  ASSERT_TRUE(send());
  static_cast<void>(dataplane_.take_requests());
  remove(0x1001);
  add(0x1002, 2);
  ASSERT_TRUE(send());
  const auto asked = dataplane_.take_requests();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(asked[0].op, RequestOp::sa_add);
  EXPECT_EQ(asked[1].op, RequestOp::sa_delete);
}

TEST_F(SaBulkTest, TakesABatchThatComesAgainAsDone) {
  add(0x1001, 1);
  ASSERT_TRUE(send());
  add(0x1001, 1);
  EXPECT_EQ(fault(), "");
  add(0x1001, 2);
  EXPECT_THAT(fault(), HasSubstr("an SA with this destination, SPI, protocol and mark exists"));
}

TEST_F(SaBulkTest, SaysHowManyRecordsABatchHas) {
  add(0x1001, 1);
  ASSERT_TRUE(send());
  for (std::size_t i = 0; i <= kMostBatchRecords; ++i) update(0x1001, 1);
  EXPECT_THAT(fault(), HasSubstr("a batch has at most 65536 records"));
}

TEST_F(SaBulkTest, RefusesTransformsThatThereAreNot) {
  const auto fault_with = [this](const Json& request) {
    const auto done = change_sas(*manager_, request, {});
    return done ? "" : done.error().message;
  };
  EXPECT_THAT(fault_with(Json::object()), HasSubstr("\"transforms\": must be a list"));
  EXPECT_THAT(fault_with({{"transforms", {"rot13"}}}), HasSubstr("transform \"rot13\""));
  EXPECT_THAT(fault_with({{"transforms", Json::array()}, {"fresh_keys", 1}}),
              HasSubstr("\"fresh_keys\": must be true or false"));
}

TEST_F(SaBulkTest, DumpsInPagesWithCounters) {
  for (unsigned i = 1; i < 6; ++i) add(0x1000 + i, i);
  ASSERT_TRUE(send());
  SaState& state = dataplane_.regions().sa_states()[1];
  state.packets.set(3);
  state.bytes.set(300);
  dataplane_.use_sequence(1, 7);
  const auto all = dump();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[1].spi, 0x1002u);
  EXPECT_EQ(all[1].dst, kPeer);
  EXPECT_EQ(all[1].packets, 3u);
  EXPECT_EQ(all[1].bytes, 300u);
  EXPECT_EQ(all[1].sequence, 7u);
  EXPECT_EQ(all[1].direction, Direction::out);
  const auto page = dump_sas(*manager_, {{"from", 1u}, {"limit", 2u}});
  ASSERT_TRUE(page);
  EXPECT_EQ(page->data["records"], 2);
  EXPECT_EQ(page->data["next"], 3);
  EXPECT_EQ(page->data["transforms"][all[1].transform], "aes128-gcm");
  EXPECT_TRUE(dump_sas(*manager_, {{"from", 3u}})->data["next"].is_null());
}

}  // namespace
}  // namespace culvert
