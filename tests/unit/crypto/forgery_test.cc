// SPDX-License-Identifier: BSD-3-Clause
// Every transform on every code path must refuse every kind of forgery. One ipsec-mb based engine
// is known to have accepted any ICV because it never compared it.
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "tests/unit/crypto/crypto_test_support.h"

namespace culvert {
namespace {

constexpr std::size_t kPayloadSizes[] = {0, 16, 64, 112, 512};

class Forgery : public CodePathTest {
 protected:
  using Count = std::function<std::size_t(TestPacket&)>;
  using Forge = std::function<void(TestPacket&, std::size_t)>;

  // Runs `forge` on a fresh copy of a sealed packet for every transform with an ICV, size and form
  // of sequence number, once per number below `count`, and expects the packet to be refused. The
  // forged packets are opened together as well.
  void expect_refused(const Count& count, const Forge& forge) {
    for (const TransformId transform : all_transforms()) {
      const TransformInfo& info = *transform_info(transform);
      if (info.icv_bytes == 0) continue;
      const auto key = expand(*engine_, transform, key_material(transform, 1));
      for (const std::size_t size : kPayloadSizes) {
        for (const Esn esn : {Esn::without, Esn::with}) {
          TestPacket sealed = clear_packet(transform, size, esn, 2);
          sealed.seal(*engine_, *key);
          ASSERT_EQ(TestPacket(sealed).open(*engine_, *key), Verdict::authentic) << info.name;
          expect_all_refused(sealed, *key, count(sealed), forge);
        }
      }
    }
  }

 private:
  void expect_all_refused(const TestPacket& sealed, const ExpandedKey& key, std::size_t count,
                          const Forge& forge) {
    std::vector<TestPacket> forged(count, sealed);
    for (std::size_t i = 0; i < count; ++i) forge(forged[i], i);
    if (count != 0) {
      EXPECT_EQ(TestPacket(forged[0]).open(*engine_, key), Verdict::refused) << sealed.info().name;
    }
    std::vector<CryptoJob> jobs;
    for (TestPacket& packet : forged) jobs.push_back(packet.job(key));
    std::vector<Verdict> verdicts(count, Verdict::authentic);
    engine_->open(jobs, verdicts);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(verdicts[i], Verdict::refused)
          << sealed.info().name << ", " << TestPacket(sealed).payload().size() << " bytes, forgery "
          << i;
    }
  }
};
INSTANTIATE_TEST_SUITE_P(CodePaths, Forgery, testing::ValuesIn(kAllCodePaths), code_path_name);

TEST_P(Forgery, OfAnyBitOfTheIcvIsRefused) {
  expect_refused(
      [](TestPacket& packet) { return 8 * packet.icv().size(); },
      [](TestPacket& packet, std::size_t i) { packet.icv()[i / 8] ^= std::byte{1} << (i % 8); });
}

TEST_P(Forgery, OfAnyByteOfTheCiphertextIsRefused) {
  expect_refused([](TestPacket& packet) { return packet.payload().size(); },
                 [](TestPacket& packet, std::size_t i) { packet.payload()[i] ^= std::byte{0x80}; });
}

TEST_P(Forgery, OfAnyByteOfSpiOrSequenceNumberIsRefused) {
  expect_refused([](TestPacket& packet) { return packet.aad().size(); },
                 [](TestPacket& packet, std::size_t i) {
                   Bytes aad = packet.aad();
                   aad[i] ^= std::byte{1};
                   packet.set_aad(aad);
                 });
}

TEST_P(Forgery, OfAnyByteOfTheIvIsRefused) {
  expect_refused([](TestPacket& packet) { return packet.iv().size(); },
                 [](TestPacket& packet, std::size_t i) { packet.iv()[i] ^= std::byte{1}; });
}

TEST_P(Forgery, ByATruncatedOrLengthenedPayloadIsRefused) {
  expect_refused([](TestPacket& packet) { return packet.payload().empty() ? 0u : 4u; },
                 [](TestPacket& packet, std::size_t i) {
                   constexpr std::ptrdiff_t kBytes[] = {4, -4, 16, -16};
                   packet.resize(kBytes[i]);
                 });
}

TEST_P(Forgery, ByAnAllZeroOrAllOnesIcvIsRefused) {
  expect_refused([](TestPacket&) { return std::size_t{2}; },
                 [](TestPacket& packet, std::size_t i) {
                   std::ranges::fill(packet.icv(), i == 0 ? std::byte{0} : std::byte{0xff});
                 });
}

// Without ESN the high half of the sequence number is not authenticated; with it the receiver's
// guess of it is (RFC 4106 5, RFC 4303 2.2.1), so a wrong guess must fail.
TEST_P(Forgery, ByDroppingTheHighHalfOfAnEsnIsRefused) {
  expect_refused([](TestPacket& packet) { return packet.esn_high().empty() ? 0u : 1u; },
                 [](TestPacket& packet, std::size_t) { packet.set_esn_high({}); });
}

// What is not authentic stays enciphered, where the ICV is checked before decryption.
TEST_P(Forgery, LeavesThePayloadEncipheredWhereTheIcvComesFirst) {
  for (const TransformId transform : all_transforms()) {
    const TransformInfo& info = *transform_info(transform);
    if (info.construction != Construction::combined || info.icv_bytes == 0) continue;
    const auto key = expand(*engine_, transform, key_material(transform, 5));
    TestPacket packet = clear_packet(transform, 64, Esn::with, 6);
    packet.seal(*engine_, *key);
    packet.icv().back() ^= std::byte{1};
    const TestPacket sealed = packet;
    EXPECT_EQ(packet.open(*engine_, *key), Verdict::refused);
    EXPECT_EQ(packet, sealed) << info.name;
  }
}

// With separate algorithms another cipher key gives another payload, and is not noticed.
TEST_P(Forgery, ByAnotherKeyOrSaltIsRefused) {
  for (const TransformId transform : all_transforms()) {
    const TransformInfo& info = *transform_info(transform);
    const Bytes material = key_material(transform, 3);
    const auto key = expand(*engine_, transform, material);
    TestPacket sealed = clear_packet(transform, 64, Esn::without, 4);
    sealed.seal(*engine_, *key);
    const std::size_t first = info.construction == Construction::combined
                                  ? material.size() - info.integrity_key_bytes
                                  : 0;
    for (std::size_t i = first; i < material.size(); ++i) {
      Bytes other = material;
      other[i] ^= std::byte{1};
      EXPECT_EQ(TestPacket(sealed).open(*engine_, *expand(*engine_, transform, other)),
                Verdict::refused)
          << info.name;
    }
  }
}

}  // namespace
}  // namespace culvert
