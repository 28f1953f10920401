// SPDX-License-Identifier: BSD-3-Clause
// What the SA manager makes of transforms other than AES-GCM.
#include <cerrno>

#include "control/sa_algorithms.h"
#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

class SaManagerTransforms : public SaManagerTest {
 protected:
  static Sa sa_of(TransformId transform, Sa sa) {
    const SaAlgorithms algorithms = algorithms_of(transform, NoIntegrityForm::no_algorithm);
    sa.aead = algorithms.aead;
    sa.crypt = algorithms.crypt;
    sa.auth = algorithms.auth;
    return sa;
  }
  static Key key_of(TransformId transform, unsigned number) {
    std::array<std::byte, kMaxMaterialBytes> raw{};
    for (std::size_t i = 0; i < raw.size(); ++i) {
      raw[i] = static_cast<std::byte>((7 * number + 3 * i) & 0xff);
    }
    Key key;
    EXPECT_TRUE(key.assign(std::span(raw).first(transform_info(transform)->material_bytes())));
    return key;
  }
};

constexpr TransformId kCbc = transform_of(Cipher::aes128_cbc, Integrity::hmac_sha256_128);
constexpr TransformId kCtr = transform_of(Cipher::aes128_ctr, Integrity::hmac_sha1_96);

TEST_F(SaManagerTransforms, InstallsEveryTransformWithItsWholeKeyAndKnowsItAfterARestart) {
  static_assert(kMaxMaterialBytes <= kMaxKeyBytes && kMaxMaterialBytes <= Key::kCapacityBytes);
  constexpr std::size_t kAtOnce = 50;  // the fake dataplane has room for 64
  allowed_ = kNeedsDesCbc | kNeedsNoIntegrity;
  for (std::size_t first = 1; first < kTransformCount; first += kAtOnce) {
    restart_control();
    std::vector<Sa> given;
    for (std::size_t id = first; id < std::min(first + kAtOnce, kTransformCount); ++id) {
      const auto transform = static_cast<TransformId>(id);
      const auto number = static_cast<unsigned>(id);
      given.push_back(sa_of(transform, outbound(0x1000 + number)));
      const SaIndex index = add(given.back(), key_of(transform, number));
      EXPECT_EQ(dataplane_.installed_sas().at(index.raw()).transform, id);
      EXPECT_TRUE(constant_time_equal(manager_->key_of(index), key_of(transform, number).bytes()));
    }
    restart_control();
    for (const Sa& sa : given) {
      const std::optional<Sa> found = manager_->find(sa.id);
      ASSERT_TRUE(found);
      EXPECT_EQ(found->aead, sa.aead);
      EXPECT_EQ(found->crypt, sa.crypt);
      EXPECT_EQ(found->auth, sa.auth);
      ASSERT_TRUE(manager_->remove(sa.id));
    }
  }
}

TEST_F(SaManagerTransforms, AnswersWithCanonicalNamesAndTheIcvThatIsInUse) {
  Sa sa = outbound(0x1001);
  sa.aead.reset();
  sa.crypt = Algorithm{AlgorithmKind::crypt, "aes", 128, 0};
  sa.auth = Algorithm{AlgorithmKind::auth, "sha256", 256, 0};
  const TransformId transform = transform_of(Cipher::aes128_cbc, Integrity::hmac_sha256_96);
  const Result<Sa> added = manager_->add(sa, key_of(transform, 1));
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added->crypt->name, "cbc(aes)");
  EXPECT_EQ(added->auth->name, "hmac(sha256)");
  EXPECT_EQ(added->auth->icv_bits, 96u);
  EXPECT_EQ(added->auth->key_bits, 256u);
}

// RFC 4303 3.4.3.
TEST_F(SaManagerTransforms, WithoutIntegrityHaveNeitherAWindowNorExtendedNumbers) {
  allowed_ = kNeedsNoIntegrity;
  restart_control();
  const TransformId transform = transform_of(Cipher::aes128_cbc, Integrity::none);
  Sa sa = sa_of(transform, inbound(0x1001));
  const SaIndex index = add(sa, key_of(transform, 1));
  EXPECT_EQ(dataplane_.installed_sas().at(index.raw()).replay_window, 0u);
  sa.id.spi = Spi{0x1002};
  sa.info_window = 0;
  sa.flags = kStateEsn;
  sa.replay = ReplayAsked{.is_esn_struct = true, .window = 32, .bitmap_words = 1};
  const Result<Sa> refused = manager_->add(sa, key_of(transform, 2));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EINVAL);
  EXPECT_EQ(refused.error().message, "flag esn: needs an integrity algorithm");
}

