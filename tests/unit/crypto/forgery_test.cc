// SPDX-License-Identifier: BSD-3-Clause
// Every transform on every code path must refuse every kind of forgery. One ipsec-mb based engine
// is known to have accepted any ICV because it never compared it.
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "tests/unit/crypto/crypto_test_support.h"

namespace culvert {
namespace {

constexpr std::size_t kPayloadSizes[] = {0, 4, 64, 100, 512, 1424};

class Forgery : public CodePathTest {
 protected:
  // Runs `forge` on a fresh copy of a sealed packet for every transform, size and AAD form, once
  // per byte that `bytes_to_forge` counts, and expects the packet to be refused.
  void expect_refused(const std::function<std::size_t(const TestPacket&)>& bytes_to_forge,
                      const std::function<void(TestPacket&, std::size_t)>& forge) {
    for (const TransformId transform : kAllTransforms) {
      const auto key = expand(*engine_, transform, key_material(transform, 1));
      for (const std::size_t size : kPayloadSizes) {
        for (const std::size_t aad_bytes : {std::size_t{8}, std::size_t{12}}) {
          TestPacket sealed = clear_packet(size, aad_bytes, 2);
          sealed.seal(*engine_, *key);
          TestPacket untouched = sealed;
          ASSERT_EQ(untouched.open(*engine_, *key), Verdict::authentic);
          for (std::size_t i = 0; i < bytes_to_forge(sealed); ++i) {
            TestPacket forged = sealed;
            forge(forged, i);
            EXPECT_EQ(forged.open(*engine_, *key), Verdict::refused)
                << transform_info(transform)->name << ", " << size << " bytes, byte " << i;
          }
        }
      }
    }
  }
};
INSTANTIATE_TEST_SUITE_P(CodePaths, Forgery, testing::ValuesIn(kAllCodePaths), code_path_name);

TEST_P(Forgery, OfAnyBitOfTheIcvIsRefused) {
  expect_refused(
      [](const TestPacket&) { return std::size_t{128}; },
      [](TestPacket& packet, std::size_t i) { packet.icv[i / 8] ^= std::byte{1} << (i % 8); });
}

TEST_P(Forgery, OfAnyByteOfTheCiphertextIsRefused) {
  expect_refused([](const TestPacket& packet) { return packet.payload.size(); },
                 [](TestPacket& packet, std::size_t i) { packet.payload[i] ^= std::byte{0x80}; });
}

TEST_P(Forgery, OfAnyByteOfSpiOrSequenceNumberIsRefused) {
  expect_refused([](const TestPacket& packet) { return packet.aad.size(); },
                 [](TestPacket& packet, std::size_t i) { packet.aad[i] ^= std::byte{1}; });
}

TEST_P(Forgery, OfAnyByteOfTheIvIsRefused) {
  expect_refused([](const TestPacket& packet) { return packet.iv.size(); },
                 [](TestPacket& packet, std::size_t i) { packet.iv[i] ^= std::byte{1}; });
}

TEST_P(Forgery, ByATruncatedOrLengthenedPayloadIsRefused) {
  expect_refused([](const TestPacket& packet) { return packet.payload.empty() ? 0u : 2u; },
                 [](TestPacket& packet, std::size_t i) {
                   const std::size_t size = packet.payload.size();
                   packet.payload.resize(i == 0 ? size + 4 : size - 4);
                 });
}

TEST_P(Forgery, ByAnAllZeroOrAllOnesIcvIsRefused) {
  expect_refused([](const TestPacket&) { return std::size_t{2}; },
                 [](TestPacket& packet, std::size_t i) {
                   packet.icv.assign(16, i == 0 ? std::byte{0} : std::byte{0xff});
                 });
}

// Without ESN the high half of the sequence number is not authenticated; with it the receiver's
// guess of it is part of the AAD (RFC 4106 5), so a wrong guess must fail.
TEST_P(Forgery, ByDroppingTheHighHalfOfAnEsnIsRefused) {
  expect_refused([](const TestPacket& packet) { return packet.aad.size() == 12 ? 1u : 0u; },
                 [](TestPacket& packet, std::size_t) {
                   packet.aad.erase(packet.aad.begin() + 4, packet.aad.begin() + 8);
                 });
}

TEST_P(Forgery, ByAnotherKeyOrSaltIsRefused) {
  for (const TransformId transform : kAllTransforms) {
    const Bytes material = key_material(transform, 3);
    const auto key = expand(*engine_, transform, material);
    TestPacket sealed = clear_packet(64, 8, 4);
    sealed.seal(*engine_, *key);
    for (std::size_t i = 0; i < material.size(); ++i) {
      Bytes other = material;
      other[i] ^= std::byte{1};
      TestPacket packet = sealed;
      EXPECT_EQ(packet.open(*engine_, *expand(*engine_, transform, other)), Verdict::refused);
    }
  }
}

}  // namespace
}  // namespace culvert
