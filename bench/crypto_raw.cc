// SPDX-License-Identifier: BSD-3-Clause
#include "bench/crypto_raw.h"

#include "crypto/key_layout.h"

namespace culvert {
namespace {

constexpr std::size_t kMostPackets = 128;
constexpr std::uint32_t kAadBytes = 8;

std::uint8_t* raw(std::byte* bytes) {
  return reinterpret_cast<std::uint8_t*>(bytes);
}
const std::uint8_t* raw(const std::byte* bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes);
}

IMB_HASH_ALG hash_of(Integrity integrity) {
  switch (integrity) {
    case Integrity::hmac_sha1_96:
      return IMB_AUTH_HMAC_SHA_1;
    case Integrity::hmac_sha256_128:
    case Integrity::hmac_sha256_96:
      return IMB_AUTH_HMAC_SHA_256;
    case Integrity::hmac_sha384_192:
      return IMB_AUTH_HMAC_SHA_384;
    case Integrity::hmac_sha512_256:
      return IMB_AUTH_HMAC_SHA_512;
    case Integrity::hmac_md5_96:
      return IMB_AUTH_MD5;
    case Integrity::aes_xcbc_96:
      return IMB_AUTH_AES_XCBC;
    case Integrity::aes_cmac_96:
      return IMB_AUTH_AES_CMAC;
    case Integrity::none:
      break;
  }
  return IMB_AUTH_NULL;
}

}  // namespace

RawCrypto::RawCrypto(TransformId transform, Direction direction)
    : manager_(alloc_mb_mgr(0)),
      transform_(transform),
      info_(transform_info(transform)),
      direction_(direction),
      burst_(kMostPackets),
      des_schedules_(kMostPackets),
      tags_(kMostPackets) {
  init_mb_mgr_auto(manager_.get(), nullptr);
  const std::array seals{manager_->gcm128_enc, manager_->gcm192_enc, manager_->gcm256_enc};
  const std::array opens{manager_->gcm128_dec, manager_->gcm192_dec, manager_->gcm256_dec};
  if (info_->construction == Construction::gcm || info_->construction == Construction::gmac) {
    const std::size_t kind = info_->cipher_key_bytes / 8u - 2;
    gcm_call_ = direction == Direction::seal ? seals[kind] : opens[kind];
  }
}

void RawCrypto::run(std::span<const Packet> packets) {
  switch (info_->construction) {
    case Construction::none:
      return;
    case Construction::gcm:
    case Construction::gmac:
      return run_gcm(packets);
    case Construction::ccm:
    case Construction::chacha20_poly1305:
      return run_aead_jobs(packets);
    case Construction::combined:
      if (direction_ == Direction::seal) run_cipher(packets);
      run_integrity(packets);
      if (direction_ == Direction::open) run_cipher(packets);
      return;
  }
}

void RawCrypto::run_gcm(std::span<const Packet> packets) {
  gcm_context_data context;
  const bool is_gmac = info_->construction == Construction::gmac;
  for (const Packet& packet : packets) {
    const auto* key = reinterpret_cast<const gcm_key_data*>(packet.key->schedule.data());
    std::uint8_t* payload = raw(packet.payload);
    const std::uint32_t payload_bytes = packet.payload_bytes;
    gcm_call_(key, &context, payload, payload, is_gmac ? 0 : payload_bytes, nonce_.data(),
              is_gmac ? payload - 16 : aad_.data(), is_gmac ? payload_bytes + 16 : kAadBytes,
              payload + payload_bytes, info_->icv_bytes);
  }
}

IMB_JOB& RawCrypto::next_job() {
  IMB_JOB& job = *manager_->get_next_job(manager_.get());
  const bool is_seal = direction_ == Direction::seal;
  job.cipher_direction = is_seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
  job.chain_order = is_seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
  job.cipher_start_src_offset_in_bytes = 0;
  job.hash_start_src_offset_in_bytes = 0;
  return job;
}

void RawCrypto::finish_jobs() {
  while (manager_->flush_job(manager_.get()) != nullptr) {
  }
}

void RawCrypto::run_aead_jobs(std::span<const Packet> packets) {
  const bool is_ccm = info_->construction == Construction::ccm;
  for (const Packet& packet : packets) {
    IMB_JOB& job = next_job();
    job.cipher_mode = is_ccm ? IMB_CIPHER_CCM : IMB_CIPHER_CHACHA20_POLY1305;
    job.hash_alg = is_ccm ? IMB_AUTH_AES_CCM : IMB_AUTH_CHACHA20_POLY1305;
    if (is_ccm) {
      job.chain_order =
          direction_ == Direction::seal ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
    }
    job.enc_keys = job.dec_keys = packet.key->schedule.data();
    job.key_len_in_bytes = info_->cipher_key_bytes;
    job.src = job.dst = raw(packet.payload);
    job.msg_len_to_cipher_in_bytes = job.msg_len_to_hash_in_bytes = packet.payload_bytes;
    job.iv = nonce_.data();
    job.iv_len_in_bytes = is_ccm ? 11 : 12;
    job.u.CCM.aad = aad_.data();
    job.u.CCM.aad_len_in_bytes = kAadBytes;
    job.auth_tag_output = raw(packet.payload) + packet.payload_bytes;
    job.auth_tag_output_len_in_bytes = info_->icv_bytes;
    manager_->submit_job_nocheck(manager_.get());
  }
  finish_jobs();
}

