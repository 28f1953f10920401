// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/esp_transform.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "tests/unit/crypto/crypto_test_support.h"
#include "tests/unit/crypto/reference_esp.h"

namespace culvert {
namespace {

constexpr std::size_t kPayloadSizes[] = {0,   1,   4,   15,  16,  17,  31,  48,   64,   68,  100,
                                         128, 255, 256, 512, 752, 768, 769, 1024, 1424, 9000};

// Every number of blocks that may take another branch in ipsec-mb, and the sizes of full packets.
std::vector<std::size_t> all_sizes(TransformId transform) {
  std::vector<std::size_t> sizes;
  const std::size_t step = block_bytes(transform);
  for (std::size_t size = 0; size <= 300; size += step) sizes.push_back(size);
  for (std::size_t size = 1408; size <= 1440; size += step) sizes.push_back(size);
  return sizes;
}

TEST(Engine, TakesTheBestCodePathThatTheCpuHas) {
  const auto best = Engine::create();
  ASSERT_NE(best, nullptr);
  std::string_view last;
  for (const CodePath path : kAllCodePaths) {
    if (const auto engine = Engine::create(path)) last = engine->code_path();
  }
  EXPECT_EQ(best->code_path(), last);
}

class EspTransform : public CodePathTest {};
INSTANTIATE_TEST_SUITE_P(CodePaths, EspTransform, testing::ValuesIn(kAllCodePaths), code_path_name);

TEST_P(EspTransform, PassesItsSelfTest) {
  EXPECT_EQ(engine_->self_test().value_or("passed"), "passed");
}

TEST_P(EspTransform, SealsLikeOpenSslAtEverySizeAndOpensItAgain) {
  for (const TransformId transform : all_transforms()) {
    const Bytes material = key_material(transform, 1);
    const auto key = expand(*engine_, transform, material);
    for (const std::size_t size : all_sizes(transform)) {
      const Esn esn = size / block_bytes(transform) % 2 == 0 ? Esn::without : Esn::with;
      const TestPacket clear = clear_packet(transform, size, esn, static_cast<unsigned>(size));
      TestPacket expected = clear;
      reference_seal(expected, material);
      TestPacket packet = clear;
      packet.seal(*engine_, *key);
      ASSERT_EQ(copy_of(packet.wire()), copy_of(expected.wire()))
          << clear.info().name << ", " << size << " bytes";
      ASSERT_TRUE(packet.has_whole_guards()) << clear.info().name << ", " << size << " bytes";
      ASSERT_EQ(packet.open(*engine_, *key), Verdict::authentic)
          << clear.info().name << ", " << size << " bytes";
      ASSERT_TRUE(std::ranges::equal(packet.payload(), TestPacket(clear).payload()))
          << clear.info().name << ", " << size << " bytes";
      // All around the payload stays: opening leaves even the ICV as it was.
      ASSERT_TRUE(std::ranges::equal(packet.icv(), expected.icv()));
      ASSERT_TRUE(std::ranges::equal(packet.iv(), expected.iv()));
      ASSERT_TRUE(packet.has_whole_guards()) << clear.info().name << ", " << size << " bytes";
    }
  }
}

TEST_P(EspTransform, GivesADistinctIcvToEveryKeySaltIvHeaderAndPayload) {
  std::set<std::string> icvs;
  for (const TransformId transform : all_transforms()) {
    const TransformInfo& info = *transform_info(transform);
    if (info.icv_bytes == 0) continue;
    for (unsigned flipped = 0; flipped < 6; ++flipped) {
      Bytes material = key_material(transform, 6 + static_cast<unsigned>(transform));
      TestPacket packet = clear_packet(transform, 64, Esn::with, 7);
      if (flipped == 1) material.back() ^= std::byte{0x10};  // DES looks at no lowest bit
      if (flipped == 2 && info.cipher_key_bytes == 0) continue;
      if (flipped == 2) material.front() ^= std::byte{0x10};
      if (flipped == 3 && info.iv_bytes == 0) continue;
      if (flipped == 3) packet.iv().back() ^= std::byte{1};
      if (flipped == 4) packet.header().back() ^= std::byte{1};
      if (flipped == 5) packet.payload().back() ^= std::byte{1};
      packet.seal(*engine_, *expand(*engine_, transform, material));
      EXPECT_TRUE(icvs.insert(as_text(packet.icv())).second) << info.name << ' ' << flipped;
    }
  }
}

TEST_P(EspTransform, NeverRepeatsAKeystreamBlockUnderDistinctIvs) {
  for (const TransformId transform : all_transforms()) {
    const TransformInfo& info = *transform_info(transform);
    if (!info.is_counter_mode || info.construction == Construction::gmac) continue;
    const auto key = expand(*engine_, transform, key_material(transform, 8));
    std::set<std::string> blocks;
    for (unsigned sequence = 1; sequence <= 256; ++sequence) {
      TestPacket packet(transform, 64);
      std::ranges::fill(packet.payload(), std::byte{0});
      std::ranges::fill(packet.iv(), std::byte{0});
      packet.iv()[7] = static_cast<std::byte>(sequence & 0xff);
      packet.iv()[6] = static_cast<std::byte>(sequence >> 8);
      packet.seal(*engine_, *key);
      for (std::size_t block = 0; block < 64; block += 16) {
        EXPECT_TRUE(blocks.insert(as_text(packet.payload().subspan(block, 16))).second)
            << info.name << ' ' << sequence;
      }
    }
  }
}

// An implementation is known whose IVs had 8 random bits: so every byte of the IV must take nearly
// all values.
TEST_P(EspTransform, GivesEveryCbcPacketAnIvThatIsDistinctAndNotTheSequenceNumber) {
  constexpr unsigned kPackets = 1024;
  for (const TransformId transform : all_transforms()) {
    const TransformInfo& info = *transform_info(transform);
    if (info.iv_bytes == 0 || info.is_counter_mode) continue;
    if (info.integrity != Integrity::hmac_sha1_96) continue;
    const auto key = expand(*engine_, transform, key_material(transform, 9));
    std::set<std::string> ivs;
    std::array<std::set<std::byte>, 16> values;
    for (unsigned sequence = 1; sequence <= kPackets; ++sequence) {
      TestPacket packet = clear_packet(transform, 32, Esn::without, 1);
      std::ranges::fill(packet.iv(), std::byte{0});
      packet.iv().back() = static_cast<std::byte>(sequence & 0xff);
      packet.iv()[packet.iv().size() - 2] = static_cast<std::byte>(sequence >> 8);
      packet.seal(*engine_, *key);
      ivs.insert(as_text(packet.iv()));
      for (std::size_t i = 0; i < packet.iv().size(); ++i) values[i].insert(packet.iv()[i]);
    }
    EXPECT_EQ(ivs.size(), kPackets) << info.name;
    for (std::size_t i = 0; i < info.iv_bytes; ++i) EXPECT_GT(values[i].size(), 230u) << info.name;
  }
}

TEST_P(EspTransform, LooksAtNoNonceOrAadByteBeyondTheirLengths) {
  for (const TransformId transform : all_transforms()) {
    const auto key = expand(*engine_, transform, key_material(transform, 11));
    TestPacket packet = clear_packet(transform, 64, Esn::without, 12);
    packet.seal(*engine_, *key);
    CryptoJob job = packet.job(*key);
    std::fill(job.nonce.begin() + 12, job.nonce.end(), std::byte{0xee});
    std::fill(job.aad.begin() + 8, job.aad.end(), std::byte{0xee});
    Verdict verdict = Verdict::refused;
    engine_->open({&job, 1}, {&verdict, 1});
    EXPECT_EQ(verdict, Verdict::authentic) << packet.info().name;
  }
}

TEST_P(EspTransform, RefusesPayloadsThatAreNoWholeBlocksAndReleasesNothing) {
  for (const TransformId transform : all_transforms()) {
    if (block_bytes(transform) == 1) continue;
    const auto key = expand(*engine_, transform, key_material(transform, 21));
    TestPacket packet = clear_packet(transform, 64 + 4, Esn::without, 22);
    EXPECT_EQ(TestPacket(packet).open(*engine_, *key), Verdict::refused) << packet.info().name;
    packet.seal(*engine_, *key);
    EXPECT_EQ(copy_of(packet.payload()), Bytes(68)) << packet.info().name;
    EXPECT_TRUE(packet.has_whole_guards());
  }
}

TEST_P(EspTransform, RefusesPayloadsBeyondTheLongestAndReleasesNothing) {
  for (const TransformId transform : some_transforms()) {
    if (transform_info(transform)->construction == Construction::gcm) continue;
    const auto key = expand(*engine_, transform, key_material(transform, 23));
    for (const std::size_t more : {std::size_t{0}, block_bytes(transform)}) {
      TestPacket packet = clear_packet(transform, kMaxPayloadBytes + more, Esn::with, 24);
      const Bytes clear = copy_of(packet.payload());
      packet.seal(*engine_, *key);
      const Verdict expected = more == 0 ? Verdict::authentic : Verdict::refused;
      EXPECT_EQ(TestPacket(packet).open(*engine_, *key), expected) << packet.info().name;
      EXPECT_EQ(copy_of(packet.payload()) == Bytes(clear.size()), more != 0) << packet.info().name;
    }
  }
}

TEST_P(EspTransform, RefusesKeysOfAnotherLengthAndLeavesTheKeyWiped) {
  for (const TransformId transform : all_transforms()) {
    Bytes material = key_material(transform, 13);
    const auto key = expand(*engine_, transform, material);
    material.pop_back();
    EXPECT_EQ(engine_->expand(transform, material, *key), ExpandStatus::wrong_key_length);
    EXPECT_EQ(key->transform, TransformId::none);
    material.resize(material.size() + 2);
    EXPECT_EQ(engine_->expand(transform, material, *key), ExpandStatus::wrong_key_length);
    EXPECT_EQ(engine_->expand(transform, {}, *key), ExpandStatus::wrong_key_length);
  }
}

TEST_P(EspTransform, RefusesUnknownTransforms) {
  ExpandedKey key;
  EXPECT_EQ(engine_->expand(TransformId::none, {}, key), ExpandStatus::unknown_transform);
  EXPECT_EQ(engine_->expand(static_cast<TransformId>(200), Bytes(20), key),
            ExpandStatus::unknown_transform);
}

TEST_P(EspTransform, WipesEveryByteOfAnExpandedKey) {
  for (const TransformId transform : all_transforms()) {
    const auto key = expand(*engine_, transform, key_material(transform, 14));
    key->wipe();
    EXPECT_TRUE(std::ranges::all_of(std::as_bytes(std::span(key.get(), 1)),
                                    [](std::byte byte) { return byte == std::byte{0}; }));
  }
}

TEST_P(EspTransform, SealsNoClearTextWithAWipedKey) {
  const ExpandedKey wiped{};
  for (const TransformId transform : {TransformId::aes128_gcm16, TransformId::aes128_gcm8}) {
    TestPacket packet = clear_packet(transform, 100, Esn::without, 15);
    packet.seal(*engine_, wiped);
    EXPECT_EQ(copy_of(packet.payload()), Bytes(100));
    EXPECT_EQ(copy_of(packet.icv().first(8)), Bytes(8));
    EXPECT_TRUE(packet.has_whole_guards());
  }
}

TEST_P(EspTransform, OpensNothingWithAWipedKey) {
  const ExpandedKey wiped{};
  TestPacket packet = clear_packet(TransformId::aes128_gcm16, 100, Esn::without, 16);
  EXPECT_EQ(packet.open(*engine_, wiped), Verdict::refused);
  EXPECT_EQ(copy_of(packet.payload()), Bytes(100));
  std::ranges::fill(packet.icv(), std::byte{0xff});
  EXPECT_EQ(packet.open(*engine_, wiped), Verdict::refused);
}

// Overwrites one cache line of a copy of the key and says whether sealing or opening came out
// differently.
bool reads_line(Engine& engine, const ExpandedKey& key, std::size_t line, TestPacket packet) {
  ExpandedKey other = key;
  std::byte* line_bytes = reinterpret_cast<std::byte*>(&other) + 64 * line;
  // The transform, byte 1012, stays: it only says which function to call.
  for (std::size_t i = 0; i < 64 && 64 * line + i < 1012; ++i) line_bytes[i] ^= std::byte{0xa5};
  TestPacket by_other = packet;
  packet.seal(engine, key);
  by_other.seal(engine, other);
  if (packet != by_other) return true;
  return packet.open(engine, key) != by_other.open(engine, other) || packet != by_other;
}

// Only the powers of H that are read depend on the size.
std::span<const std::size_t> sizes_for_key_lines(TransformId transform) {
  static constexpr std::size_t kFewSizes[] = {0, 64, 512};
  const Construction construction = transform_info(transform)->construction;
  const bool has_powers = construction == Construction::gcm || construction == Construction::gmac;
  return has_powers ? std::span<const std::size_t>(kPayloadSizes) : kFewSizes;
}

TEST_P(EspTransform, NamesEveryCacheLineOfTheKeyThatAPacketReads) {
  for (const TransformId transform : all_transforms()) {
    const auto key = expand(*engine_, transform, key_material(transform, 17));
    for (const std::size_t any_size : sizes_for_key_lines(transform)) {
      const std::size_t size = whole_blocks(transform, any_size);
      const auto named = engine_->key_lines(transform, static_cast<std::uint32_t>(size));
      EXPECT_LT(named, 0x10000u);
      for (std::size_t line = 0; line < 16; ++line) {
        if ((named >> line & 1) != 0) continue;
        EXPECT_FALSE(reads_line(*engine_, *key, line, clear_packet(transform, size, Esn::with, 18)))
            << transform_info(transform)->name << ", line " << line << ", " << size << " bytes";
      }
    }
  }
}

// The other code paths name the same lines of AES-GCM's key for every packet length. With AES-GMAC
// there may be one too many: the last block of the message is not known to it.
TEST(EspTransformOnVaes, NamesNoCacheLineOfTheKeyThatAPacketDoesNotRead) {
  const auto engine = Engine::create(CodePath::avx512_vaes);
  if (engine == nullptr) GTEST_SKIP() << "this CPU lacks the code path";
  for (const TransformId transform : all_transforms()) {
    if (transform_info(transform)->construction == Construction::gmac) continue;
    const auto key = expand(*engine, transform, key_material(transform, 19));
    for (const std::size_t any_size : sizes_for_key_lines(transform)) {
      const std::size_t size = whole_blocks(transform, any_size);
      const auto named = engine->key_lines(transform, static_cast<std::uint32_t>(size));
      for (std::size_t line = 0; line < 15; ++line) {  // the last has salt and transform
        if ((named >> line & 1) == 0 || size == 0) continue;
        EXPECT_TRUE(reads_line(*engine, *key, line, clear_packet(transform, size, Esn::with, 20)))
            << transform_info(transform)->name << ", line " << line << ", " << size << " bytes";
      }
    }
  }
}

}  // namespace
}  // namespace culvert
