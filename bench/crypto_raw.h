// SPDX-License-Identifier: BSD-3-Clause
// ipsec-mb alone, by the best way it has for each transform: the limit that figures stand beside.
#pragma once

#include <intel-ipsec-mb.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "crypto/esp_transform.h"

namespace culvert {

// GCM and GMAC by direct calls; AES-CBC, AES-CTR and HMAC-SHA by the calls that take a burst,
// cipher then hash (to open: hash then cipher); all else by the job interface, unchecked.
class RawCrypto {
 public:
  enum class Direction : std::uint8_t { seal, open };
  struct Packet {
    const ExpandedKey* key;
    std::byte* payload;  // with ESP header and IV in front and room for the ICV behind
    std::uint32_t payload_bytes;
  };

  RawCrypto(TransformId transform, Direction direction);

  // At most 128 packets. Nothing is compared: opened packets need not be authentic.
  void run(std::span<const Packet> packets);

 private:
  struct FreeManager {
    void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
  };

  void run_gcm(std::span<const Packet> packets);
  void run_aead_jobs(std::span<const Packet> packets);
  void run_cipher(std::span<const Packet> packets);
  void run_cipher_jobs(std::span<const Packet> packets);
  void run_integrity(std::span<const Packet> packets);
  void set_hash(IMB_JOB& job, const Packet& packet);
  IMB_JOB& next_job();
  void finish_jobs();

  std::unique_ptr<IMB_MGR, FreeManager> manager_;
  TransformId transform_;
  const TransformInfo* info_;
  Direction direction_;
  aes_gcm_enc_dec_t gcm_call_ = nullptr;
  std::vector<IMB_JOB> burst_;
  std::vector<std::array<const void*, 3>> des_schedules_;
  std::vector<std::array<std::uint8_t, 64>> tags_;
  alignas(16) std::array<std::uint8_t, 16> nonce_{};
  alignas(16) std::array<std::uint8_t, 16> aad_{};
};

}  // namespace culvert