void RawCrypto::run_cipher(std::span<const Packet> packets) {
  const bool is_cbc = is_aes_cbc(info_->cipher);
  if (!is_cbc && !is_aes_ctr(info_->cipher)) return run_cipher_jobs(packets);
  const std::size_t decrypt_offset =
      kKeyLayouts[static_cast<std::size_t>(transform_)].decrypt_offset;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    IMB_JOB& job = burst_[i];
    job.enc_keys = packets[i].key->schedule.data();
    job.dec_keys = packets[i].key->schedule.data() + decrypt_offset;
    job.src = job.dst = raw(packets[i].payload);
    job.msg_len_to_cipher_in_bytes = packets[i].payload_bytes;
    job.iv = nonce_.data();
    job.iv_len_in_bytes = is_cbc ? 16 : 12;
  }
  const auto key_bytes = static_cast<IMB_KEY_SIZE_BYTES>(info_->cipher_key_bytes);
  IMB_SUBMIT_CIPHER_BURST_NOCHECK(
      manager_.get(), burst_.data(), static_cast<std::uint32_t>(packets.size()),
      is_cbc ? IMB_CIPHER_CBC : IMB_CIPHER_CNTR,
      direction_ == Direction::seal || !is_cbc ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT, key_bytes);
}

void RawCrypto::run_cipher_jobs(std::span<const Packet> packets) {
  if (info_->cipher == Cipher::null) return;
  const bool is_triple = info_->cipher == Cipher::des3_cbc;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    IMB_JOB& job = next_job();
    const std::byte* schedule = packets[i].key->schedule.data();
    des_schedules_[i] = {schedule, schedule + kDesScheduleBytes, schedule + 2 * kDesScheduleBytes};
    job.enc_keys = job.dec_keys =
        is_triple ? static_cast<const void*>(des_schedules_[i].data()) : schedule;
    job.key_len_in_bytes = info_->cipher_key_bytes;
    job.cipher_mode = is_triple ? IMB_CIPHER_DES3 : IMB_CIPHER_DES;
    job.hash_alg = IMB_AUTH_NULL;
    job.src = job.dst = raw(packets[i].payload);
    job.msg_len_to_cipher_in_bytes = packets[i].payload_bytes;
    job.iv = nonce_.data();
    job.iv_len_in_bytes = 8;
    manager_->submit_job_nocheck(manager_.get());
  }
  finish_jobs();
}

void RawCrypto::set_hash(IMB_JOB& job, const Packet& packet) {
  const std::size_t before = 8u + info_->iv_bytes;
  const std::byte* keys = packet.key->schedule.data() +
                          kKeyLayouts[static_cast<std::size_t>(transform_)].integrity_offset;
  job.src = raw(packet.payload - before);
  job.msg_len_to_hash_in_bytes = before + packet.payload_bytes;
  if (info_->integrity == Integrity::aes_xcbc_96 || info_->integrity == Integrity::aes_cmac_96) {
    job.u.CMAC._key_expanded = keys;
    job.u.CMAC._skey1 = keys + kAes128RoundKeyBytes;
    job.u.CMAC._skey2 = keys + kAes128RoundKeyBytes + kMacSubkeyBytes;
    return;
  }
  job.u.HMAC._hashed_auth_key_xor_ipad = raw(keys);
  job.u.HMAC._hashed_auth_key_xor_opad = raw(keys + hmac_state_bytes(info_->integrity));
}

void RawCrypto::run_integrity(std::span<const Packet> packets) {
  const IMB_HASH_ALG hash = hash_of(info_->integrity);
  if (hash == IMB_AUTH_NULL) return;
  const bool has_burst = info_->integrity <= Integrity::hmac_sha512_256;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    IMB_JOB& job = has_burst ? burst_[i] : next_job();
    set_hash(job, packets[i]);
    job.auth_tag_output = tags_[i].data();
    job.auth_tag_output_len_in_bytes = info_->icv_bytes;
    if (has_burst) continue;
    job.cipher_mode = IMB_CIPHER_NULL;
    job.hash_alg = hash;
    job.msg_len_to_cipher_in_bytes = 0;
    manager_->submit_job_nocheck(manager_.get());
  }
  if (!has_burst) return finish_jobs();
  IMB_SUBMIT_HASH_BURST_NOCHECK(manager_.get(), burst_.data(),
                                static_cast<std::uint32_t>(packets.size()), hash);
}

}  // namespace culvert