TEST_F(SaManagerTransforms, KeepsAnAuthenticationAlgorithmThatDoesNothing) {
  allowed_ = kNeedsNoIntegrity;
  restart_control();
  const TransformId transform = transform_of(Cipher::aes128_cbc, Integrity::none);
  Sa sa = sa_of(transform, outbound(0x1001));
  EXPECT_FALSE(manager_->add(sa, key_of(transform, 1))->auth);
  sa.id.spi = Spi{0x1002};
  sa.auth = Algorithm{AlgorithmKind::auth, "digest_null", 0, 0};
  EXPECT_EQ(manager_->add(sa, key_of(transform, 1))->auth->name, "digest_null");
}

TEST_F(SaManagerTransforms, RefusesWhatTheConfigurationDoesNotAllow) {
  const TransformId des = transform_of(Cipher::des_cbc, Integrity::hmac_sha1_96);
  EXPECT_EQ(add_error(sa_of(des, outbound(0x1001)), key_of(des, 1)), ENOSYS);
  const TransformId bare = transform_of(Cipher::aes256_cbc, Integrity::none);
  EXPECT_EQ(add_error(sa_of(bare, outbound(0x1002)), key_of(bare, 2)), ENOSYS);
  EXPECT_EQ(manager_->sad_counts().sas, 0u);
}

TEST_F(SaManagerTransforms, RefusesKeysThatAreTogetherTooShort) {
  EXPECT_EQ(add_error(sa_of(kCbc, outbound(0x1001)), key_number(1, 47)), EINVAL);
}

TEST_F(SaManagerTransforms, LetsSeveralSasShareAKeyThatNoNonceCanBreak) {
  (void)add(sa_of(kCbc, outbound(0x1001)), key_of(kCbc, 1));
  (void)add(sa_of(kCbc, inbound(0x1002)), key_of(kCbc, 1));
  EXPECT_EQ(manager_->sad_counts().sas, 2u);
}

TEST_F(SaManagerTransforms, RefusesASecondUseOfEveryCounterModeKeyInEitherDirection) {
  std::uint32_t spi = 0x1000;
  for (std::size_t id = 1; id < kTransformCount; ++id) {
    if (!kTransforms[id].is_counter_mode || kTransforms[id].permissions != 0) continue;
    const auto transform = static_cast<TransformId>(id);
    const Key key = key_of(transform, static_cast<unsigned>(id));
    const SaIndex index = add(sa_of(transform, outbound(++spi)), key);
    EXPECT_EQ(add_error(sa_of(transform, inbound(++spi)), key), EEXIST) << kTransforms[id].name;
    const Sa first = *manager_->find(sa_of(transform, outbound(spi - 1)).id);
    EXPECT_EQ(first.index, index);
    ASSERT_TRUE(manager_->remove(first.id));
  }
}

// The integrity key is no part of the nonce space, nor is the mode.
TEST_F(SaManagerTransforms, RefusesACounterModeKeyUnderAnotherIntegrityKeyOrMode) {
  const Key key = key_of(kCtr, 1);
  std::vector<std::byte> other_material(key.bytes().begin(), key.bytes().end());
  (void)add(sa_of(kCtr, outbound(0x1001)), key);
  other_material.back() ^= std::byte{1};
  Key other;
  ASSERT_TRUE(other.assign(other_material));
  EXPECT_EQ(add_error(sa_of(kCtr, outbound(0x1002)), other), EEXIST);
  ASSERT_TRUE(other.assign(key.bytes().first(20)));
  EXPECT_EQ(add_error(outbound(0x1003), other), EEXIST);
}

TEST_F(SaManagerTransforms, BeginsBehindTheNumbersThatWereUsedUnderACounterModeKey) {
  const Key key = key_of(kCtr, 1);
  const SaIndex index = add(sa_of(kCtr, outbound(0x1001)), key);
  dataplane_.use_sequence(index.raw(), 500);
  ASSERT_TRUE(manager_->remove(sa_of(kCtr, outbound(0x1001)).id));
  const SaIndex again = add(sa_of(kCtr, outbound(0x1002)), key);
  EXPECT_EQ(dataplane_.installed_sas().at(again.raw()).sequence, 500u);
}

}  // namespace
}  // namespace culvert
