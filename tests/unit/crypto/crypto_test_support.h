// SPDX-License-Identifier: BSD-3-Clause
// What the crypto tests share: hexadecimal, packets, and the code paths and transforms to cover.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/esp_transform.h"

namespace culvert {

using Bytes = std::vector<std::byte>;

constexpr CodePath kAllCodePaths[] = {CodePath::sse, CodePath::avx, CodePath::avx2,
                                      CodePath::avx512, CodePath::avx512_vaes};

inline std::vector<TransformId> all_transforms() {
  std::vector<TransformId> all;
  for (std::size_t id = 1; id < kTransformCount; ++id) all.push_back(static_cast<TransformId>(id));
  return all;
}

// A few of every kind of work, for tests that would take too long with all.
inline std::vector<TransformId> some_transforms() {
  std::vector<TransformId> some;
  for (const std::string_view name :
       {"aes128-gcm", "aes256-gcm8", "aes192-gmac", "aes128-ccm8", "aes256-ccm",
        "chacha20-poly1305", "aes128-cbc+hmac-sha1-96", "aes256-cbc+hmac-sha256-128",
        "aes192-cbc+hmac-sha512-256", "aes128-ctr+hmac-sha256-96", "3des-cbc+hmac-md5-96",
        "des-cbc+aes-cmac-96", "null+aes-xcbc-96", "null+hmac-sha384-192", "aes256-cbc+none"}) {
    some.push_back(*transform_named(name));
  }
  return some;
}

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
  return pattern(transform_info(transform)->material_bytes(), seed);
}

inline std::unique_ptr<ExpandedKey> expand(Engine& engine, TransformId transform,
                                           std::span<const std::byte> material) {
  auto key = std::make_unique<ExpandedKey>();
  EXPECT_EQ(engine.expand(transform, material, *key), ExpandStatus::ok);
  return key;
}

// Of the cipher, 1 for those that work on any number of bytes.
inline std::size_t block_bytes(TransformId transform) {
  const std::size_t alignment = transform_info(transform)->pad_alignment;
  return alignment > 4 ? alignment : 1;
}
inline std::size_t whole_blocks(TransformId transform, std::size_t bytes) {
  return (bytes + block_bytes(transform) - 1) / block_bytes(transform) * block_bytes(transform);
}

// A packet as it is on the wire, from the ESP header to the ICV, between two guards. Holds its
// bytes itself, so it may be copied and tampered with.
class TestPacket {
 public:
  TestPacket(TransformId transform, std::size_t payload_bytes)
      : info_(transform_info(transform)), payload_bytes_(payload_bytes) {
    bytes_.assign(
        2 * kGuardBytes + kHeaderBytes + info_->iv_bytes + payload_bytes + info_->icv_bytes,
        kGuard);
  }

  std::span<std::byte> header() { return part(0, kHeaderBytes); }
  std::span<std::byte> iv() { return part(kHeaderBytes, info_->iv_bytes); }
  std::span<std::byte> payload() { return part(kHeaderBytes + info_->iv_bytes, payload_bytes_); }
  std::span<std::byte> icv() {
    return part(kHeaderBytes + info_->iv_bytes + payload_bytes_, info_->icv_bytes);
  }
  // From the ESP header to the ICV.
  std::span<std::byte> wire() { return part(0, bytes_.size() - 2 * kGuardBytes); }

  void set_esn_high(std::span<const std::byte> high) { esn_high_.assign(high.begin(), high.end()); }
  std::span<std::byte> esn_high() { return esn_high_; }  // empty without ESN

  // SPI, sequence number.
  Bytes aad();
  void set_aad(std::span<const std::byte> aad);

  CryptoJob job(const ExpandedKey& key) {
    CryptoJob job{};
    job.key = &key;
    job.payload = payload().data();
    job.icv = icv().data();
    job.payload_bytes = static_cast<std::uint32_t>(payload_bytes_);
    job.aad_bytes = static_cast<std::uint32_t>(8 + esn_high_.size());
    set_nonce(job, std::span<const std::byte, 8>(job.payload - 8, 8));
    std::ranges::copy(aad(), job.aad.begin());
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

  // The payload becomes `bytes` longer, or shorter; the ICV moves.
  void resize(std::ptrdiff_t bytes) {
    const auto at = bytes_.end() - static_cast<std::ptrdiff_t>(kGuardBytes + info_->icv_bytes);
    if (bytes > 0) {
      bytes_.insert(at, static_cast<std::size_t>(bytes), std::byte{0});
    } else {
      bytes_.erase(at + bytes, at);
    }
    payload_bytes_ = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(payload_bytes_) + bytes);
  }

  [[nodiscard]] bool has_whole_guards() const {
    const auto is_guard = [](std::byte byte) { return byte == kGuard; };
    return std::all_of(bytes_.begin(), bytes_.begin() + kGuardBytes, is_guard) &&
           std::all_of(bytes_.end() - kGuardBytes, bytes_.end(), is_guard);
  }
  [[nodiscard]] const TransformInfo& info() const { return *info_; }

  friend bool operator==(const TestPacket&, const TestPacket&) = default;

 private:
  static constexpr std::size_t kGuardBytes = 64;
  static constexpr std::size_t kHeaderBytes = 8;
  static constexpr std::byte kGuard{0x77};

  std::span<std::byte> part(std::size_t offset, std::size_t bytes) {
    return std::span(bytes_).subspan(kGuardBytes + offset, bytes);
  }

  const TransformInfo* info_;
  std::size_t payload_bytes_;
  Bytes bytes_;
  Bytes esn_high_;
};

enum class Esn { without, with };

inline void fill_pattern(std::span<std::byte> to, unsigned seed) {
  std::ranges::copy(pattern(to.size(), seed), to.begin());
}

// The IV as the sealing stage writes it: a number in its last 8 bytes.
inline TestPacket clear_packet(TransformId transform, std::size_t payload_bytes, Esn esn,
                               unsigned seed) {
  TestPacket packet(transform, payload_bytes);
  fill_pattern(packet.header(), seed);
  fill_pattern(packet.payload(), seed + 1);
  std::ranges::fill(packet.iv(), std::byte{0});
  if (!packet.iv().empty()) fill_pattern(packet.iv().last(8), seed + 2);
  if (esn == Esn::with) packet.set_esn_high(pattern(4, seed + 3));
  return packet;
}

inline Bytes copy_of(std::span<const std::byte> bytes) {
  return {bytes.begin(), bytes.end()};
}

// For sets of byte strings.
inline std::string as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
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
