// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "dataplane/sa_table.h"
#include "tests/unit/dataplane/reader_threads.h"

namespace culvert {
namespace {

SaKey key_of(std::uint32_t spi) {
  return {.destination = IpAddress::v4(Be32{0xc0000201}), .spi = Spi{spi}, .family = Family::v4};
}

// Half of the SAs stay; the others come and go, and a slot serves again for another SPI only after
// the readers passed a quiescent state, as in the dataplane.
TEST(SaTableThreads, FindWhatStaysAndNeverTheWrongSaWhileOthersComeAndGo) {
  constexpr std::uint32_t kSas = 512;
  constexpr std::uint32_t kRounds = 300;
  const auto table = SaTable::create(kSas, 99);
  ASSERT_NE(table, nullptr);
  ReaderThreads readers(2);
  // What each slot holds, as a worker would find it in the SA. Relaxed: ordered by the table.
  std::vector<std::atomic<std::uint32_t>> spi_of(kSas);
  for (std::uint32_t i = 0; i < kSas; i += 2) {
    spi_of[i].store(1000 + i, std::memory_order_relaxed);
    ASSERT_EQ(table->insert(key_of(1000 + i), SaIndex{i}), SaTable::Insert::ok);
  }
  readers.start([&] {
    std::array<SaKey, 64> keys;
    std::array<SaIndex, 64> found{};
    for (std::uint32_t first = 0; first < 4096; first += 64) {
      for (std::uint32_t i = 0; i < 64; ++i) keys[i] = key_of(1000 + first + i);
      table->find_burst(keys, found);
      for (std::uint32_t i = 0; i < 64; ++i) {
        if (first + i < kSas && i % 2 == 0) {
          ASSERT_EQ(found[i], SaIndex{first + i});
        }
        if (found[i] != kNoSa) {
          ASSERT_EQ(spi_of[found[i].raw()].load(std::memory_order_relaxed), keys[i].spi.raw());
        }
      }
    }
  });
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    for (std::uint32_t i = 1; i < kSas; i += 2) {
      const std::uint32_t spi = 1000 + (round % 7) * kSas + i;
      spi_of[i].store(spi, std::memory_order_relaxed);
      ASSERT_EQ(table->insert(key_of(spi), SaIndex{i}), SaTable::Insert::ok);
    }
    for (std::uint32_t i = 1; i < kSas; i += 2) ASSERT_TRUE(table->erase(SaIndex{i}));
    readers.wait();
  }
  readers.stop();
}

}  // namespace
}  // namespace culvert
