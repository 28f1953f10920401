// SPDX-License-Identifier: BSD-3-Clause
#include "control/sa_algorithms.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace culvert {
namespace {

Sa aead(const std::string& name, std::uint32_t key_bits, std::uint32_t icv_bits) {
  Sa sa;
  sa.aead = Algorithm{AlgorithmKind::aead, name, key_bits, icv_bits};
  return sa;
}

Sa crypt(const std::string& name, std::uint32_t key_bits) {
  Sa sa;
  sa.crypt = Algorithm{AlgorithmKind::crypt, name, key_bits, 0};
  return sa;
}
Sa with_auth(Sa sa, const std::string& name, std::uint32_t key_bits) {
  sa.auth = Algorithm{AlgorithmKind::auth, name, key_bits, 0};
  return sa;
}
Sa with_auth_trunc(Sa sa, const std::string& name, std::uint32_t key_bits, std::uint32_t icv_bits) {
  sa.auth = Algorithm{AlgorithmKind::auth_trunc, name, key_bits, icv_bits};
  return sa;
}

// The transform's name, or the error's code.
std::string outcome(const Sa& sa) {
  const Result<TransformId> transform = transform_of(sa);
  if (!transform) return std::to_string(transform.error().code);
  return std::string(transform_info(*transform)->name);
}
std::string message(const Sa& sa) {
  const Result<TransformId> transform = transform_of(sa);
  return transform ? "" : transform.error().message;
}

const std::string kGcm = "rfc4106(gcm(aes))";
const std::string kGmac = "rfc4543(gcm(aes))";
const std::string kCcm = "rfc4309(ccm(aes))";
const std::string kChacha = "rfc7539esp(chacha20,poly1305)";
const std::string kEnosys = std::to_string(ENOSYS);
const std::string kEinval = std::to_string(EINVAL);

TEST(SaAlgorithms, FindsTheAeadByNameKeyAndIcv) {
  EXPECT_EQ(outcome(aead(kGcm, 160, 128)), "aes128-gcm");
  EXPECT_EQ(outcome(aead(kGcm, 224, 96)), "aes192-gcm12");
  EXPECT_EQ(outcome(aead(kGcm, 288, 64)), "aes256-gcm8");
  EXPECT_EQ(outcome(aead(kGmac, 160, 128)), "aes128-gmac");
  EXPECT_EQ(outcome(aead(kCcm, 152, 128)), "aes128-ccm");
  EXPECT_EQ(outcome(aead(kCcm, 280, 64)), "aes256-ccm8");
  EXPECT_EQ(outcome(aead(kChacha, 288, 128)), "chacha20-poly1305");
}

TEST(SaAlgorithms, RefusesAeadsWithTheKernelsErrors) {
  EXPECT_EQ(outcome(aead("gcm(aes)", 160, 128)), kEnosys);
  EXPECT_EQ(outcome(aead(kGcm, 160, 32)), kEnosys);
  EXPECT_EQ(outcome(aead(kGmac, 160, 96)), kEnosys);
  EXPECT_EQ(outcome(aead(kChacha, 288, 96)), kEnosys);
  EXPECT_EQ(outcome(aead(kGcm, 128, 128)), kEinval);
  EXPECT_EQ(outcome(aead(kGcm, 161, 128)), kEinval);
  EXPECT_EQ(outcome(aead(kChacha, 256, 128)), kEinval);
}

TEST(SaAlgorithms, RefusesCcmWithAes192AsNotThere) {
  EXPECT_EQ(outcome(aead(kCcm, 216, 128)), kEnosys);
  EXPECT_EQ(outcome(aead(kCcm, 128, 128)), kEinval);
  EXPECT_EQ(message(aead(kCcm, 216, 128)),
            "aead 'rfc4309(ccm(aes))' with a key of 216 bits: AES-192 is not carried in this mode, "
            "must be 152 or 280");
}

TEST(SaAlgorithms, SaysWhatIsAllowed) {
  EXPECT_EQ(message(aead(kGcm, 128, 128)),
            "aead 'rfc4106(gcm(aes))' with a key of 128 bits: must be 160, 224 or 288");
  EXPECT_EQ(message(aead(kGcm, 160, 32)),
            "aead 'rfc4106(gcm(aes))' with an ICV of 32 bits: must be 128, 96 or 64");
  EXPECT_EQ(message(crypt("cbc(blowfish)", 128)),
            "enc 'cbc(blowfish)': not known, must be cbc(aes), rfc3686(ctr(aes)), cbc(des3_ede), "
            "cbc(des) or ecb(cipher_null)");
}

TEST(SaAlgorithms, FindsCiphersByNameAndAliasAndKey) {
  const auto found = [](const std::string& name, std::uint32_t key_bits) {
    return outcome(with_auth(crypt(name, key_bits), "hmac(sha1)", 160));
  };
  EXPECT_EQ(found("cbc(aes)", 128), "aes128-cbc+hmac-sha1-96");
  EXPECT_EQ(found("aes", 192), "aes192-cbc+hmac-sha1-96");
  EXPECT_EQ(found("cbc(aes)", 256), "aes256-cbc+hmac-sha1-96");
  EXPECT_EQ(found("rfc3686(ctr(aes))", 160), "aes128-ctr+hmac-sha1-96");
  EXPECT_EQ(found("rfc3686(ctr(aes))", 288), "aes256-ctr+hmac-sha1-96");
  EXPECT_EQ(found("cbc(des3_ede)", 192), "3des-cbc+hmac-sha1-96");
  EXPECT_EQ(found("des3_ede", 192), "3des-cbc+hmac-sha1-96");
  EXPECT_EQ(found("des", 64), "des-cbc+hmac-sha1-96");
  EXPECT_EQ(found("cipher_null", 0), "null+hmac-sha1-96");
  EXPECT_EQ(found("ecb(cipher_null)", 0), "null+hmac-sha1-96");
  EXPECT_EQ(found("cbc(aes)", 160), kEinval);
  EXPECT_EQ(found("rfc3686(ctr(aes))", 128), kEinval);
  EXPECT_EQ(found("cbc(des3_ede)", 128), kEinval);
  EXPECT_EQ(found("ecb(cipher_null)", 8), kEinval);
  EXPECT_EQ(found("cbc(camellia)", 128), kEnosys);
  EXPECT_EQ(found("", 128), kEnosys);
}

TEST(SaAlgorithms, TakesTheKernelsDefaultIcvWhereNoneIsGiven) {
  const Sa sa = crypt("cbc(aes)", 128);
  EXPECT_EQ(outcome(with_auth(sa, "sha1", 160)), "aes128-cbc+hmac-sha1-96");
  EXPECT_EQ(outcome(with_auth(sa, "hmac(sha256)", 256)), "aes128-cbc+hmac-sha256-96");
  EXPECT_EQ(outcome(with_auth(sa, "sha256", 256)), "aes128-cbc+hmac-sha256-96");
  EXPECT_EQ(outcome(with_auth(sa, "hmac(sha384)", 384)), "aes128-cbc+hmac-sha384-192");
  EXPECT_EQ(outcome(with_auth(sa, "hmac(sha512)", 512)), "aes128-cbc+hmac-sha512-256");
  EXPECT_EQ(outcome(with_auth(sa, "md5", 128)), "aes128-cbc+hmac-md5-96");
  EXPECT_EQ(outcome(with_auth(sa, "xcbc(aes)", 128)), "aes128-cbc+aes-xcbc-96");
  EXPECT_EQ(outcome(with_auth(sa, "cmac(aes)", 128)), "aes128-cbc+aes-cmac-96");
  EXPECT_EQ(outcome(with_auth_trunc(sa, "hmac(sha256)", 256, 0)), "aes128-cbc+hmac-sha256-96");
}

TEST(SaAlgorithms, TakesTheIcvThatIsGiven) {
  const Sa sa = crypt("cbc(aes)", 128);
  EXPECT_EQ(outcome(with_auth_trunc(sa, "hmac(sha256)", 256, 128)), "aes128-cbc+hmac-sha256-128");
  EXPECT_EQ(outcome(with_auth_trunc(sa, "hmac(sha1)", 160, 96)), "aes128-cbc+hmac-sha1-96");
  EXPECT_EQ(outcome(with_auth_trunc(sa, "hmac(sha1)", 160, 160)), kEnosys);
  EXPECT_EQ(outcome(with_auth_trunc(sa, "hmac(sha1)", 160, 161)), kEinval);
  EXPECT_EQ(outcome(with_auth(sa, "hmac(rmd160)", 160)), kEnosys);
  EXPECT_EQ(outcome(with_auth(sa, "hmac(sha1)", 128)), kEinval);
  EXPECT_EQ(message(with_auth_trunc(sa, "hmac(sha256)", 256, 64)),
            "auth-trunc 'hmac(sha256)' with an ICV of 64 bits: must be 96 or 128");
}

TEST(SaAlgorithms, WantsEncryptionOrIntegrity) {
  Sa only_auth;
  only_auth.auth = Algorithm{AlgorithmKind::auth, "hmac(sha1)", 160, 0};
  EXPECT_EQ(outcome(only_auth), kEinval);
  EXPECT_EQ(outcome(Sa{}), kEinval);
  EXPECT_EQ(outcome(crypt("ecb(cipher_null)", 0)), kEinval);
  EXPECT_EQ(outcome(with_auth(crypt("ecb(cipher_null)", 0), "digest_null", 0)), kEinval);
  EXPECT_EQ(outcome(crypt("cbc(aes)", 128)), "aes128-cbc+none");
  EXPECT_EQ(outcome(with_auth(crypt("cbc(aes)", 128), "digest_null", 0)), "aes128-cbc+none");
  EXPECT_EQ(outcome(with_auth(aead(kGcm, 160, 128), "hmac(sha1)", 160)), kEinval);
}

TEST(SaAlgorithms, NamesEveryTransformSoThatItIsFoundAgain) {
  for (std::size_t id = 1; id < kTransformCount; ++id) {
    const auto transform = static_cast<TransformId>(id);
    for (const auto form : {NoIntegrityForm::no_algorithm, NoIntegrityForm::digest_null}) {
      const SaAlgorithms named = algorithms_of(transform, form);
      Sa sa;
      sa.aead = named.aead;
      sa.crypt = named.crypt;
      sa.auth = named.auth;
      EXPECT_EQ(outcome(sa), kTransforms[id].name);
    }
  }
  EXPECT_FALSE(algorithms_of(TransformId::none, NoIntegrityForm::no_algorithm).crypt);
}

TEST(SaAlgorithms, AllowsDesAloneAndNoIntegrityOnlyByName) {
  const TransformId des = transform_of(Cipher::des_cbc, Integrity::hmac_sha1_96);
  const TransformId bare = transform_of(Cipher::aes128_cbc, Integrity::none);
  const TransformId both = transform_of(Cipher::des_cbc, Integrity::none);
  EXPECT_TRUE(check_permissions(TransformId::aes128_gcm16, 0));
  EXPECT_FALSE(check_permissions(des, kNeedsNoIntegrity));
  EXPECT_TRUE(check_permissions(des, kNeedsDesCbc));
  EXPECT_FALSE(check_permissions(bare, kNeedsDesCbc));
  EXPECT_TRUE(check_permissions(bare, kNeedsNoIntegrity));
  EXPECT_FALSE(check_permissions(both, kNeedsDesCbc));
  EXPECT_TRUE(check_permissions(both, kNeedsDesCbc | kNeedsNoIntegrity));
  const Result<void> refused = check_permissions(both, 0);
  EXPECT_EQ(refused.error().code, ENOSYS);
  EXPECT_EQ(refused.error().message,
            "des-cbc+none: not allowed; [esp] allow = [\"des-cbc\", \"no-integrity\"] would permit "
            "it");
}

}  // namespace
}  // namespace culvert
