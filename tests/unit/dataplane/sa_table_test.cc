// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/sa_table.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <unordered_map>
#include <vector>

#include "dataplane/keyed_hash.h"

namespace culvert {
namespace {

constexpr std::uint64_t kSecret = 0x0123456789abcdef;

SaKey key_of(std::uint32_t spi, std::uint32_t destination = 0xc0000201) {
  return {.destination = IpAddress::v4(Be32{destination}), .spi = Spi{spi}, .family = Family::v4};
}

std::unique_ptr<SaTable> make_table(std::uint32_t max_sas) {
  auto table = SaTable::create(max_sas, kSecret);
  EXPECT_NE(table, nullptr);
  return table;
}

TEST(SaTable, FindsAnSaByDestinationAndSpi) {
  const auto table = make_table(16);
  EXPECT_EQ(table->find(key_of(0x1000)), kNoSa);
  EXPECT_EQ(table->insert(key_of(0x1000), SaIndex{3}), SaTable::Insert::ok);
  EXPECT_EQ(table->find(key_of(0x1000)), SaIndex{3});
  EXPECT_EQ(table->find(key_of(0x1001)), kNoSa);
  EXPECT_EQ(table->size(), 1u);
}

TEST(SaTable, TellsSasWithOneSpiApartByDestination) {
  const auto table = make_table(16);
  EXPECT_EQ(table->insert(key_of(0x1000, 1), SaIndex{0}), SaTable::Insert::ok);
  EXPECT_EQ(table->insert(key_of(0x1000, 2), SaIndex{1}), SaTable::Insert::ok);
  EXPECT_EQ(table->find(key_of(0x1000, 1)), SaIndex{0});
  EXPECT_EQ(table->find(key_of(0x1000, 2)), SaIndex{1});
  EXPECT_EQ(table->find(key_of(0x1000, 3)), kNoSa);
}

TEST(SaTable, TellsAddressFamiliesApart) {
  const auto table = make_table(16);
  SaKey v6 = key_of(0x1000);
  v6.family = Family::v6;
  EXPECT_EQ(table->insert(key_of(0x1000), SaIndex{0}), SaTable::Insert::ok);
  EXPECT_EQ(table->find(v6), kNoSa);
  EXPECT_EQ(table->insert(v6, SaIndex{1}), SaTable::Insert::ok);
  EXPECT_EQ(table->find(v6), SaIndex{1});
  EXPECT_EQ(table->find(key_of(0x1000)), SaIndex{0});
}

TEST(SaTable, ComparesEveryByteOfTheDestination) {
  const auto table = make_table(16);
  SaKey key = key_of(0x1000);
  key.family = Family::v6;
  ASSERT_EQ(table->insert(key, SaIndex{0}), SaTable::Insert::ok);
  for (std::size_t i = 0; i < key.destination.bytes.size(); ++i) {
    SaKey other = key;
    other.destination.bytes[i] ^= 1;
    EXPECT_EQ(table->find(other), kNoSa) << "byte " << i;
  }
}

TEST(SaTable, RefusesASecondSaWithTheSameKey) {
  const auto table = make_table(16);
  EXPECT_EQ(table->insert(key_of(0x1000), SaIndex{0}), SaTable::Insert::ok);
  EXPECT_EQ(table->insert(key_of(0x1000), SaIndex{1}), SaTable::Insert::duplicate);
  EXPECT_EQ(table->find(key_of(0x1000)), SaIndex{0});
}

TEST(SaTable, RefusesAnIndexBeyondItsSize) {
  const auto table = make_table(16);
  EXPECT_EQ(table->insert(key_of(0x1000), SaIndex{16}), SaTable::Insert::bad_index);
  EXPECT_EQ(table->insert(key_of(0x1000), kNoSa), SaTable::Insert::bad_index);
  EXPECT_FALSE(table->erase(SaIndex{16}));
}

TEST(SaTable, DoesNotFindAnErasedSa) {
  const auto table = make_table(16);
  ASSERT_EQ(table->insert(key_of(0x1000), SaIndex{5}), SaTable::Insert::ok);
  EXPECT_TRUE(table->erase(SaIndex{5}));
  EXPECT_EQ(table->find(key_of(0x1000)), kNoSa);
  EXPECT_FALSE(table->erase(SaIndex{5}));
  EXPECT_EQ(table->size(), 0u);
  EXPECT_EQ(table->insert(key_of(0x2000), SaIndex{5}), SaTable::Insert::ok);
  EXPECT_EQ(table->find(key_of(0x2000)), SaIndex{5});
  EXPECT_EQ(table->find(key_of(0x1000)), kNoSa);
}

TEST(SaTable, NeverFindsSpiZero) {
  const auto table = make_table(16);
  EXPECT_EQ(table->find(key_of(0)), kNoSa);
  const SaKey zero{.destination = {}, .spi = Spi{0}, .family = Family::none};
  SaIndex index;
  table->find_burst(std::span(&zero, 1), std::span(&index, 1));
  EXPECT_EQ(index, kNoSa);
}

TEST(SaTable, TakesAsManySasAsItWasMadeFor) {
  for (const std::uint32_t max_sas : {1u, 2u, 7u, 64u, 1000u, 100'000u}) {
    const auto table = make_table(max_sas);
    for (std::uint32_t i = 0; i < max_sas; ++i) {
      ASSERT_EQ(table->insert(key_of(256 + i), SaIndex{i}), SaTable::Insert::ok) << i;
    }
    for (std::uint32_t i = 0; i < max_sas; ++i) {
      ASSERT_EQ(table->find(key_of(256 + i)), SaIndex{i});
    }
  }
}

// The destination for which, with SPI 0x1000 and kOpenSecret, the hash is `number` << 20. One
// factor of the inner product is 1 and one of the outer is 1 << 20, so that nothing is mixed.
constexpr std::uint64_t kOpenSecret = (0x1000 << 8 | 6) ^ kHashSalt[1] ^ 1 << 20;
SaKey key_with_hash(std::uint64_t number) {
  const std::uint64_t words[] = {kOpenSecret ^ 1,
                                 number ^ kHashSalt[2] ^ kHashSalt[0] ^ kOpenSecret};
  SaKey key{.destination = {}, .spi = Spi{0x1000}, .family = Family::v6};
  std::memcpy(key.destination.bytes.data(), words, sizeof words);
  return key;
}

// Who knows the secret can make keys that all want the same two buckets.
TEST(SaTable, TakesAHundredThousandSasCraftedIntoTwoBuckets) {
  constexpr std::uint32_t kSas = 100'000;
  const auto table = SaTable::create(kSas, kOpenSecret);
  ASSERT_NE(table, nullptr);
  std::vector<SaKey> keys;
  for (std::uint64_t i = 0; i < kSas; ++i) {
    keys.push_back(key_with_hash((i >> 12) << 32 | (i & 0xfff)));
    // Of 32768 buckets the lower bits of both halves of the hash choose two.
    const std::uint64_t hash = SaTable::hash(keys.back(), kOpenSecret);
    ASSERT_EQ(hash & 0x7fff, 0u);
    ASSERT_EQ(hash >> 32 & 0x7fff, 0u);
  }
  for (std::uint32_t i = 0; i < kSas; ++i) {
    ASSERT_EQ(table->insert(keys[i], SaIndex{i}), SaTable::Insert::ok);
  }
  EXPECT_EQ(table->spilled(), kSas - 8);
  std::vector<SaIndex> found(kSas);
  table->find_burst(keys, found);
  for (std::uint32_t i = 0; i < kSas; ++i) ASSERT_EQ(found[i], SaIndex{i});
  for (std::uint32_t i = 0; i < kSas; i += 2) ASSERT_TRUE(table->erase(SaIndex{i}));
  for (std::uint32_t i = 0; i < kSas; ++i) {
    ASSERT_EQ(table->find(keys[i]), i % 2 == 0 ? kNoSa : SaIndex{i});
  }
  for (std::uint32_t i = 1; i < kSas; i += 2) ASSERT_TRUE(table->erase(SaIndex{i}));
  EXPECT_EQ(table->size(), 0u);
  EXPECT_EQ(table->spilled(), 0u);
}

TEST(SaTable, AgreesWithAMapUnderRandomUse) {
  constexpr std::uint32_t kSas = 3000;
  const auto table = make_table(kSas);
  std::mt19937 random(7);
  std::unordered_map<std::uint32_t, std::uint32_t> expected;  // SPI to index
  std::vector<std::uint32_t> spi_of(kSas, 0);
  for (int step = 0; step < 200'000; ++step) {
    const auto index = static_cast<std::uint32_t>(random() % kSas);
    const auto spi = static_cast<std::uint32_t>(256 + random() % 5000);
    if (spi_of[index] != 0) {
      ASSERT_TRUE(table->erase(SaIndex{index}));
      expected.erase(spi_of[index]);
      spi_of[index] = 0;
    } else if (expected.contains(spi)) {
      ASSERT_EQ(table->insert(key_of(spi), SaIndex{index}), SaTable::Insert::duplicate);
    } else {
      ASSERT_EQ(table->insert(key_of(spi), SaIndex{index}), SaTable::Insert::ok);
      expected.emplace(spi, index);
      spi_of[index] = spi;
    }
    const auto probe = static_cast<std::uint32_t>(256 + random() % 5000);
    const auto found = expected.find(probe);
    ASSERT_EQ(table->find(key_of(probe)), found == expected.end() ? kNoSa : SaIndex{found->second});
  }
  EXPECT_EQ(table->size(), expected.size());
}

TEST(SaTable, FindsBurstsOfAnySize) {
  const auto table = make_table(1000);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(table->insert(key_of(1000 + i), SaIndex{i}), SaTable::Insert::ok);
  }
  for (const std::size_t size : {0u, 1u, 32u, 63u, 64u, 65u, 200u}) {
    std::vector<SaKey> keys;
    for (std::uint32_t i = 0; i < size; ++i) keys.push_back(key_of(990 + 7 * i));
    std::vector<SaIndex> found(size);
    table->find_burst(keys, found);
    for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(found[i], table->find(keys[i])) << size;
  }
}

}  // namespace
}  // namespace culvert
