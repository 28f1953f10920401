// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/esp_transform.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <algorithm>
#include <set>

#include "tests/unit/crypto/crypto_test_support.h"
#include "tests/vectors/aes_gcm.h"

namespace culvert {
namespace {

constexpr std::size_t kPayloadSizes[] = {0,   1,   4,   15,  16,  17,  31,  48,   64,   68,  100,
                                         128, 255, 256, 512, 752, 768, 769, 1024, 1424, 9000};

TransformId transform_of(const AesGcmVector& vector) {
  return *std::ranges::find_if(kAllTransforms, [&](TransformId transform) {
    return transform_info(transform)->key_bytes == vector.key.size() / 2;
  });
}

Bytes material_of(const AesGcmVector& vector) {
  return from_hex(std::string(vector.key) + std::string(vector.nonce.substr(0, 8)));
}

// For sets of byte strings.
std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(TransformInfo, IsMissingForNoneAndForUnknownNumbers) {
  EXPECT_EQ(transform_info(TransformId::none), nullptr);
  EXPECT_EQ(transform_info(static_cast<TransformId>(kTransformCount)), nullptr);
  EXPECT_EQ(transform_info(static_cast<TransformId>(255)), nullptr);
}

TEST(TransformInfo, HasTheSizesOfRfc4106) {
  const TransformInfo& info = *transform_info(TransformId::aes192_gcm16);
  EXPECT_EQ(info.name, "aes192-gcm");
  EXPECT_EQ(info.key_bytes, 24);
  EXPECT_EQ(info.salt_bytes, 4);
  EXPECT_EQ(info.iv_bytes, 8);
  EXPECT_EQ(info.icv_bytes, 16);
  EXPECT_EQ(info.pad_alignment, 4);
  EXPECT_TRUE(info.is_counter_mode);
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

TEST_P(EspTransform, SealsThePublishedVectors) {
  for (const AesGcmVector& vector : kAesGcmVectors) {
    const auto key = expand(*engine_, transform_of(vector), material_of(vector));
    TestPacket packet{.payload = from_hex(vector.plaintext),
                      .iv = from_hex(vector.nonce.substr(8)),
                      .aad = from_hex(vector.aad)};
    packet.seal(*engine_, *key);
    EXPECT_EQ(packet.payload, from_hex(vector.ciphertext)) << vector.name;
    EXPECT_EQ(packet.icv, from_hex(vector.icv)) << vector.name;
  }
}

TEST_P(EspTransform, OpensThePublishedVectors) {
  for (const AesGcmVector& vector : kAesGcmVectors) {
    const auto key = expand(*engine_, transform_of(vector), material_of(vector));
    TestPacket packet{.payload = from_hex(vector.ciphertext),
                      .icv = from_hex(vector.icv),
                      .iv = from_hex(vector.nonce.substr(8)),
                      .aad = from_hex(vector.aad)};
    EXPECT_EQ(packet.open(*engine_, *key), Verdict::authentic) << vector.name;
    EXPECT_EQ(packet.payload, from_hex(vector.plaintext)) << vector.name;
  }
}

TEST_P(EspTransform, SealsLikeLibsodiumAtEverySize) {
  ASSERT_GE(sodium_init(), 0);
  if (crypto_aead_aes256gcm_is_available() == 0) GTEST_SKIP() << "libsodium has no AES here";
  const Bytes material = key_material(TransformId::aes256_gcm16, 1);
  const auto key = expand(*engine_, TransformId::aes256_gcm16, material);
  const auto raw = [](const std::byte* bytes) {
    return reinterpret_cast<const unsigned char*>(bytes);
  };
  for (const std::size_t size : kPayloadSizes) {
    TestPacket packet = clear_packet(size, 8 + size % 2 * 4, static_cast<unsigned>(size));
    Bytes expected(size), icv(16);
    expected.reserve(1);  // libsodium takes no null pointer, not even for 0 bytes
    const CryptoJob job = packet.job(*key);
    crypto_aead_aes256gcm_encrypt_detached(reinterpret_cast<unsigned char*>(expected.data()),
                                           reinterpret_cast<unsigned char*>(icv.data()), nullptr,
                                           raw(packet.payload.data()), size, raw(packet.aad.data()),
                                           packet.aad.size(), nullptr, raw(job.nonce.data()),
                                           raw(material.data()));
    engine_->seal({&job, 1});
    EXPECT_EQ(packet.payload, expected) << size << " bytes";
    EXPECT_EQ(packet.icv, icv) << size << " bytes";
  }
}

TEST_P(EspTransform, SealsLikeEveryOtherCodePath) {
  const auto best = Engine::create();
  for (const TransformId transform : kAllTransforms) {
    const Bytes material = key_material(transform, 2);
    const auto key = expand(*engine_, transform, material);
    const auto key_of_best = expand(*best, transform, material);
    for (const std::size_t size : kPayloadSizes) {
      TestPacket packet = clear_packet(size, 12, 3);
      TestPacket by_best = packet;
      packet.seal(*engine_, *key);
      by_best.seal(*best, *key_of_best);
      EXPECT_EQ(packet.payload, by_best.payload) << size << " bytes";
      EXPECT_EQ(packet.icv, by_best.icv) << size << " bytes";
    }
  }
}

TEST_P(EspTransform, OpensWhatItSealedAtEverySize) {
  for (const TransformId transform : kAllTransforms) {
    const auto key = expand(*engine_, transform, key_material(transform, 4));
    for (const std::size_t size : kPayloadSizes) {
      TestPacket packet = clear_packet(size, 8, 5);
      const Bytes clear = packet.payload;
      packet.seal(*engine_, *key);
      EXPECT_EQ(packet.open(*engine_, *key), Verdict::authentic) << size << " bytes";
      EXPECT_EQ(packet.payload, clear) << size << " bytes";
    }
  }
}

TEST_P(EspTransform, WorksOnABurstOfMixedTransformsAsOnSinglePackets) {
  std::vector<std::unique_ptr<ExpandedKey>> keys;
  std::vector<TestPacket> burst, single;
  std::vector<CryptoJob> jobs;
  for (unsigned i = 0; i < 64; ++i) {
    const TransformId transform = kAllTransforms[i % 3];
    keys.push_back(expand(*engine_, transform, key_material(transform, i)));
    burst.push_back(clear_packet(i * 23, i % 2 == 0 ? 8 : 12, i));
  }
  single = burst;
  for (std::size_t i = 0; i < burst.size(); ++i) jobs.push_back(burst[i].job(*keys[i]));
  engine_->seal(jobs);
  for (std::size_t i = 0; i < burst.size(); ++i) {
    single[i].seal(*engine_, *keys[i]);
    EXPECT_EQ(burst[i].payload, single[i].payload);
    EXPECT_EQ(burst[i].icv, single[i].icv);
  }
  burst[7].icv[0] ^= std::byte{1};
  std::vector<Verdict> verdicts(jobs.size());
  engine_->open(jobs, verdicts);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    EXPECT_EQ(verdicts[i], i == 7 ? Verdict::refused : Verdict::authentic) << i;
  }
}

TEST_P(EspTransform, GivesADistinctIcvToEveryKeySaltIvAadAndPayload) {
  std::set<std::string> icvs;
  for (const TransformId transform : kAllTransforms) {
    for (unsigned flipped = 0; flipped < 6; ++flipped) {
      Bytes material = key_material(transform, 6);
      TestPacket packet = clear_packet(64, 12, 7);
      if (flipped == 1) material.front() ^= std::byte{1};  // key
      if (flipped == 2) material.back() ^= std::byte{1};   // salt
      if (flipped == 3) packet.iv[7] ^= std::byte{1};
      if (flipped == 4) packet.aad[7] ^= std::byte{1};
      if (flipped == 5) packet.payload[63] ^= std::byte{1};
      packet.seal(*engine_, *expand(*engine_, transform, material));
      EXPECT_TRUE(icvs.insert(as_text(packet.icv)).second) << flipped;
    }
  }
}

TEST_P(EspTransform, NeverRepeatsAKeystreamBlockUnderDistinctIvs) {
  const auto key =
      expand(*engine_, TransformId::aes128_gcm16, key_material(TransformId::aes128_gcm16, 8));
  std::set<std::string> blocks;
  for (unsigned sequence = 1; sequence <= 256; ++sequence) {
    TestPacket packet{.payload = Bytes(64)};
    packet.iv[7] = static_cast<std::byte>(sequence & 0xff);
    packet.iv[6] = static_cast<std::byte>(sequence >> 8);
    packet.seal(*engine_, *key);
    for (std::size_t block = 0; block < packet.payload.size(); block += 16) {
      const auto bytes = std::span(packet.payload).subspan(block, 16);
      EXPECT_TRUE(blocks.insert(as_text(bytes)).second) << sequence;
    }
  }
}

TEST_P(EspTransform, WritesNothingBeyondPayloadAndIcv) {
  const auto key =
      expand(*engine_, TransformId::aes256_gcm16, key_material(TransformId::aes256_gcm16, 9));
  for (const std::size_t size : kPayloadSizes) {
    TestPacket packet = clear_packet(size + 64, 8, 10);
    packet.icv = Bytes(48, std::byte{0x77});
    const Bytes before = packet.payload;
    CryptoJob job = packet.job(*key);
    job.payload = packet.payload.data() + 32;
    job.payload_bytes = static_cast<std::uint32_t>(size);
    job.icv = packet.icv.data() + 16;
    engine_->seal({&job, 1});
    EXPECT_TRUE(std::equal(before.begin(), before.begin() + 32, packet.payload.begin()));
    EXPECT_TRUE(std::equal(before.end() - 32, before.end(), packet.payload.end() - 32));
    const std::span<const std::byte> icv(packet.icv);
    EXPECT_TRUE(std::ranges::equal(icv.first(16), Bytes(16, std::byte{0x77})));
    EXPECT_TRUE(std::ranges::equal(icv.last(16), Bytes(16, std::byte{0x77})));
    Verdict verdict = Verdict::refused;
    engine_->open({&job, 1}, {&verdict, 1});
    EXPECT_EQ(verdict, Verdict::authentic);
    EXPECT_EQ(packet.payload, before);
  }
}

TEST_P(EspTransform, LooksAtNoNonceOrAadByteBeyondTheirLengths) {
  const auto key =
      expand(*engine_, TransformId::aes128_gcm16, key_material(TransformId::aes128_gcm16, 11));
  TestPacket packet = clear_packet(64, 8, 12);
  packet.seal(*engine_, *key);
  CryptoJob job = packet.job(*key);
  std::fill(job.nonce.begin() + 12, job.nonce.end(), std::byte{0xee});
  std::fill(job.aad.begin() + 8, job.aad.end(), std::byte{0xee});
  Verdict verdict = Verdict::refused;
  engine_->open({&job, 1}, {&verdict, 1});
  EXPECT_EQ(verdict, Verdict::authentic);
}

TEST_P(EspTransform, RefusesKeysOfAnotherLengthAndLeavesTheKeyWiped) {
  for (const TransformId transform : kAllTransforms) {
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
  const auto key =
      expand(*engine_, TransformId::aes256_gcm16, key_material(TransformId::aes256_gcm16, 14));
  key->wipe();
  EXPECT_TRUE(std::ranges::all_of(std::as_bytes(std::span(key.get(), 1)),
                                  [](std::byte byte) { return byte == std::byte{0}; }));
}

TEST_P(EspTransform, SealsNoClearTextWithAWipedKey) {
  const ExpandedKey wiped{};
  TestPacket packet = clear_packet(100, 8, 15);
  packet.icv = Bytes(16, std::byte{0x77});
  packet.seal(*engine_, wiped);
  EXPECT_EQ(packet.payload, Bytes(100));
  EXPECT_EQ(packet.icv, Bytes(16));
}

TEST_P(EspTransform, OpensNothingWithAWipedKey) {
  const ExpandedKey wiped{};
  TestPacket packet = clear_packet(100, 8, 16);
  EXPECT_EQ(packet.open(*engine_, wiped), Verdict::refused);
  EXPECT_EQ(packet.payload, Bytes(100));
  packet.icv = Bytes(16, std::byte{0xff});
  EXPECT_EQ(packet.open(*engine_, wiped), Verdict::refused);
}

// Overwrites one cache line of a copy of the key and says whether sealing came out differently.
bool reads_line(Engine& engine, const ExpandedKey& key, std::size_t line, TestPacket packet) {
  ExpandedKey other = key;
  std::byte* line_bytes = reinterpret_cast<std::byte*>(&other) + 64 * line;
  // The transform, byte 1012, stays: it only says which function to call.
  for (std::size_t i = 0; i < 64 && 64 * line + i < 1012; ++i) line_bytes[i] ^= std::byte{0xa5};
  TestPacket by_other = packet;
  packet.seal(engine, key);
  by_other.seal(engine, other);
  return packet.payload != by_other.payload || packet.icv != by_other.icv;
}

TEST_P(EspTransform, NamesEveryCacheLineOfTheKeyThatAPacketReads) {
  for (const TransformId transform : kAllTransforms) {
    const auto key = expand(*engine_, transform, key_material(transform, 17));
    for (const std::size_t size : kPayloadSizes) {
      const auto named = engine_->key_lines(transform, static_cast<std::uint32_t>(size));
      EXPECT_LT(named, 0x10000u);
      for (std::size_t line = 0; line < 16; ++line) {
        if ((named >> line & 1) != 0) continue;
        EXPECT_FALSE(reads_line(*engine_, *key, line, clear_packet(size, 12, 18)))
            << "line " << line << ", " << size << " bytes";
      }
    }
  }
}

// The other code paths name the same lines for every packet length.
TEST(EspTransformOnVaes, NamesNoCacheLineOfTheKeyThatAPacketDoesNotRead) {
  const auto engine = Engine::create(CodePath::avx512_vaes);
  if (engine == nullptr) GTEST_SKIP() << "this CPU lacks the code path";
  for (const TransformId transform : kAllTransforms) {
    const auto key = expand(*engine, transform, key_material(transform, 19));
    for (const std::size_t size : kPayloadSizes) {
      const auto named = engine->key_lines(transform, static_cast<std::uint32_t>(size));
      for (std::size_t line = 0; line < 16; ++line) {
        if ((named >> line & 1) == 0 || size == 0) continue;
        EXPECT_TRUE(reads_line(*engine, *key, line, clear_packet(size, 12, 20)))
            << "line " << line << ", " << size << " bytes";
      }
    }
  }
}

}  // namespace
}  // namespace culvert
