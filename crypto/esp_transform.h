// SPDX-License-Identifier: BSD-3-Clause
// The one interface to cryptography that packet stages see: expand a key once, then seal or open
// batches of packets in place.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "crypto/transform.h"

// ipsec-mb's own types, so that its 4,000-line header stays out of the stages.
struct IMB_MGR;
struct gcm_context_data;
struct gcm_key_data;

namespace culvert {

class Gather;

// A key made ready for use: round keys, powers of H, hash states (crypto/key_layout.h). Made by one
// Engine it may be used by every Engine of the same code path: the contents differ between code
// paths, never between threads. Read-only while packets use it.
struct alignas(64) ExpandedKey {
  std::array<std::byte, 1008> schedule;
  // The first bytes of every nonce (RFC 4106 4); the 3 bytes of CCM (RFC 4309 4) stand last.
  std::array<std::byte, 4> salt;
  TransformId transform;
  std::array<std::byte, 11> unused;

  void wipe();
};
static_assert(sizeof(ExpandedKey) == 1024);
static_assert(offsetof(ExpandedKey, salt) == 1008);

enum class ExpandStatus : std::uint8_t {
  ok,
  unknown_transform,
  wrong_key_length,  // not material_bytes()
};

// The longest payload; of longer ones nothing is sealed or opened but by AES-GCM. Limit: lanes of
// ipsec-mb count 16 bits.
inline constexpr std::uint32_t kMaxPayloadBytes = 65280;

// One packet to seal or open, on a cache line of its own. payload and its length stand apart rather
// than as a span so that the line is filled with plain stores.
//
// AES-GCM, AES-CCM and ChaCha20-Poly1305 look at nothing but what is named here. All others also
// read the packet around the payload as it is on the wire: ESP header (8 bytes), IV (iv_bytes),
// payload, ICV, without gaps. With ESN the first 4 bytes of the ICV are written over while such a
// packet is opened, and put back.
//
// CBC: to seal, the caller writes the 64-bit sequence number, big endian, into the last 8 bytes of
// the IV and zeroes before it. It is enciphered with the payload and becomes an IV that nobody can
// predict (NIST SP 800-38A appendix C: a nonce, enciphered under the same key).
struct alignas(64) CryptoJob {
  const ExpandedKey* key;
  std::byte* payload;           // sealed or opened in place; the IV is not part of it
  std::byte* icv;               // icv_bytes: written by seal, compared by open; outside the payload
  std::uint32_t payload_bytes;  // a multiple of the cipher's block; may be 0
  std::uint32_t aad_bytes;      // 8, or 12 with ESN

  // Salt and IV: 12 bytes; the last 4 are not looked at.
  alignas(16) std::array<std::byte, 16> nonce;

  // SPI and sequence number, big endian: 32 bits of it, or 64 with ESN (RFC 4106 5). The last 4 or
  // 8 bytes are not looked at.
  alignas(16) std::array<std::byte, 16> aad;
};
static_assert(sizeof(CryptoJob) == 64);

// Salt of the job's key, then the last 8 bytes before the payload: with most transforms the IV as
// it stands in the packet (RFC 4106 4). Those without a nonce do not look at it.
inline void set_nonce(CryptoJob& job, std::span<const std::byte, 8> iv) {
  std::memcpy(job.nonce.data(), job.key->salt.data(), job.key->salt.size());
  std::memcpy(job.nonce.data() + job.key->salt.size(), iv.data(), iv.size());
}

enum class Verdict : std::uint8_t {
  refused = 0,  // the payload is garbage or still enciphered and must not be used
  authentic = 1,
};

// Which of ipsec-mb's implementations to use. All but `best` are for tests and measurements.
enum class CodePath : std::uint8_t {
  best,  // what the library picks for this CPU
  sse,
  avx,
  avx2,
  avx512,
  avx512_vaes,
};

// Does the work. One per thread: no member function may run on two threads at once. Stateless
// between calls, so results do not depend on which Engine a packet meets. Jobs may be of any mix of
// transforms: AES-GCM is done one by one as the jobs come, the others after it, together by what
// they have in common. Nothing is kept waiting: when seal or open return, all is done.
class Engine {
 public:
  // nullptr when this CPU lacks the code path. Limit: AES-NI and PCLMULQDQ are needed at least.
  [[nodiscard]] static std::unique_ptr<Engine> create(CodePath path = CodePath::best);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Makes `key` ready from cipher key, salt and integrity key, one behind the other. On any status
  // but ok, key is wiped.
  [[nodiscard]] ExpandStatus expand(TransformId transform, std::span<const std::byte> key_material,
                                    ExpandedKey& key);

