// SPDX-License-Identifier: BSD-3-Clause
// Everything but AES-GCM: jobs gathered by cipher and by integrity algorithm, so that ipsec-mb
// works on as many packets at once as there are. For crypto/ only.
#pragma once

#include <intel-ipsec-mb.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "crypto/esp_transform.h"

namespace culvert {

// Of one Engine, and used by its thread.
class Gather {
 public:
  static constexpr std::size_t kMaxJobs = 128;

  explicit Gather(IMB_MGR* manager);

  // The jobs that `chosen` names, at most kMaxJobs. None may be AES-GCM's or without a key.
  void seal(std::span<const CryptoJob> jobs, std::span<const std::uint16_t> chosen);
  void open(std::span<const CryptoJob> jobs, std::span<const std::uint16_t> chosen,
            std::span<Verdict> verdicts);

 private:
  using Tag = std::array<std::byte, 64>;
  using DesSchedules = std::array<const void*, 3>;

  // What can be submitted together. The first ones are those of Cipher.
  enum class Work : std::uint8_t { aes128_ccm = kCipherCount, aes256_ccm, chacha20_poly1305, gmac };
  static constexpr std::size_t kWorkCount = kCipherCount + 4;

  // How a transform is done.
  struct Route {
    std::uint8_t work;
    std::uint8_t integrity;  // an Integrity; none for AEADs too
    std::uint8_t icv_bytes;
    std::uint8_t iv_bytes;
    std::uint8_t block_mask;  // of the cipher's block size
    std::uint16_t decrypt_offset;
    std::uint16_t integrity_offset;
  };
  static constexpr std::array<Route, kTransformCount> make_routes();
  static const std::array<Route, kTransformCount> kRoutes;

  // Slots: indices into jobs_ and the other arrays of this size.
  struct Bucket {
    std::uint32_t count = 0;
    std::array<std::uint8_t, kMaxJobs> slots;
    void push(std::size_t slot) { slots[count++] = static_cast<std::uint8_t>(slot); }
    [[nodiscard]] std::span<const std::uint8_t> members() const {
      return std::span(slots).first(count);
    }
  };
  enum class Direction : std::uint8_t { seal, open };

  static const Route& route_of(const CryptoJob& job);
  static bool fits(const CryptoJob& job, const Route& route);
  static void withhold(const CryptoJob& job, const Route& route);

  void authenticate(std::size_t integrity, std::span<const std::uint16_t> chosen,
                    std::span<Verdict> verdicts);
  [[nodiscard]] Verdict verdict_of(std::size_t slot) const;

  void run_ciphers(Direction direction);
  void run_cipher(std::size_t work, Direction direction);
  void cbc(std::span<const std::uint8_t> slots, Direction direction, IMB_KEY_SIZE_BYTES key_bytes);
  void ctr(std::span<const std::uint8_t> slots, IMB_KEY_SIZE_BYTES key_bytes);
  void des(std::span<const std::uint8_t> slots, Direction direction, IMB_CIPHER_MODE mode);
  void ccm(std::span<const std::uint8_t> slots, Direction direction, IMB_KEY_SIZE_BYTES key_bytes);
  void chacha20_poly1305(std::span<const std::uint8_t> slots, Direction direction);
  void gmac(std::span<const std::uint8_t> slots, Direction direction);
  void gmac(const CryptoJob& job, std::byte* tag);

  void run_integrity(std::size_t integrity, Direction direction);
  void hmac_burst(std::span<const std::uint8_t> slots, Direction direction, Integrity integrity,
                  IMB_HASH_ALG algorithm);
  void mac_jobs(std::span<const std::uint8_t> slots, Direction direction, IMB_HASH_ALG algorithm);
  void set_hash(IMB_JOB& to, std::size_t slot, Direction direction, bool is_truncated_here);
  void write_esn(std::span<const std::uint8_t> slots);
  void restore_icvs(std::span<const std::uint8_t> slots);

  [[nodiscard]] std::byte* tag_place(std::size_t slot, Direction direction);
  IMB_JOB& next_job(const CryptoJob& job, IMB_CIPHER_MODE cipher, IMB_HASH_ALG hash,
                    Direction direction);
  void finish_jobs();

  IMB_MGR* manager_;
  std::array<const CryptoJob*, kMaxJobs> jobs_{};
  std::array<Bucket, kWorkCount> works_{};
  std::array<Bucket, kIntegrityCount> integrities_{};
  // For calls that take a whole burst. All offsets stay 0.
  alignas(64) std::array<IMB_JOB, kMaxJobs> burst_{};
  alignas(64) std::array<Tag, kMaxJobs> tags_{};
  // First bytes of ICVs while the ESN's high half stands there.
  std::array<std::uint32_t, kMaxJobs> icv_heads_{};
  std::array<DesSchedules, kMaxJobs> des_schedules_{};
};

}  // namespace culvert
