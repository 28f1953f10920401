// SPDX-License-Identifier: BSD-3-Clause
// What the crypto tests share: hexadecimal, packets, and the code paths and transforms to cover.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/esp_transform.h"

namespace culvert {

using Bytes = std::vector<std::byte>;

constexpr TransformId kAllTransforms[] = {TransformId::aes128_gcm16, TransformId::aes192_gcm16,
                                          TransformId::aes256_gcm16};
constexpr CodePath kAllCodePaths[] = {CodePath::sse, CodePath::avx, CodePath::avx2,
                                      CodePath::avx512, CodePath::avx512_vaes};

inline Bytes from_hex(std::string_view digits) {
  Bytes bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes.push_back(
        static_cast<std::byte>(std::stoul(std::string(digits.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// Bytes that differ from place to place and from seed to seed.
inline Bytes pattern(std::size_t size, unsigned seed) {
  Bytes bytes(size);
  std::uint32_t state = seed * 2654435761u + 1;
  for (std::byte& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

inline Bytes key_material(TransformId transform, unsigned seed) {
  const TransformInfo& info = *transform_info(transform);
  return pattern(std::size_t{info.key_bytes} + info.salt_bytes, seed);
}

inline std::unique_ptr<ExpandedKey> expand(Engine& engine, TransformId transform,
                                           std::span<const std::byte> material) {
  auto key = std::make_unique<ExpandedKey>();
  EXPECT_EQ(engine.expand(transform, material, *key), ExpandStatus::ok);
  return key;
}

// A payload with its ICV, IV and AAD. Holds its bytes itself, so it may be copied and tampered
// with.
struct TestPacket {
  Bytes payload;
  Bytes icv = Bytes(16);
  Bytes iv = Bytes(8);
  Bytes aad = Bytes(8);

  CryptoJob job(const ExpandedKey& key) {
    CryptoJob job{};
    job.key = &key;
    job.payload = payload.data();
    job.icv = icv.data();
    job.payload_bytes = static_cast<std::uint32_t>(payload.size());
    job.aad_bytes = static_cast<std::uint32_t>(aad.size());
    set_nonce(job, std::span<const std::byte, 8>(iv));
    std::ranges::copy(aad, job.aad.begin());
    return job;
  }
  void seal(Engine& engine, const ExpandedKey& key) {
    const CryptoJob one = job(key);
    engine.seal({&one, 1});
  }
  [[nodiscard]] Verdict open(Engine& engine, const ExpandedKey& key) {
    const CryptoJob one = job(key);
    Verdict verdict = Verdict::refused;
    engine.open({&one, 1}, {&verdict, 1});
    return verdict;
  }
};

inline TestPacket clear_packet(std::size_t payload_bytes, std::size_t aad_bytes, unsigned seed) {
  return {.payload = pattern(payload_bytes, seed),
          .iv = pattern(8, seed + 1),
          .aad = pattern(aad_bytes, seed + 2)};
}

// Runs each test once per code path; on those this CPU lacks it is skipped.
class CodePathTest : public testing::TestWithParam<CodePath> {
 protected:
  void SetUp() override {
    engine_ = Engine::create(GetParam());
    if (engine_ == nullptr) GTEST_SKIP() << "this CPU lacks the code path";
  }
  std::unique_ptr<Engine> engine_;
};

inline std::string code_path_name(const testing::TestParamInfo<CodePath>& path) {
  switch (path.param) {
    case CodePath::best:
      return "best";
    case CodePath::sse:
      return "sse";
    case CodePath::avx:
      return "avx";
    case CodePath::avx2:
      return "avx2";
    case CodePath::avx512:
      return "avx512";
    case CodePath::avx512_vaes:
      return "avx512_vaes";
  }
  return "unknown";
}

}  // namespace culvert