  // Encrypts each payload and writes its ICV. A job whose key was wiped gets zeroes for the payload
  // and 8 of them for the ICV, whose length nobody knows then: no clear text leaves. Nor does it
  // when a payload is no whole number of blocks or too long. Fast path: no allocation, lock or
  // system call.
  void seal(std::span<const CryptoJob> jobs);

  // Decrypts each payload and says in verdicts[i] whether jobs[i]'s ICV was right. verdicts must be
  // as long as jobs. A job whose key was wiped is refused, and so is one whose payload is no whole
  // number of blocks or too long. ICVs are compared in constant time. A transform without integrity
  // finds everything authentic.
  void open(std::span<const CryptoJob> jobs, std::span<Verdict> verdicts);

  // Which of the key's 16 cache lines (bit 0: the first) a packet of this length reads, nonce
  // building included.
  [[nodiscard]] std::uint32_t key_lines(TransformId transform, std::uint32_t payload_bytes) const {
    const std::uint32_t fixed = fixed_lines_[static_cast<std::size_t>(transform)];
    const std::uint32_t more_bytes = hashed_bytes_[static_cast<std::size_t>(transform)];
    if (more_bytes == kNoPowersOfH) return fixed;
    // H^1 is the last 16 bytes of the schedule, H^48 the first after the round keys; a packet of n
    // blocks reads H^1 to H^n, and one of 48 or more reads them all.
    const std::uint32_t blocks = std::clamp((payload_bytes + more_bytes + 15) / 16, 1u, 48u);
    const std::uint32_t first_line = (1008 - 16 * blocks) / 64;
    return fixed | (0xffffu << first_line & 0xffffu);
  }

  // For example "avx512 (VAES)".
  [[nodiscard]] std::string_view code_path() const;

  // Known-answer test of every transform, forgeries included. What was wrong first, or nullopt.
  [[nodiscard]] std::optional<std::string> self_test();

 private:
  using GcmCall = void (*)(const gcm_key_data*, gcm_context_data*, std::uint8_t* out,
                           const std::uint8_t* in, std::uint64_t in_bytes, const std::uint8_t* iv,
                           const std::uint8_t* aad, std::uint64_t aad_bytes, std::uint8_t* tag,
                           std::uint64_t tag_bytes);
  // No key and AES-GCM.
  static constexpr std::size_t kDirectCount = 10;
  static constexpr std::uint8_t kNoPowersOfH = 0xff;

  Engine(IMB_MGR* manager, CodePath path);
  [[nodiscard]] Verdict open_short_icv(const CryptoJob& job);
  // Has the key of a job on its way that comes `kFetchedAhead` later, if it is another one than the
  // job's before it. All at once would be more than a core has on its way, and what is too much it
  // forgets.
  static constexpr std::size_t kFetchedAhead = 8;
  void fetch_key(std::span<const CryptoJob> jobs, std::size_t i) const {
    if (i >= jobs.size() || (i != 0 && jobs[i].key == jobs[i - 1].key)) return;
    const ExpandedKey& key = *jobs[i].key;
    for (auto lines = key_lines(key.transform, jobs[i].payload_bytes); lines != 0;
         lines &= lines - 1) {
      __builtin_prefetch(key.schedule.data() + 64 * std::countr_zero(lines));
    }
  }

  IMB_MGR* manager_;
  CodePath path_;
  std::unique_ptr<Gather> gather_;
  // By TransformId.
  std::array<GcmCall, kDirectCount> seal_calls_{};
  std::array<GcmCall, kDirectCount> open_calls_{};
  std::array<std::uint16_t, kTransformCount> fixed_lines_{};
  // What is hashed besides the payload, where that decides which powers of H are read.
  std::array<std::uint8_t, kTransformCount> hashed_bytes_{};
  std::array<std::uint16_t, 128> gathered_{};  // indices of jobs for gather_
};

}  // namespace culvert
