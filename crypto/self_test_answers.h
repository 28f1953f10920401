// SPDX-License-Identifier: BSD-3-Clause
// For crypto/self_test.cc: digests of the packets that OpenSSL 3.0 seals, by TransformId.
#pragma once

#include <array>
#include <cstdint>

#include "crypto/transform.h"

namespace culvert {

inline constexpr std::array<std::uint64_t, kTransformCount> kSelfTestAnswers{
    0,
    0x3831a931b88bab43,  // aes128-gcm
    0x1f4ef736f7f7e259,  // aes192-gcm
    0xddc0bfed8c64b73e,  // aes256-gcm
    0xe4a9e5ac0e4af80c,  // aes128-gcm12
    0xfa842f68fad4aba9,  // aes192-gcm12
    0xf814a90146504767,  // aes256-gcm12
    0x1ba74c443ad417d2,  // aes128-gcm8
    0xe92b8abd5aa8cf79,  // aes192-gcm8
    0x033fc299936bda98,  // aes256-gcm8
    0x274152fc93f2211f,  // aes128-gmac
    0x26d48c93026aa933,  // aes192-gmac
    0x7531d8e156285635,  // aes256-gmac
    0x735ccef6d70bb0c3,  // aes128-ccm
    0x22024da5014d1ced,  // aes256-ccm
    0xe60db9ee97e57dc2,  // aes128-ccm12
    0x01cb33a79b292f9b,  // aes256-ccm12
    0x0afc4fe841cc54a3,  // aes128-ccm8
    0xe335a8dfad58aa90,  // aes256-ccm8
    0x1ce00f44937564b5,  // chacha20-poly1305
    0x17d390ee01c8a284,  // aes128-cbc+hmac-sha1-96
    0x8dd7a1947b38e57b,  // aes128-cbc+hmac-sha256-128
    0x6e8f9d774437f5e3,  // aes128-cbc+hmac-sha256-96
    0x2c9543098ce98399,  // aes128-cbc+hmac-sha384-192
    0x273b780965443375,  // aes128-cbc+hmac-sha512-256
    0x32df4c465c3dfe40,  // aes128-cbc+hmac-md5-96
    0x52ec7da157842fbc,  // aes128-cbc+aes-xcbc-96
    0x831605d0815644f4,  // aes128-cbc+aes-cmac-96
    0xdbb66d91fe899ce1,  // aes128-cbc+none
    0x66a3d50956374fb2,  // aes192-cbc+hmac-sha1-96
    0x20cb2677ee05510d,  // aes192-cbc+hmac-sha256-128
    0x59a438fea8d4ba0f,  // aes192-cbc+hmac-sha256-96
    0x873ab94b5a6dde48,  // aes192-cbc+hmac-sha384-192
    0x440a7d17b99b815f,  // aes192-cbc+hmac-sha512-256
    0xea80f76af6fbf7d0,  // aes192-cbc+hmac-md5-96
    0x19bd72dbdc47d6f9,  // aes192-cbc+aes-xcbc-96
    0xc8408a19010fc838,  // aes192-cbc+aes-cmac-96
    0x0fe0c379c689aeef,  // aes192-cbc+none
    0xedcf26601a23f1a6,  // aes256-cbc+hmac-sha1-96
    0xb44d6335b3dc885e,  // aes256-cbc+hmac-sha256-128
    0x55ba815b374140cf,  // aes256-cbc+hmac-sha256-96
    0xd5f327d60ce297fc,  // aes256-cbc+hmac-sha384-192
    0x976e584f40b378ad,  // aes256-cbc+hmac-sha512-256
    0x2cdcccc5fd501315,  // aes256-cbc+hmac-md5-96
    0x2a1643126e0bb611,  // aes256-cbc+aes-xcbc-96
    0xec61319189eb7fad,  // aes256-cbc+aes-cmac-96
    0x4e9a815d3515b4e7,  // aes256-cbc+none
    0x2cb8c85563cde228,  // aes128-ctr+hmac-sha1-96
    0x1e4b491a2a166e75,  // aes128-ctr+hmac-sha256-128
    0x471167af783544d4,  // aes128-ctr+hmac-sha256-96
    0x0dde950dd49cb941,  // aes128-ctr+hmac-sha384-192
    0x29a6d1b85b16b985,  // aes128-ctr+hmac-sha512-256
    0x9ed6b68c9ac8b54e,  // aes128-ctr+hmac-md5-96
    0xe2e95831a1146126,  // aes128-ctr+aes-xcbc-96
    0x48ad0338e69cffa4,  // aes128-ctr+aes-cmac-96
    0x69b6749526bf2273,  // aes128-ctr+none
    0x131d9a9ad5d442dc,  // aes192-ctr+hmac-sha1-96
    0x40c5eb8b4ef2accd,  // aes192-ctr+hmac-sha256-128
    0xaa45bc61929a307b,  // aes192-ctr+hmac-sha256-96
    0x3beb3f6e339c0448,  // aes192-ctr+hmac-sha384-192
    0xca69e66d1bc0939c,  // aes192-ctr+hmac-sha512-256
    0x39a56a36e86b24d1,  // aes192-ctr+hmac-md5-96
    0x7c7ce70b0b7c22f3,  // aes192-ctr+aes-xcbc-96
    0xfc922014ef9bd711,  // aes192-ctr+aes-cmac-96
    0x516f28b930b842ca,  // aes192-ctr+none
    0x1ea17bfaf22b1289,  // aes256-ctr+hmac-sha1-96
    0x90b376dd363bed5b,  // aes256-ctr+hmac-sha256-128
    0xb8ed671a5d9166ed,  // aes256-ctr+hmac-sha256-96
    0x81a87eb73a30b5b1,  // aes256-ctr+hmac-sha384-192
    0x968c56e8780e5dd5,  // aes256-ctr+hmac-sha512-256
    0xfdf45a5e388fc513,  // aes256-ctr+hmac-md5-96
    0x9c72d6f436e9f28a,  // aes256-ctr+aes-xcbc-96
    0x14fb358e7e468d43,  // aes256-ctr+aes-cmac-96
    0x7e233e049d428e49,  // aes256-ctr+none
    0xc2ec0bdf953cc1ad,  // 3des-cbc+hmac-sha1-96
    0x56941d89cda30a0f,  // 3des-cbc+hmac-sha256-128
    0xe6886c9deda293a8,  // 3des-cbc+hmac-sha256-96
    0xe95498a6730a242f,  // 3des-cbc+hmac-sha384-192
    0x7851ea2118f35c46,  // 3des-cbc+hmac-sha512-256
    0x08e406c100be290a,  // 3des-cbc+hmac-md5-96
    0x075abb80254c1af2,  // 3des-cbc+aes-xcbc-96
    0x8fac9cc66b9b3dce,  // 3des-cbc+aes-cmac-96
    0x496d4482f28483e5,  // 3des-cbc+none
    0x0ecf451fb330710b,  // des-cbc+hmac-sha1-96
    0x749b4784bbf3e52e,  // des-cbc+hmac-sha256-128
    0x40b83fa0eb209d74,  // des-cbc+hmac-sha256-96
    0xdd0600e6248c81de,  // des-cbc+hmac-sha384-192
    0xcd1dc0e5af269df4,  // des-cbc+hmac-sha512-256
    0x1307e3eed6f77c8a,  // des-cbc+hmac-md5-96
    0xa2af80883bb671bd,  // des-cbc+aes-xcbc-96
    0x7d84bd1dd9c0c0e7,  // des-cbc+aes-cmac-96
    0xb57df6d5299f74fa,  // des-cbc+none
    0xf23e134c4cf532a6,  // null+hmac-sha1-96
    0x03f7be3629fe7fc9,  // null+hmac-sha256-128
    0x758874be252a2506,  // null+hmac-sha256-96
    0x82c616f6c3144663,  // null+hmac-sha384-192
    0xd55dc00753ed47d7,  // null+hmac-sha512-256
    0x0a318f092a9ac817,  // null+hmac-md5-96
    0xde9239bb97669012,  // null+aes-xcbc-96
    0xa95aa724af15a7e5,  // null+aes-cmac-96
};

}  // namespace culvert
