// SPDX-License-Identifier: BSD-3-Clause
#include "control/sa_algorithms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

namespace culvert {
namespace {

struct AeadName {
  std::string_view name;
  Construction construction;
};
// No aliases: net/xfrm has none.
constexpr std::array kAeads{
    AeadName{"rfc4106(gcm(aes))", Construction::gcm},
    AeadName{"rfc4543(gcm(aes))", Construction::gmac},
    AeadName{"rfc4309(ccm(aes))", Construction::ccm},
    AeadName{"rfc7539esp(chacha20,poly1305)", Construction::chacha20_poly1305},
};

struct CipherName {
  std::string_view name;
  std::string_view alias;
  Cipher first;  // and those behind it, one for each key length
  Cipher last;
};
constexpr std::array kCiphers{
    CipherName{"cbc(aes)", "aes", Cipher::aes128_cbc, Cipher::aes256_cbc},
    CipherName{"rfc3686(ctr(aes))", "", Cipher::aes128_ctr, Cipher::aes256_ctr},
    CipherName{"cbc(des3_ede)", "des3_ede", Cipher::des3_cbc, Cipher::des3_cbc},
    CipherName{"cbc(des)", "des", Cipher::des_cbc, Cipher::des_cbc},
    CipherName{"ecb(cipher_null)", "cipher_null", Cipher::null, Cipher::null},
};

// The first of a name is what is meant when no ICV length is given.
struct IntegrityName {
  std::string_view name;
  std::string_view alias;
  Integrity integrity;
  std::uint32_t full_bits;
};
constexpr std::array kIntegrities{
    IntegrityName{"hmac(sha1)", "sha1", Integrity::hmac_sha1_96, 160},
    IntegrityName{"hmac(sha256)", "sha256", Integrity::hmac_sha256_96, 256},
    IntegrityName{"hmac(sha256)", "sha256", Integrity::hmac_sha256_128, 256},
    IntegrityName{"hmac(sha384)", "", Integrity::hmac_sha384_192, 384},
    IntegrityName{"hmac(sha512)", "", Integrity::hmac_sha512_256, 512},
    IntegrityName{"hmac(md5)", "md5", Integrity::hmac_md5_96, 128},
    IntegrityName{"xcbc(aes)", "", Integrity::aes_xcbc_96, 128},
    IntegrityName{"cmac(aes)", "", Integrity::aes_cmac_96, 128},
    IntegrityName{"digest_null", "", Integrity::none, 0},
};

// Any transform with this half, for its sizes.
const TransformInfo& info_of(Cipher cipher) {
  return *transform_info(transform_of(cipher, Integrity::hmac_sha1_96));
}
const TransformInfo& info_of(Integrity integrity) {
  return *transform_info(transform_of(Cipher::aes128_cbc, integrity));
}

std::uint32_t key_bits_of(const TransformInfo& info) {
  return 8u * (info.cipher_key_bytes + std::uint32_t{info.salt_bytes});
}

// "a, b or c".
std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i != 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

template <typename Names>
std::string names_of(const Names& names) {
  std::vector<std::string> words;
  for (const auto& entry : names) {
    std::string word(entry.name);
    if (words.empty() || words.back() != word) words.push_back(std::move(word));
  }
  return listed(words);
}

// A key may stand where the name should.
Error not_known(std::string_view kind, const Algorithm& algorithm, const std::string& names) {
  if (is_algorithm_name(algorithm.name)) {
    return {ENOSYS, fmt::format("{} '{}': not known, must be {}", kind, algorithm.name, names)};
  }
  return {ENOSYS, fmt::format("{}: what follows it (not shown, as it may be a key) is not the name "
                              "of an algorithm, must be {}",
                              kind, names)};
}

Error wrong_key(std::string_view kind, const Algorithm& algorithm,
                const std::vector<std::string>& allowed) {
  return {EINVAL, fmt::format("{} '{}' with a key of {} bits: must be {}", kind, algorithm.name,
                              algorithm.key_bits, listed(allowed))};
}

bool fits(const TransformInfo& info, Construction construction, const Algorithm& aead) {
  return info.construction == construction && aead.icv_bits == 8u * info.icv_bytes &&
         aead.key_bits == key_bits_of(info);
}

Error wrong_aead(const Algorithm& aead, Construction construction) {
  std::vector<std::string> icvs;
  std::vector<std::string> keys;
  for (std::size_t id = 1; id < kTransformCount; ++id) {
    const TransformInfo& info = kTransforms[id];
    if (info.construction != construction) continue;
    const std::string icv = std::to_string(8 * info.icv_bytes);
    if (icvs.empty() || icvs.back() != icv) icvs.push_back(icv);
    if (aead.icv_bits != 8u * info.icv_bytes) continue;
    keys.push_back(std::to_string(key_bits_of(info)));
  }
  if (keys.empty()) {
    return {ENOSYS, fmt::format("aead '{}' with an ICV of {} bits: must be {}", aead.name,
                                aead.icv_bits, listed(icvs))};
  }
  constexpr std::uint32_t kCcm192KeyBits = 192 + 24;
  if (construction == Construction::ccm && aead.key_bits == kCcm192KeyBits) {
    return {ENOSYS, fmt::format("aead '{}' with a key of {} bits: AES-192 is not carried in "
                                "this mode, must be {}",
                                aead.name, aead.key_bits, listed(keys))};
  }
  return wrong_key("aead", aead, keys);
}

Result<TransformId> aead_transform(const Algorithm& aead) {
  const auto* const found = std::ranges::find(kAeads, aead.name, &AeadName::name);
  if (found == kAeads.end()) return not_known("aead", aead, names_of(kAeads));
  for (std::size_t id = 1; id < kFirstCombinedTransform; ++id) {
    if (fits(kTransforms[id], found->construction, aead)) return static_cast<TransformId>(id);
  }
  return wrong_aead(aead, found->construction);
}

Result<Cipher> cipher_of(const Algorithm& crypt) {
  for (const CipherName& entry : kCiphers) {
    if (crypt.name != entry.name && (entry.alias.empty() || crypt.name != entry.alias)) continue;
    std::vector<std::string> keys;
    for (auto id = static_cast<std::uint8_t>(entry.first);
         id <= static_cast<std::uint8_t>(entry.last); ++id) {
      const std::uint32_t key_bits = key_bits_of(info_of(static_cast<Cipher>(id)));
      if (crypt.key_bits == key_bits) return static_cast<Cipher>(id);
      keys.push_back(std::to_string(key_bits));
    }
    return wrong_key("enc", crypt, keys);
  }
  return not_known("enc", crypt, names_of(kCiphers));
}

Result<Integrity> integrity_of(const Algorithm& auth) {
  std::vector<std::string> icvs;
  for (const IntegrityName& entry : kIntegrities) {
    if (auth.name != entry.name && (entry.alias.empty() || auth.name != entry.alias)) continue;
    const bool asks_for_icv = auth.kind == AlgorithmKind::auth_trunc && auth.icv_bits != 0;
    if (asks_for_icv && auth.icv_bits > entry.full_bits) {
      return Error{EINVAL, fmt::format("auth-trunc '{}' with an ICV of {} bits: at most {}",
                                       auth.name, auth.icv_bits, entry.full_bits)};
    }
    const TransformInfo& info = info_of(entry.integrity);
    icvs.push_back(std::to_string(8 * info.icv_bytes));
    if (asks_for_icv && auth.icv_bits != 8u * info.icv_bytes) continue;
    // Fixed lengths: RFC 2403 3, RFC 2404 3, RFC 4868 2.1.1.
    if (auth.key_bits == 8u * info.integrity_key_bytes) return entry.integrity;
    return wrong_key("auth", auth, {std::to_string(8 * info.integrity_key_bytes)});
  }
  if (icvs.empty()) return not_known("auth", auth, names_of(kIntegrities));
  return Error{ENOSYS, fmt::format("auth-trunc '{}' with an ICV of {} bits: must be {}", auth.name,
                                   auth.icv_bits, listed(icvs))};
}

}  // namespace

bool is_algorithm_name(std::string_view word) {
  const auto is_named = [word](const auto& entry) {
    if constexpr (requires { entry.alias; }) {
      if (!entry.alias.empty() && word == entry.alias) return true;
    }
    return word == entry.name;
  };
  if (std::ranges::any_of(kAeads, is_named) || std::ranges::any_of(kCiphers, is_named) ||
      std::ranges::any_of(kIntegrities, is_named)) {
    return true;
  }
  // The form of the kernel's templates.
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789_-,()";
  return word.find('(') != std::string_view::npos && word.ends_with(')') &&
         word.find_first_not_of(kLetters) == std::string_view::npos;
}

Result<TransformId> transform_of(const Sa& sa) {
  if (sa.aead && (sa.crypt || sa.auth)) {
    return Error{EINVAL, "aead excludes enc and auth: it does both"};
  }
  if (sa.aead) return aead_transform(*sa.aead);
  if (!sa.crypt) {
    return Error{EINVAL,
                 "no encryption algorithm: ESP needs aead or enc ('ecb(cipher_null)' for "
                 "none)"};
  }
  const Result<Cipher> cipher = cipher_of(*sa.crypt);
  if (!cipher) return cipher.error();
  Integrity integrity = Integrity::none;
  if (sa.auth) {
    const Result<Integrity> named = integrity_of(*sa.auth);
    if (!named) return named.error();
    integrity = *named;
  }
  const TransformId transform = transform_of(*cipher, integrity);
  if (transform == TransformId::none) {
    return Error{EINVAL, fmt::format("enc '{}' without auth: neither encryption nor integrity",
                                     sa.crypt->name)};
  }
  return transform;
}

Result<void> check_permissions(TransformId transform, std::uint8_t allowed) {
  const TransformInfo& info = *transform_info(transform);
  std::vector<std::string> missing;
  for (std::size_t bit = 0; bit < kPermissionNames.size(); ++bit) {
    if ((info.permissions & ~allowed & 1u << bit) == 0) continue;
    missing.push_back(fmt::format("\"{}\"", kPermissionNames[bit]));
  }
  if (missing.empty()) return {};
  return Error{ENOSYS, fmt::format("{}: not allowed; [esp] allow = [{}] would permit it", info.name,
                                   fmt::join(missing, ", "))};
}

SaAlgorithms algorithms_of(TransformId transform, NoIntegrityForm form) {
  SaAlgorithms result;
  const TransformInfo* info = transform_info(transform);
  if (info == nullptr) return result;
  for (const AeadName& entry : kAeads) {
    if (entry.construction != info->construction) continue;
    result.aead = Algorithm{AlgorithmKind::aead, std::string(entry.name), key_bits_of(*info),
                            8u * info->icv_bytes};
    return result;
  }
  for (const CipherName& entry : kCiphers) {
    if (info->cipher < entry.first || info->cipher > entry.last) continue;
    result.crypt = Algorithm{AlgorithmKind::crypt, std::string(entry.name), key_bits_of(*info), 0};
  }
  if (info->integrity == Integrity::none && form == NoIntegrityForm::no_algorithm) return result;
  for (const IntegrityName& entry : kIntegrities) {
    if (info->integrity != entry.integrity) continue;
    result.auth = Algorithm{AlgorithmKind::auth_trunc, std::string(entry.name),
                            8u * info->integrity_key_bytes, 8u * info->icv_bytes};
  }
  return result;
}

}  // namespace culvert
