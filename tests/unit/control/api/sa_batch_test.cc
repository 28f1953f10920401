// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/sa_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "control/sa_algorithms.h"
#include "crypto/key.h"

namespace culvert {
namespace {

using testing::HasSubstr;

const std::array kTransforms{TransformId::aes128_gcm16, TransformId::chacha20_poly1305};

SaBatchRecord some_record() {
  SaBatchRecord record;
  record.op = SaBatchOp::add;
  record.family = Family::v4;
  record.direction = Direction::in;
  record.key_bytes = 20;
  record.flags = kBatchEsn | kBatchUdpEncap;
  record.spi = 0x1001;
  record.reqid = 7;
  record.src = IpAddress{{192, 0, 2, 2}};
  record.dst = IpAddress{{192, 0, 2, 1}};
  record.replay_window = 1024;
  record.encap_src_port = Be16{4500};
  record.encap_dst_port = Be16{4501};
  record.sequence = 0x100000002;
  record.hard_bytes = 1000;
  record.hard_seconds = 60;
  record.mark_value = 1;
  record.mark_mask = 3;
  record.tfc_bytes = 500;
  return record;
}

std::array<std::byte, 20> some_key() {
  std::array<std::byte, 20> key{};
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = std::byte(i + 1);
  return key;
}

SecretBytes batch_of(const SaBatchRecord& record) {
  SecretBytes batch;
  const std::array key = some_key();
  append_record(batch, record, std::span(key).first(record.key_bytes == 20 ? 20 : 0));
  return batch;
}

std::string fault_of(const SaBatchRecord& record) {
  const SecretBytes batch = batch_of(record);
  SaBatchReader reader(batch, kTransforms, SaOrigin::automatic);
  const auto read = reader.read();
  return read ? "" : read.error().message;
}

TEST(SaBatch, ReadsWhatARecordSays) {
  const SecretBytes batch = batch_of(some_record());
  SaBatchReader reader(batch, kTransforms, SaOrigin::by_hand);
  ASSERT_TRUE(reader.read());
  EXPECT_TRUE(reader.is_at_end());
  EXPECT_EQ(reader.op(), SaBatchOp::add);
  const Sa& sa = reader.sa();
  EXPECT_EQ(sa.id.spi, Spi{0x1001});
  EXPECT_EQ(sa.id.dst, (IpAddress{{192, 0, 2, 1}}));
  EXPECT_EQ(sa.id.mark, (Mark{1, 3}));
  EXPECT_EQ(sa.src, (IpAddress{{192, 0, 2, 2}}));
  EXPECT_EQ(sa.mode, XfrmMode::tunnel);
  EXPECT_EQ(sa.direction, SaDirection::in);
  EXPECT_EQ(sa.flags, kStateEsn);
  EXPECT_EQ(sa.reqid, 7u);
  EXPECT_EQ(sa.replay->window, 1024u);
  EXPECT_EQ(sa.replay->seq, 2u);
  EXPECT_EQ(sa.replay->seq_hi, 1u);
  EXPECT_EQ(sa.encap->dst_port, Be16{4501});
  EXPECT_EQ(sa.lifetimes.hard_bytes, 1000u);
  EXPECT_EQ(sa.lifetimes.soft_bytes, Lifetimes::kNoLimit);
  EXPECT_EQ(sa.lifetimes.hard_add_expires_seconds, 60u);
  EXPECT_EQ(sa.tfcpad, 500u);
  EXPECT_EQ(sa.origin, SaOrigin::by_hand);
  EXPECT_EQ(*transform_of(sa), TransformId::aes128_gcm16);
  EXPECT_TRUE(constant_time_equal(reader.key().bytes(), some_key()));
  EXPECT_EQ(reader.name(), "add spi 0x1001 to 192.0.2.1");
}

TEST(SaBatch, LeavesNothingOfARecordToTheNext) {
  SecretBytes batch = batch_of(some_record());
  SaBatchRecord plain{.op = SaBatchOp::update, .family = Family::v6, .transform = 1, .spi = 0x2000};
  append_record(batch, plain, {});
  SaBatchReader reader(batch, kTransforms, SaOrigin::automatic);
  ASSERT_TRUE(reader.read());
  ASSERT_TRUE(reader.read());
  EXPECT_EQ(reader.sa().id.mark, Mark{});
  EXPECT_FALSE(reader.sa().encap);
  EXPECT_FALSE(reader.sa().direction);
  EXPECT_FALSE(reader.sa().tfcpad);
  EXPECT_EQ(reader.sa().flags, 0);
  EXPECT_EQ(reader.sa().lifetimes, Lifetimes{});
  EXPECT_EQ(reader.sa().selector.family, Family::v6);
  EXPECT_EQ(*transform_of(reader.sa()), TransformId::chacha20_poly1305);
  EXPECT_TRUE(reader.key().empty());
}

TEST(SaBatch, NamesWhatIsWrongAndWhatIsAllowed) {
  struct Case {
    std::function<void(SaBatchRecord&)> change;
    const char* fault;
  };
  const Case cases[] = {
      {[](SaBatchRecord& record) { record.op = SaBatchOp{4}; },
       "operation 4: must be add (1), update (2) or remove (3)"},
      {[](SaBatchRecord& record) { record.op = SaBatchOp{}; }, "operation 0"},
      {[](SaBatchRecord& record) { record.family = Family{5}; }, "family 5: must be 4 or 6"},
      {[](SaBatchRecord& record) { record.direction = Direction{3}; }, "direction 3: must be in"},
      {[](SaBatchRecord& record) { record.mode = SaMode{2}; }, "mode 2: must be transport (0)"},
      {[](SaBatchRecord& record) { record.flags = 32; }, "flags 0x20: must be of 0x1f"},
      {[](SaBatchRecord& record) { record.reserved[7] = 1; }, "reserved bytes: must be 0"},
      {[](SaBatchRecord& record) { record.transform = 2; }, "transform 2: the request names 2"},
      {[](SaBatchRecord& record) { record.key_bytes = 21; }, "key of 21 bytes: 0 bytes are left"},
      {[](SaBatchRecord& record) { record.op = SaBatchOp::remove; },
       "key: what is removed is named without"},
  };
  for (const Case& entry : cases) {
    SaBatchRecord record = some_record();
    entry.change(record);
    EXPECT_THAT(fault_of(record), HasSubstr(entry.fault));
  }
}

TEST(SaBatch, RefusesARecordThatIsCutOff) {
  const SecretBytes batch = batch_of(some_record());
  for (std::size_t bytes = 1; bytes < batch.size(); ++bytes) {
    const std::span cut(batch.data(), bytes);
    SaBatchReader reader(cut, kTransforms, SaOrigin::automatic);
    EXPECT_FALSE(reader.read()) << bytes;
  }
}

}  // namespace
}  // namespace culvert
