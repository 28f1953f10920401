// SPDX-License-Identifier: BSD-3-Clause
#include <cerrno>

#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

using SaManagerLarval = SaManagerTest;

SpiRequest spi_request(std::uint32_t min, std::uint32_t max) {
  SpiRequest request{.min = min, .max = max};
  request.larval.id = {.family = Family::v4, .dst = kOurs};
  request.larval.src = kPeer;
  request.larval.reqid = 1;
  return request;
}

TEST_F(SaManagerLarval, GetsAnSpiOfItsRangeThatTheDataplaneNeedNotKnow) {
  const Result<Sa> larval = manager_->allocate_spi(spi_request(0xc0000000, 0xcfffffff));
  ASSERT_TRUE(larval);
  EXPECT_TRUE(larval->is_larval);
  EXPECT_GE(larval->id.spi.raw(), 0xc0000000u);
  EXPECT_LE(larval->id.spi.raw(), 0xcfffffffu);
  EXPECT_EQ(larval->lifetimes.hard_add_expires_seconds, 30u);
  EXPECT_TRUE(dataplane_.take_requests().empty());
  EXPECT_EQ(manager_->sad_counts().sas, 1u);
}

TEST_F(SaManagerLarval, RefusesRangesThatAreNone) {
  EXPECT_EQ(manager_->allocate_spi(spi_request(0x300, 0x200)).error().code, EINVAL);
  EXPECT_EQ(manager_->allocate_spi(spi_request(0x1, 0x20)).error().code, EINVAL);
  SpiRequest ah = spi_request(0x300, 0x400);
  ah.larval.id.protocol = 51;
  EXPECT_EQ(manager_->allocate_spi(ah).error().code, EPROTONOSUPPORT);
}

TEST_F(SaManagerLarval, FindsNoneInARangeThatIsUsedUp) {
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(manager_->allocate_spi(spi_request(0x300, 0x303)));
  EXPECT_EQ(manager_->allocate_spi(spi_request(0x300, 0x303)).error().code, ENOENT);
}

TEST_F(SaManagerLarval, BecomesLiveByAnUpdate) {
  const Sa larval = *manager_->allocate_spi(spi_request(0x3000, 0x3000));
  const Result<Sa> live = manager_->update(inbound(0x3000), key_number(1));
  ASSERT_TRUE(live) << live.error().message;
  EXPECT_FALSE(live->is_larval);
  EXPECT_EQ(live->index, larval.index);
  EXPECT_EQ(dataplane_.installed_sas().at(live->index.raw()).spi, 0x3000u);
  now_ += std::chrono::seconds(100);
  manager_->poll();
  EXPECT_TRUE(manager_->find(inbound(0x3000).id).has_value());
  EXPECT_EQ(recorder_.heard, (std::vector<std::string>{"updated 12288"}));
}

TEST_F(SaManagerLarval, StaysLarvalWhenTheDataplaneRefusesTheUpdate) {
  static_cast<void>(manager_->allocate_spi(spi_request(0x3000, 0x3000)));
  dataplane_.set_refuse([](const Request&) { return Refusal::no_table_memory; });
  EXPECT_EQ(manager_->update(inbound(0x3000), key_number(1)).error().code, ENOBUFS);
  EXPECT_TRUE(manager_->find(inbound(0x3000).id)->is_larval);
  EXPECT_FALSE(keys_region_holds(key_number(1)));
  dataplane_.set_refuse(nullptr);
  EXPECT_TRUE(manager_->update(inbound(0x3000), key_number(1)));
}

TEST_F(SaManagerLarval, TakesItsIdentity) {
  static_cast<void>(manager_->allocate_spi(spi_request(0x3000, 0x3000)));
  EXPECT_EQ(add_error(inbound(0x3000), key_number(1)), EEXIST);
}

TEST_F(SaManagerLarval, ExpiresWhenNobodyCompletesIt) {
  static_cast<void>(manager_->allocate_spi(spi_request(0x3000, 0x3000)));
  now_ += std::chrono::seconds(29);
  manager_->poll();
  EXPECT_EQ(manager_->sad_counts().sas, 1u);
  now_ += std::chrono::seconds(1);
  manager_->poll();
  EXPECT_EQ(manager_->sad_counts().sas, 0u);
  EXPECT_EQ(recorder_.heard, (std::vector<std::string>{"expired 12288"}));
}

TEST_F(SaManagerLarval, LeavesAnSpiThatRestsThirtySeconds) {
  static_cast<void>(manager_->allocate_spi(spi_request(0x3000, 0x3000)));
  ASSERT_TRUE(manager_->remove(inbound(0x3000).id));
  EXPECT_EQ(manager_->allocate_spi(spi_request(0x3000, 0x3000)).error().code, ENOENT);
  now_ += std::chrono::seconds(30);
  manager_->poll();
  EXPECT_TRUE(manager_->allocate_spi(spi_request(0x3000, 0x3000)));
}

TEST_F(SaManagerLarval, OutlivesControl) {
  static_cast<void>(add(outbound(0x1001), key_number(1)));
  static_cast<void>(manager_->allocate_spi(spi_request(0x3000, 0x3000)));
  restart_control();
  ASSERT_TRUE(manager_->find(inbound(0x3000).id));
  EXPECT_TRUE(manager_->find(inbound(0x3000).id)->is_larval);
  now_ += std::chrono::seconds(31);
  manager_->poll();
  EXPECT_FALSE(manager_->find(inbound(0x3000).id));
}

}  // namespace
}  // namespace culvert
