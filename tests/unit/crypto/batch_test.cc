// SPDX-License-Identifier: BSD-3-Clause
// A batch of any mix of transforms must come out as its packets do one by one: nothing is held
// back, and no packet's work spills into another's.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/crypto/crypto_test_support.h"

namespace culvert {
namespace {

struct Batch {
  std::vector<std::unique_ptr<ExpandedKey>> keys;
  std::vector<TestPacket> packets;

  std::vector<CryptoJob> jobs() {
    std::vector<CryptoJob> jobs;
    for (std::size_t i = 0; i < packets.size(); ++i) jobs.push_back(packets[i].job(*keys[i]));
    return jobs;
  }
};

class Batches : public CodePathTest {
 protected:
  Batch make_batch(std::span<const TransformId> transforms, std::size_t packets) {
    Batch batch;
    for (std::size_t i = 0; i < packets; ++i) {
      const TransformId transform = transforms[random_() % transforms.size()];
      const unsigned seed = static_cast<unsigned>(random_());
      batch.keys.push_back(expand(*engine_, transform, key_material(transform, seed)));
      const std::size_t size = random_() % 16 == 0 ? random_() % 1500 : random_() % 200;
      batch.packets.push_back(clear_packet(transform, whole_blocks(transform, size),
                                           random_() % 2 == 0 ? Esn::without : Esn::with, seed));
    }
    return batch;
  }

  // Seals, forges some, opens, each against single packets.
  void check(Batch& batch) {
    std::vector<TestPacket> single = batch.packets;
    const std::vector<TestPacket> clear = batch.packets;
    const auto jobs = batch.jobs();
    engine_->seal(jobs);
    for (std::size_t i = 0; i < single.size(); ++i) {
      single[i].seal(*engine_, *batch.keys[i]);
      ASSERT_EQ(batch.packets[i], single[i]) << single[i].info().name;
    }
    std::vector<Verdict> expected;
    for (std::size_t i = 0; i < single.size(); ++i) {
      if (random_() % 4 == 0 && !single[i].icv().empty()) {
        batch.packets[i].icv().front() ^= std::byte{1};
      }
      single[i] = batch.packets[i];
      expected.push_back(single[i].open(*engine_, *batch.keys[i]));
    }
    std::vector<Verdict> verdicts(jobs.size());
    engine_->open(jobs, verdicts);
    EXPECT_EQ(verdicts, expected);
    for (std::size_t i = 0; i < single.size(); ++i) {
      ASSERT_EQ(batch.packets[i], single[i]) << single[i].info().name;
      if (verdicts[i] == Verdict::refused) continue;
      EXPECT_EQ(copy_of(batch.packets[i].payload()), copy_of(TestPacket(clear[i]).payload()));
    }
  }

  std::mt19937 random_{42};
};
INSTANTIATE_TEST_SUITE_P(CodePaths, Batches, testing::ValuesIn(kAllCodePaths), code_path_name);

TEST_P(Batches, OfAnyLengthAndMixComeOutAsSinglePacketsDo) {
  const auto transforms = all_transforms();
  for (std::size_t packets = 1; packets <= 128; packets += 1 + packets / 8) {
    Batch batch = make_batch(transforms, packets);
    check(batch);
  }
}

TEST_P(Batches, OfOneTransformComeOutAsSinglePacketsDo) {
  for (const TransformId transform : all_transforms()) {
    for (const std::size_t packets : {std::size_t{2}, std::size_t{17}, std::size_t{40}}) {
      Batch batch = make_batch({&transform, 1}, packets);
      check(batch);
    }
  }
}

TEST_P(Batches, MayBeLongerThanWhatIsGatheredAtOnce) {
  Batch batch = make_batch(all_transforms(), 400);
  check(batch);
}

TEST_P(Batches, WithPacketsThatCannotBeSealedSealTheOthers) {
  const TransformId cbc = *transform_named("aes128-cbc+hmac-sha1-96");
  Batch batch = make_batch({&cbc, 1}, 20);
  batch.packets[5] = clear_packet(cbc, 33, Esn::without, 1);
  std::vector<TestPacket> clear = batch.packets;
  const auto jobs = batch.jobs();
  engine_->seal(jobs);
  std::vector<Verdict> verdicts(jobs.size());
  engine_->open(jobs, verdicts);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    EXPECT_EQ(verdicts[i], i == 5 ? Verdict::refused : Verdict::authentic);
    const Bytes expected = i == 5 ? Bytes(33) : copy_of(clear[i].payload());
    EXPECT_EQ(copy_of(batch.packets[i].payload()), expected);
  }
}

}  // namespace
}  // namespace culvert
