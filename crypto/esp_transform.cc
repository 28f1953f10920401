// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/esp_transform.h"

#include <emmintrin.h>
#include <intel-ipsec-mb.h>

#include <cassert>
#include <utility>

#include "crypto/expand_key.h"
#include "crypto/gather.h"
#include "crypto/key.h"
#include "crypto/key_layout.h"

namespace culvert {
namespace {

static_assert(sizeof(gcm_key_data) == sizeof(ExpandedKey::schedule));

constexpr std::size_t kFullIcvBytes = 16;
constexpr std::size_t kWipedIcvBytes = 8;  // the shortest ICV there is
constexpr auto kLastFullIcv = static_cast<std::size_t>(TransformId::aes256_gcm16);

constexpr std::size_t index_of(TransformId id) {
  return static_cast<std::size_t>(id);
}

// What a wiped key "seals" and "opens" with: the payload becomes zeroes, and no tag is written that
// open could find equal.
void seal_with_no_key(const gcm_key_data*, gcm_context_data*, std::uint8_t* out,
                      const std::uint8_t*, std::uint64_t in_bytes, const std::uint8_t*,
                      const std::uint8_t*, std::uint64_t, std::uint8_t* tag, std::uint64_t) {
  if (in_bytes != 0) std::memset(out, 0, in_bytes);
  std::memset(tag, 0, kWipedIcvBytes);
}
void open_with_no_key(const gcm_key_data*, gcm_context_data*, std::uint8_t* out,
                      const std::uint8_t*, std::uint64_t in_bytes, const std::uint8_t*,
                      const std::uint8_t*, std::uint64_t, std::uint8_t*, std::uint64_t) {
  if (in_bytes != 0) std::memset(out, 0, in_bytes);
}

std::uint8_t* raw(std::byte* bytes) {
  return reinterpret_cast<std::uint8_t*>(bytes);
}
const std::uint8_t* raw(const std::byte* bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes);
}
const gcm_key_data* schedule_of(const ExpandedKey& key) {
  return reinterpret_cast<const gcm_key_data*>(key.schedule.data());
}

__m128i load_icv(const std::byte* icv) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(icv));
}

// All 16 bytes at once, so the time does not depend on where they differ.
Verdict compare_icv(__m128i computed, __m128i received) {
  const bool is_equal = _mm_movemask_epi8(_mm_cmpeq_epi8(computed, received)) == 0xffff;
  return static_cast<Verdict>(is_equal);
}

// Cache lines of the key, as a bit mask, that a packet of any length reads; the last one for salt
// and transform. Offsets of GCM in bytes: round keys from 0 (176, 208 or 240); hash keys 240 to 367
// on AVX2 and AVX-512 without VAES, with their Karatsuba halves to 495 on SSE and AVX, by packet
// length on VAES.
std::uint16_t fixed_key_lines(std::size_t transform, CodePath path) {
  const TransformInfo& info = kTransforms[transform];
  if (info.construction != Construction::gcm && info.construction != Construction::gmac) {
    const unsigned used_lines = (kKeyLayouts[transform].end + 63u) / 64;
    return static_cast<std::uint16_t>(0x8000u | ((1u << used_lines) - 1));
  }
  unsigned lines = info.cipher_key_bytes == 16 ? 0x8007 : 0x800f;
  if (path == CodePath::avx2 || path == CodePath::avx512) lines |= 0x0038;
  if (path == CodePath::sse || path == CodePath::avx) lines |= 0x00f8;
  return static_cast<std::uint16_t>(lines);
}

struct Implementation {
  void (*init)(IMB_MGR*);
  std::uint64_t manager_flags;
  std::uint64_t needed_features;
};

