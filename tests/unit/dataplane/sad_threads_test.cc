// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "dataplane/sad.h"
#include "tests/unit/dataplane/reader_threads.h"

namespace culvert {
namespace {

constexpr std::uint32_t kSas = 64;  // the first half outbound, the second inbound
constexpr std::uint32_t kFirstInbound = kSas / 2;
constexpr std::size_t kThreads = 2;

// What an SA carries follows from its SPI, so that a mixture of two SAs would show.
SaSpec spec_of(std::uint32_t index, std::uint32_t spi, std::uint32_t round) {
  return {.generation = spi,
          .direction = index < kFirstInbound ? Direction::out : Direction::in,
          .transform = static_cast<std::uint8_t>(TransformId::aes128_gcm16),
          .family = Family::v4,
          .spi = spi,
          .replay_window = 1024,
          .reqid = spi ^ 0x5a5a5a5a,
          .src = IpAddress::v4(Be32{0xc0000200 + round % 256}),
          .dst = IpAddress::v4(Be32{0xc0000201})};
}
KeySlot key_of(std::uint32_t spi) {
  KeySlot key{.generation = spi, .key_bytes = 20};
  for (std::size_t i = 0; i < 20; i += sizeof spi)
    std::memcpy(key.key.data() + i, &spi, sizeof spi);
  return key;
}

class SadThreads : public testing::Test {
 protected:
  SadThreads() {
    EXPECT_EQ(create_regions({.max_sas = kSas, .max_policies = 1, .window_slots = 4096}, {},
                             descriptors_),
              "");
    descriptors_.back() = dup(descriptors_.front());
    EXPECT_EQ(regions_.attach(descriptors_, Side::dataplane), "");
    engine_ = Engine::create();
    std::string error;
    sad_ = Sad::create(regions_, *engine_, 1, readers_, error);
    EXPECT_EQ(error, "");
  }
  ~SadThreads() override {
    readers_.stop();
    for (const int descriptor : descriptors_) close(descriptor);
  }

  // As a worker uses an SA for one burst: SA, key and state fit together until it is quiescent.
  // Returns whether there was one.
  bool use(SaIndex index, std::uint32_t spi) {
    const Sa* sa = sad_->sa(index);
    if (sa == nullptr) return false;
    EXPECT_EQ(sa->index, index.raw());
    EXPECT_EQ(sa->reqid, sa->spi.raw() ^ 0x5a5a5a5a);
    EXPECT_TRUE(spi == 0 || sa->spi.raw() == spi);
    const std::uint32_t expected = sa->spi.raw();
    sa->state->sequence.fetch_add(1, std::memory_order_relaxed);
    sa->state->packets.add(1);
    // An expanded key begins with the key itself.
    std::uint32_t of_key = 0;
    std::memcpy(&of_key, sa->key->schedule.data(), sizeof of_key);
    EXPECT_EQ(of_key, expected);
    EXPECT_EQ(sa->key->transform, TransformId::aes128_gcm16);
    return true;
  }

  Descriptors descriptors_{};
  Regions regions_;
  ReaderThreads readers_{kThreads};
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Sad> sad_;
};

// Odd indices come and go under ever new SPIs and keys, even ones stay and are changed all the
// time, as an IKE daemon does with SAs whose peer moves.
TEST_F(SadThreads, SaKeyAndStateFitTogetherWhileSasComeAndGo) {
  const auto spi_of = [](std::uint32_t index, std::uint32_t round) {
    return 0x1000 + (round % 5) * kSas + index;
  };
  for (std::uint32_t i = 0; i < kSas; i += 2) {
    ASSERT_EQ(sad_->add(SaIndex{i}, spec_of(i, 0x1000 + i, 0), key_of(0x1000 + i)), Refusal::none);
  }
  std::atomic<std::uint64_t> uses_of_first{0};
  readers_.start([&] {
    for (std::uint32_t i = 0; i < kFirstInbound; ++i) {
      const bool is_there = use(SaIndex{i}, i % 2 == 0 ? 0x1000 + i : 0);
      ASSERT_TRUE(is_there || i % 2 == 1);
    }
    uses_of_first.fetch_add(1);
    std::array<SaKey, kSas / 2> names;
    std::array<SaIndex, kSas / 2> found{};
    for (std::uint32_t round = 0; round < 5; ++round) {
      for (std::uint32_t i = 0; i < names.size(); ++i) {
        const std::uint32_t index = kFirstInbound + i;
        names[i] = {IpAddress::v4(Be32{0xc0000201}), Spi{spi_of(index, round)}, Family::v4};
      }
      sad_->table().find_burst(names, found);
      for (std::uint32_t i = 0; i < names.size(); ++i) {
        ASSERT_TRUE(found[i] != kNoSa || i % 2 == 1 || round != 0);
        if (found[i] != kNoSa) use(found[i], names[i].spi.raw());
      }
    }
  });
  for (std::uint32_t round = 0; round < 200; ++round) {
    for (std::uint32_t i = 0; i < kSas; ++i) {
      const std::uint32_t spi = i % 2 == 0 ? 0x1000 + i : spi_of(i, round);
      const SaSpec spec = spec_of(i, spi, round);
      ASSERT_EQ(
          i % 2 == 0 ? sad_->update(SaIndex{i}, spec) : sad_->add(SaIndex{i}, spec, key_of(spi)),
          Refusal::none);
    }
    std::this_thread::yield();
    for (std::uint32_t i = 1; i < kSas; i += 2) {
      ASSERT_EQ(sad_->remove(SaIndex{i}, spi_of(i, round)), Refusal::none);
    }
    readers_.wait();
    sad_->reclaim();
  }
  readers_.stop();
  // No change of the SA lost or gave out twice a number that was reserved.
  EXPECT_EQ(sad_->state(SaIndex{0}).sequence.load(), uses_of_first.load());
  EXPECT_EQ(sad_->state(SaIndex{0}).packets.get(), uses_of_first.load());
}

}  // namespace
}  // namespace culvert
