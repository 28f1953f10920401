// SPDX-License-Identifier: BSD-3-Clause
// Published vectors of every family. Without any in the form of ESP are AES-CCM with its 11-byte
// nonce and AES-GMAC: OpenSSL judges those (reference_esp.cc).
#include <gtest/gtest.h>

#include "tests/unit/crypto/crypto_test_support.h"
#include "tests/vectors/aes_cbc.h"
#include "tests/vectors/aes_ctr.h"
#include "tests/vectors/aes_gcm.h"
#include "tests/vectors/aes_mac.h"
#include "tests/vectors/chacha20_poly1305.h"
#include "tests/vectors/des_cbc.h"
#include "tests/vectors/hmac.h"

namespace culvert {
namespace {

constexpr std::span<const EspVector> kFamilies[] = {kAesCbcVectors, kAesCtrVectors,
                                                    kAesMacVectors, kChacha20Poly1305Vectors,
                                                    kDesCbcVectors, kHmacVectors};

void put(std::span<std::byte> to, std::string_view digits) {
  const Bytes bytes = from_hex(digits);
  ASSERT_EQ(bytes.size(), to.size()) << digits;
  std::ranges::copy(bytes, to.begin());
}

TestPacket packet_of(TransformId transform, std::string_view aad, std::string_view iv,
                     std::string_view payload) {
  TestPacket packet(transform, payload.size() / 2);
  packet.set_aad(from_hex(aad));
  put(packet.iv(), iv);
  put(packet.payload(), payload);
  return packet;
}

class Vectors : public CodePathTest {
 protected:
  void expect_seals(TestPacket clear, const ExpandedKey& key, TestPacket sealed,
                    std::string_view name) {
    clear.seal(*engine_, key);
    EXPECT_EQ(copy_of(clear.wire()), copy_of(sealed.wire())) << name;
  }
  void expect_opens(TestPacket sealed, const ExpandedKey& key, TestPacket clear,
                    std::string_view name) {
    EXPECT_EQ(sealed.open(*engine_, key), Verdict::authentic) << name;
    EXPECT_EQ(copy_of(sealed.payload()), copy_of(clear.payload())) << name;
  }
};
INSTANTIATE_TEST_SUITE_P(CodePaths, Vectors, testing::ValuesIn(kAllCodePaths), code_path_name);

// The IVs of the published CBC vectors are not what an encrypted sequence number gives: to be
// sealed into, they would have to be decrypted first.
TEST_P(Vectors, AreOpenedAndAreSealedButForCbc) {
  for (const std::span<const EspVector> family : kFamilies) {
    for (const EspVector& vector : family) {
      const auto transform = transform_named(vector.transform);
      ASSERT_TRUE(transform) << vector.transform;
      const auto key = expand(*engine_, *transform, from_hex(vector.material));
      const TestPacket clear = packet_of(*transform, vector.aad, vector.iv, vector.plaintext);
      TestPacket sealed = packet_of(*transform, vector.aad, vector.iv, vector.ciphertext);
      put(sealed.icv(), vector.icv);
      expect_opens(sealed, *key, clear, vector.name);
      if (block_bytes(*transform) == 1) expect_seals(clear, *key, sealed, vector.name);
    }
  }
}

TEST_P(Vectors, OfAesGcmAreSealedAndOpenedWithEveryIcvLength) {
  for (const AesGcmVector& vector : kAesGcmVectors) {
    for (const TransformId transform : all_transforms()) {
      const TransformInfo& info = *transform_info(transform);
      if (info.construction != Construction::gcm) continue;
      if (info.cipher_key_bytes != vector.key.size() / 2) continue;
      if (vector.aad.size() < 16) continue;  // no ESP header
      const std::string material = std::string(vector.key) + std::string(vector.nonce.substr(0, 8));
      const auto key = expand(*engine_, transform, from_hex(material));
      const std::string_view iv = vector.nonce.substr(8);
      const TestPacket clear = packet_of(transform, vector.aad, iv, vector.plaintext);
      TestPacket sealed = packet_of(transform, vector.aad, iv, vector.ciphertext);
      put(sealed.icv(), vector.icv.substr(0, 2u * info.icv_bytes));
      expect_seals(clear, *key, sealed, vector.name);
      expect_opens(sealed, *key, clear, vector.name);
    }
  }
}

// The GCM specification's first cases have no AAD.
TEST_P(Vectors, OfAesGcmWithoutAadAreSealed) {
  for (const AesGcmVector& vector : kAesGcmVectors) {
    if (!vector.aad.empty()) continue;
    const auto transform = vector.key.size() == 32   ? TransformId::aes128_gcm16
                           : vector.key.size() == 48 ? TransformId::aes192_gcm16
                                                     : TransformId::aes256_gcm16;
    const std::string material = std::string(vector.key) + std::string(vector.nonce.substr(0, 8));
    const auto key = expand(*engine_, transform, from_hex(material));
    TestPacket packet =
        packet_of(transform, "0000000000000000", vector.nonce.substr(8), vector.plaintext);
    CryptoJob job = packet.job(*key);
    job.aad_bytes = 0;
    engine_->seal({&job, 1});
    EXPECT_EQ(copy_of(packet.payload()), from_hex(vector.ciphertext)) << vector.name;
    EXPECT_EQ(copy_of(packet.icv()), from_hex(vector.icv)) << vector.name;
  }
}

}  // namespace
}  // namespace culvert