Implementation implementation(CodePath path) {
  switch (path) {
    case CodePath::best:
      break;
    case CodePath::sse:
      return {init_mb_mgr_sse, 0, IMB_CPUFLAGS_SSE};
    case CodePath::avx:
      return {init_mb_mgr_avx, 0, IMB_CPUFLAGS_AVX};
    case CodePath::avx2:
      return {init_mb_mgr_avx2, 0, IMB_CPUFLAGS_AVX2};
    case CodePath::avx512:  // without GFNI the library also leaves VAES alone
      return {init_mb_mgr_avx512, IMB_FLAG_GFNI_OFF, IMB_CPUFLAGS_AVX512};
    case CodePath::avx512_vaes:
      return {init_mb_mgr_avx512, 0, IMB_CPUFLAGS_AVX512_T2};
  }
  return {[](IMB_MGR* manager) { init_mb_mgr_auto(manager, nullptr); }, 0, IMB_CPUFLAGS_SSE};
}

// The library says which instruction set it took; within AVX-512 the features decide, by the same
// rule that the library has.
std::optional<CodePath> path_taken(const IMB_MGR& manager) {
  switch (manager.used_arch) {
    case IMB_ARCH_SSE:
      return CodePath::sse;
    case IMB_ARCH_AVX:
      return CodePath::avx;
    case IMB_ARCH_AVX2:
      return CodePath::avx2;
    case IMB_ARCH_AVX512: {
      const bool has_vaes = (manager.features & IMB_CPUFLAGS_AVX512_T2) == IMB_CPUFLAGS_AVX512_T2;
      return has_vaes ? CodePath::avx512_vaes : CodePath::avx512;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

void ExpandedKey::wipe() {
  culvert::wipe({reinterpret_cast<std::byte*>(this), sizeof *this});
}

std::unique_ptr<Engine> Engine::create(CodePath path) {
  const Implementation wanted = implementation(path);
  if ((imb_get_feature_flags() & wanted.needed_features) != wanted.needed_features) return nullptr;
  IMB_MGR* manager = alloc_mb_mgr(wanted.manager_flags);
  if (manager == nullptr) return nullptr;
  wanted.init(manager);
  const std::optional<CodePath> taken = path_taken(*manager);
  if (imb_get_errno(manager) != 0 || !taken || (path != CodePath::best && *taken != path)) {
    free_mb_mgr(manager);
    return nullptr;
  }
  return std::unique_ptr<Engine>(new Engine(manager, *taken));
}

Engine::Engine(IMB_MGR* manager, CodePath path)
    : manager_(manager), path_(path), gather_(std::make_unique<Gather>(manager)) {
  seal_calls_[0] = seal_with_no_key;
  open_calls_[0] = open_with_no_key;
  const std::array seals{manager->gcm128_enc, manager->gcm192_enc, manager->gcm256_enc};
  const std::array opens{manager->gcm128_dec, manager->gcm192_dec, manager->gcm256_dec};
  for (std::size_t i = 1; i < kDirectCount; ++i) {
    seal_calls_[i] = seals[(i - 1) % 3];
    open_calls_[i] = opens[(i - 1) % 3];
  }
  for (std::size_t i = 1; i < kTransformCount; ++i) {
    fixed_lines_[i] = fixed_key_lines(i, path);
    const Construction construction = kTransforms[i].construction;
    const bool is_gmac = construction == Construction::gmac;
    const bool reads_powers =
        path == CodePath::avx512_vaes && (is_gmac || construction == Construction::gcm);
    // GMAC hashes SPI, 64 bits of sequence number and the IV too.
    hashed_bytes_[i] = !reads_powers ? kNoPowersOfH : is_gmac ? 20 : 0;
  }
}

Engine::~Engine() {
  free_mb_mgr(manager_);
}

ExpandStatus Engine::expand(TransformId transform, std::span<const std::byte> key_material,
                            ExpandedKey& key) {
  key.wipe();
  const TransformInfo* info = transform_info(transform);
  if (info == nullptr) return ExpandStatus::unknown_transform;
  if (key_material.size() != info->material_bytes()) return ExpandStatus::wrong_key_length;
  expand_key(*manager_, transform, key_material, key);
  return ExpandStatus::ok;
}

void Engine::seal(std::span<const CryptoJob> jobs) {
  gcm_context_data context;
  std::size_t gathered = 0;
  for (std::size_t i = 0; i < kFetchedAhead; ++i) fetch_key(jobs, i);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    fetch_key(jobs, i + kFetchedAhead);
    const CryptoJob& job = jobs[i];
    assert(job.payload_bytes == 0 || job.payload != nullptr);
    const std::size_t transform = index_of(job.key->transform);
    if (transform >= kDirectCount) {
      if (gathered == gathered_.size()) {
        gather_->seal(jobs, std::span(gathered_).first(std::exchange(gathered, 0)));
      }
      gathered_[gathered++] = static_cast<std::uint16_t>(i);
      continue;
    }
    seal_calls_[transform](
        schedule_of(*job.key), &context, raw(job.payload), raw(job.payload), job.payload_bytes,
        raw(job.nonce.data()), raw(job.aad.data()), job.aad_bytes, raw(job.icv),
        transform <= kLastFullIcv ? kFullIcvBytes : kTransforms[transform].icv_bytes);
  }
  if (gathered != 0) gather_->seal(jobs, std::span(gathered_).first(gathered));
}

void Engine::open(std::span<const CryptoJob> jobs, std::span<Verdict> verdicts) {
  assert(jobs.size() == verdicts.size());
  gcm_context_data context;
  std::size_t gathered = 0;
  for (std::size_t i = 0; i < kFetchedAhead; ++i) fetch_key(jobs, i);
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    fetch_key(jobs, i + kFetchedAhead);
    const CryptoJob& job = jobs[i];
    assert(job.payload_bytes == 0 || job.payload != nullptr);
    const std::size_t transform = index_of(job.key->transform);
    if (transform > kLastFullIcv) {
      if (transform < kDirectCount) {
        verdicts[i] = open_short_icv(job);
        continue;
      }
      if (gathered == gathered_.size()) {
        gather_->open(jobs, std::span(gathered_).first(std::exchange(gathered, 0)), verdicts);
      }
      gathered_[gathered++] = static_cast<std::uint16_t>(i);
      continue;
    }
    const __m128i received = load_icv(job.icv);
    // The library returns without a word, and without a tag, when it dislikes an argument. The
    // complement of what was received never compares equal.
    alignas(16) std::array<std::byte, kFullIcvBytes> computed;
    _mm_store_si128(reinterpret_cast<__m128i*>(computed.data()),
                    _mm_xor_si128(received, _mm_set1_epi8(-1)));
    open_calls_[transform](schedule_of(*job.key), &context, raw(job.payload), raw(job.payload),
                           job.payload_bytes, raw(job.nonce.data()), raw(job.aad.data()),
                           job.aad_bytes, raw(computed.data()), kFullIcvBytes);
    verdicts[i] = compare_icv(load_icv(computed.data()), received);
  }
  if (gathered != 0) gather_->open(jobs, std::span(gathered_).first(gathered), verdicts);
}

// AES-GCM with an ICV of 8 or 12 bytes. All is done as with 16 bytes that end in equal ones.
Verdict Engine::open_short_icv(const CryptoJob& job) {
  const std::size_t transform = index_of(job.key->transform);
  const std::size_t icv_bytes = kTransforms[transform].icv_bytes;
  gcm_context_data context;
  alignas(16) std::array<std::byte, kFullIcvBytes> received{};
  alignas(16) std::array<std::byte, kFullIcvBytes> computed{};
  std::memcpy(received.data(), job.icv, icv_bytes);
  for (std::size_t i = 0; i < icv_bytes; ++i) computed[i] = ~received[i];
  open_calls_[transform](schedule_of(*job.key), &context, raw(job.payload), raw(job.payload),
                         job.payload_bytes, raw(job.nonce.data()), raw(job.aad.data()),
                         job.aad_bytes, raw(computed.data()), icv_bytes);
  return compare_icv(load_icv(computed.data()), load_icv(received.data()));
}

std::string_view Engine::code_path() const {
  switch (path_) {
    case CodePath::best:
      break;
    case CodePath::sse:
      return "sse";
    case CodePath::avx:
      return "avx";
    case CodePath::avx2:
      return "avx2";
    case CodePath::avx512:
      return "avx512";
    case CodePath::avx512_vaes:
      return "avx512 (VAES)";
  }
  return "unknown";
}

}  // namespace culvert
