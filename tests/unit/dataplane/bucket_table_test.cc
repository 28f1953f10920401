// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/bucket_table.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace culvert {
namespace {

constexpr std::uint64_t entry(std::uint32_t tag, std::uint32_t id) {
  return std::uint64_t{tag} << 32 | id;
}

TEST(Bucket, FindsATagInEveryPlace) {
  for (std::uint32_t place = 0; place < Bucket::kWays; ++place) {
    Bucket bucket{};
    bucket.entries[place].store(entry(0x80000001, 7));
    EXPECT_EQ(bucket.way_of(0x80000001), place);
    EXPECT_EQ(bucket.way_of_plain(0x80000001), place);
  }
}

TEST(Bucket, FindsNoTagThatOnlyAnIdLooksLike) {
  Bucket bucket{};
  for (auto& slot : bucket.entries) slot.store(entry(1, 0x80000005));
  EXPECT_EQ(bucket.way_of(0x80000005), Bucket::kWays);
  EXPECT_EQ(bucket.way_of_plain(0x80000005), Bucket::kWays);
}

TEST(Bucket, IsScannedWithTheSameResultByVectorAndByLoop) {
  std::mt19937 random(1);
  constexpr std::uint32_t kTags[] = {0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff};
  const auto any = [&] { return kTags[random() % std::size(kTags)]; };
  for (int round = 0; round < 20000; ++round) {
    Bucket bucket{};
    for (auto& slot : bucket.entries) slot.store(entry(any(), any()));
    for (const std::uint32_t tag : kTags) {
      ASSERT_EQ(bucket.way_of(tag), bucket.way_of_plain(tag)) << "round " << round << " " << tag;
    }
  }
}

}  // namespace
}  // namespace culvert
