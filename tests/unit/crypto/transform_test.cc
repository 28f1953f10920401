// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/transform.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "crypto/key_layout.h"

namespace culvert {
namespace {

TEST(TransformInfo, IsMissingForNoneAndForUnknownNumbers) {
  EXPECT_EQ(transform_info(TransformId::none), nullptr);
  EXPECT_EQ(transform_info(static_cast<TransformId>(kTransformCount)), nullptr);
  EXPECT_EQ(transform_info(static_cast<TransformId>(255)), nullptr);
}

struct Sizes {
  std::string_view name;
  int cipher_key, salt, integrity_key, iv, icv, pad_alignment;
};
constexpr Sizes kSizes[] = {
    {"aes192-gcm", 24, 4, 0, 8, 16, 4},                     // RFC 4106
    {"aes256-gcm8", 32, 4, 0, 8, 8, 4},                     // RFC 4106
    {"aes128-gmac", 16, 4, 0, 8, 16, 4},                    // RFC 4543
    {"aes128-ccm12", 16, 3, 0, 8, 12, 4},                   // RFC 4309
    {"chacha20-poly1305", 32, 4, 0, 8, 16, 4},              // RFC 7634
    {"aes256-cbc+hmac-sha512-256", 32, 0, 64, 16, 32, 16},  // RFC 3602, RFC 4868
    {"aes192-ctr+hmac-sha384-192", 24, 4, 48, 8, 24, 4},    // RFC 3686, RFC 4868
    {"3des-cbc+hmac-sha1-96", 24, 0, 20, 8, 12, 8},         // RFC 2451, RFC 2404
    {"des-cbc+hmac-md5-96", 8, 0, 16, 8, 12, 8},            // RFC 2405, RFC 2403
    {"null+aes-cmac-96", 0, 0, 16, 0, 12, 4},               // RFC 2410, RFC 4494
    {"aes128-cbc+none", 16, 0, 0, 16, 0, 16},
};

TEST(TransformInfo, HasTheSizesOfTheRfcs) {
  for (const Sizes& sizes : kSizes) {
    const auto id = transform_named(sizes.name);
    ASSERT_TRUE(id) << sizes.name;
    const TransformInfo& info = *transform_info(*id);
    EXPECT_EQ(info.cipher_key_bytes, sizes.cipher_key) << sizes.name;
    EXPECT_EQ(info.salt_bytes, sizes.salt) << sizes.name;
    EXPECT_EQ(info.integrity_key_bytes, sizes.integrity_key) << sizes.name;
    EXPECT_EQ(info.iv_bytes, sizes.iv) << sizes.name;
    EXPECT_EQ(info.icv_bytes, sizes.icv) << sizes.name;
    EXPECT_EQ(info.pad_alignment, sizes.pad_alignment) << sizes.name;
  }
}

TEST(TransformInfo, HasANameOfItsOwnForEveryTransform) {
  std::set<std::string_view> names;
  for (std::size_t id = 0; id < kTransformCount; ++id) {
    EXPECT_FALSE(kTransforms[id].name.empty()) << id;
    EXPECT_TRUE(names.insert(kTransforms[id].name).second) << kTransforms[id].name;
  }
}

TEST(TransformInfo, IsFoundByName) {
  for (std::size_t id = 1; id < kTransformCount; ++id) {
    EXPECT_EQ(transform_named(kTransforms[id].name), static_cast<TransformId>(id));
  }
  EXPECT_FALSE(transform_named("rot13"));
  EXPECT_FALSE(transform_named("none"));
}

TEST(TransformInfo, CountsAsCounterModeWhatBreaksWhenANonceComesTwice) {
  for (std::size_t id = 1; id < kTransformCount; ++id) {
    bool is_counter_mode = false;
    for (const std::string_view part : {"-gcm", "-gmac", "-ccm", "-ctr+", "chacha20-"}) {
      is_counter_mode |= kTransforms[id].name.find(part) != std::string_view::npos;
    }
    EXPECT_EQ(kTransforms[id].is_counter_mode, is_counter_mode) << kTransforms[id].name;
    EXPECT_EQ(kTransforms[id].salt_bytes != 0, is_counter_mode) << kTransforms[id].name;
  }
}

TEST(TransformInfo, WantsPermissionForDesAloneAndForNoIntegrity) {
  const auto permissions = [](std::string_view name) {
    return transform_info(*transform_named(name))->permissions;
  };
  EXPECT_EQ(permissions("des-cbc+hmac-sha1-96"), kNeedsDesCbc);
  EXPECT_EQ(permissions("des-cbc+none"), kNeedsDesCbc | kNeedsNoIntegrity);
  EXPECT_EQ(permissions("aes256-ctr+none"), kNeedsNoIntegrity);
  EXPECT_EQ(permissions("3des-cbc+hmac-sha1-96"), 0);
  EXPECT_EQ(permissions("null+hmac-sha1-96"), 0);
  EXPECT_EQ(permissions("aes128-gmac"), 0);
}

TEST(TransformInfo, IsLegacyForDes3DesMd5AndNoIntegrity) {
  const auto is_legacy = [](std::string_view name) {
    return transform_info(*transform_named(name))->is_legacy;
  };
  EXPECT_TRUE(is_legacy("3des-cbc+hmac-sha256-128"));
  EXPECT_TRUE(is_legacy("des-cbc+hmac-sha256-128"));
  EXPECT_TRUE(is_legacy("aes128-cbc+hmac-md5-96"));
  EXPECT_TRUE(is_legacy("aes128-cbc+none"));
  EXPECT_FALSE(is_legacy("aes128-cbc+hmac-sha1-96"));
  EXPECT_FALSE(is_legacy("aes128-gcm8"));
}

TEST(TransformInfo, NamesEveryPairOfCipherAndIntegrityButNullWithNone) {
  EXPECT_EQ(transform_of(Cipher::null, Integrity::none), TransformId::none);
  std::set<TransformId> seen;
  for (std::size_t cipher = 0; cipher < kCipherCount; ++cipher) {
    for (std::size_t integrity = 0; integrity < kIntegrityCount; ++integrity) {
      const auto id = transform_of(static_cast<Cipher>(cipher), static_cast<Integrity>(integrity));
      if (id == TransformId::none) continue;
      EXPECT_EQ(transform_info(id)->cipher, static_cast<Cipher>(cipher));
      EXPECT_EQ(transform_info(id)->integrity, static_cast<Integrity>(integrity));
      EXPECT_TRUE(seen.insert(id).second);
    }
  }
  EXPECT_EQ(seen.size(), kCipherCount * kIntegrityCount - 1);
}

TEST(KeyLayout, FitsTheExpandedKeyForEveryTransform) {
  for (std::size_t id = 1; id < kTransformCount; ++id) {
    EXPECT_LE(kKeyLayouts[id].end, 1008) << kTransforms[id].name;
    EXPECT_LE(kTransforms[id].material_bytes(), kMaxMaterialBytes) << kTransforms[id].name;
  }
}

}  // namespace
}  // namespace culvert
