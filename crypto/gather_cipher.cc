// SPDX-License-Identifier: BSD-3-Clause
// The ciphers and combined modes of Gather. AES-CBC and AES-CTR have calls of ipsec-mb that take a
// whole burst; the others go through its job interface, and GMAC is called directly.
#include <cstring>

#include "crypto/gather.h"
#include "crypto/key_layout.h"

namespace culvert {
namespace {

constexpr std::size_t kAesBlockBytes = 16;
constexpr std::size_t kDesBlockBytes = 8;
constexpr std::size_t kNonceBytes = 12;     // salt and IV
constexpr std::size_t kCcmNonceBytes = 11;  // RFC 4309 4
constexpr std::size_t kEspHeaderBytes = 8;
constexpr std::size_t kGmacIvBytes = 8;
alignas(16) constexpr std::array<std::uint8_t, kAesBlockBytes> kZeroIv{};

std::uint8_t* raw(std::byte* bytes) {
  return reinterpret_cast<std::uint8_t*>(bytes);
}
const std::uint8_t* raw(const std::byte* bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes);
}

}  // namespace

void Gather::run_cipher(std::size_t work, Direction direction) {
  const auto slots = works_[work].members();
  if (work >= kCipherCount) {
    switch (static_cast<Work>(work)) {
      case Work::aes128_ccm:
        return ccm(slots, direction, IMB_KEY_128_BYTES);
      case Work::aes256_ccm:
        return ccm(slots, direction, IMB_KEY_256_BYTES);
      case Work::chacha20_poly1305:
        return chacha20_poly1305(slots, direction);
      case Work::gmac:
        return gmac(slots, direction);
    }
  }
  switch (static_cast<Cipher>(work)) {
    case Cipher::aes128_cbc:
      return cbc(slots, direction, IMB_KEY_128_BYTES);
    case Cipher::aes192_cbc:
      return cbc(slots, direction, IMB_KEY_192_BYTES);
    case Cipher::aes256_cbc:
      return cbc(slots, direction, IMB_KEY_256_BYTES);
    case Cipher::aes128_ctr:
      return ctr(slots, IMB_KEY_128_BYTES);
    case Cipher::aes192_ctr:
      return ctr(slots, IMB_KEY_192_BYTES);
    case Cipher::aes256_ctr:
      return ctr(slots, IMB_KEY_256_BYTES);
    case Cipher::des3_cbc:
      return des(slots, direction, IMB_CIPHER_DES3);
    case Cipher::des_cbc:
      return des(slots, direction, IMB_CIPHER_DES);
    case Cipher::null:
      return;
  }
}

// To seal, the sequence number in the IV's place is the first block, under an IV of zeroes; what
// comes out is the packet's IV (NIST SP 800-38A appendix C).
void Gather::cbc(std::span<const std::uint8_t> slots, Direction direction,
                 IMB_KEY_SIZE_BYTES key_bytes) {
  std::uint32_t count = 0;
  for (const std::uint8_t slot : slots) {
    const CryptoJob& job = *jobs_[slot];
    IMB_JOB& to = burst_[count];
    if (direction == Direction::seal) {
      to.enc_keys = job.key->schedule.data();
      to.src = to.dst = raw(job.payload - kAesBlockBytes);
      to.msg_len_to_cipher_in_bytes = job.payload_bytes + kAesBlockBytes;
      to.iv = kZeroIv.data();
    } else {
      if (job.payload_bytes == 0) continue;
      to.dec_keys = job.key->schedule.data() + route_of(job).decrypt_offset;
      to.src = to.dst = raw(job.payload);
      to.msg_len_to_cipher_in_bytes = job.payload_bytes;
      to.iv = raw(job.payload - kAesBlockBytes);
    }
    to.iv_len_in_bytes = kAesBlockBytes;
    ++count;
  }
  if (count == 0) return;
  IMB_SUBMIT_CIPHER_BURST_NOCHECK(manager_, burst_.data(), count, IMB_CIPHER_CBC,
                                  direction == Direction::seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT,
                                  key_bytes);
}

// RFC 3686 4: nonce and IV are followed by a counter that starts at 1; the library adds it to an IV
// of 12 bytes.
void Gather::ctr(std::span<const std::uint8_t> slots, IMB_KEY_SIZE_BYTES key_bytes) {
  std::uint32_t count = 0;
  for (const std::uint8_t slot : slots) {
    const CryptoJob& job = *jobs_[slot];
    if (job.payload_bytes == 0) continue;
    IMB_JOB& to = burst_[count++];
    to.enc_keys = job.key->schedule.data();
    to.src = to.dst = raw(job.payload);
    to.msg_len_to_cipher_in_bytes = job.payload_bytes;
    to.iv = raw(job.nonce.data());
    to.iv_len_in_bytes = kNonceBytes;
  }
  if (count == 0) return;
  IMB_SUBMIT_CIPHER_BURST_NOCHECK(manager_, burst_.data(), count, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT,
                                  key_bytes);
}

// A job with everything but lengths, keys and IV.
IMB_JOB& Gather::next_job(const CryptoJob& job, IMB_CIPHER_MODE cipher, IMB_HASH_ALG hash,
                          Direction direction) {
  IMB_JOB& to = *manager_->get_next_job(manager_);
  to.src = to.dst = raw(job.payload);
  to.cipher_start_src_offset_in_bytes = 0;
  to.hash_start_src_offset_in_bytes = 0;
  to.cipher_mode = cipher;
  to.hash_alg = hash;
  to.cipher_direction = direction == Direction::seal ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
  to.chain_order = direction == Direction::seal ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
  return to;
}

void Gather::finish_jobs() {
  while (manager_->flush_job(manager_) != nullptr) {
  }
}

void Gather::des(std::span<const std::uint8_t> slots, Direction direction, IMB_CIPHER_MODE mode) {
  for (const std::uint8_t slot : slots) {
    const CryptoJob& job = *jobs_[slot];
    if (direction == Direction::open && job.payload_bytes == 0) continue;
    IMB_JOB& to = next_job(job, mode, IMB_AUTH_NULL, direction);
    const std::byte* schedule = job.key->schedule.data();
    DesSchedules& three = des_schedules_[slot];
    three = {schedule, schedule + kDesScheduleBytes, schedule + 2 * kDesScheduleBytes};
    to.enc_keys = to.dec_keys = mode == IMB_CIPHER_DES3 ? static_cast<const void*>(three.data())
                                                        : static_cast<const void*>(schedule);
    to.key_len_in_bytes = mode == IMB_CIPHER_DES3 ? 24 : 8;
    if (direction == Direction::seal) {  // as with cbc()
      to.src = to.dst = raw(job.payload - kDesBlockBytes);
      to.msg_len_to_cipher_in_bytes = job.payload_bytes + kDesBlockBytes;
      to.iv = kZeroIv.data();
    } else {
      to.msg_len_to_cipher_in_bytes = job.payload_bytes;
      to.iv = raw(job.payload - kDesBlockBytes);
    }
    to.iv_len_in_bytes = kDesBlockBytes;
    manager_->submit_job_nocheck(manager_);
  }
  finish_jobs();
}

// RFC 4309: the ICV is computed over the clear text.
void Gather::ccm(std::span<const std::uint8_t> slots, Direction direction,
                 IMB_KEY_SIZE_BYTES key_bytes) {
  for (const std::uint8_t slot : slots) {
    const CryptoJob& job = *jobs_[slot];
    IMB_JOB& to = next_job(job, IMB_CIPHER_CCM, IMB_AUTH_AES_CCM, direction);
    to.chain_order = direction == Direction::seal ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
    to.enc_keys = to.dec_keys = job.key->schedule.data();
    to.key_len_in_bytes = key_bytes;
    to.msg_len_to_cipher_in_bytes = to.msg_len_to_hash_in_bytes = job.payload_bytes;
    to.iv = raw(job.nonce.data() + kNonceBytes - kCcmNonceBytes);
    to.iv_len_in_bytes = kCcmNonceBytes;
    to.u.CCM.aad = job.aad.data();
    to.u.CCM.aad_len_in_bytes = job.aad_bytes;
    to.auth_tag_output = raw(tag_place(slot, direction));
    to.auth_tag_output_len_in_bytes = route_of(job).icv_bytes;
    manager_->submit_job_nocheck(manager_);
  }
  finish_jobs();
}

// RFC 7634 2.
void Gather::chacha20_poly1305(std::span<const std::uint8_t> slots, Direction direction) {
  for (const std::uint8_t slot : slots) {
    const CryptoJob& job = *jobs_[slot];
    IMB_JOB& to =
        next_job(job, IMB_CIPHER_CHACHA20_POLY1305, IMB_AUTH_CHACHA20_POLY1305, direction);
    to.enc_keys = to.dec_keys = job.key->schedule.data();
    to.key_len_in_bytes = 32;
    to.msg_len_to_cipher_in_bytes = to.msg_len_to_hash_in_bytes = job.payload_bytes;
    to.iv = raw(job.nonce.data());
    to.iv_len_in_bytes = kNonceBytes;
    to.u.CHACHA20_POLY1305.aad = job.aad.data();
    to.u.CHACHA20_POLY1305.aad_len_in_bytes = job.aad_bytes;
    to.auth_tag_output = raw(tag_place(slot, direction));
    to.auth_tag_output_len_in_bytes = 16;
    manager_->submit_job_nocheck(manager_);
  }
  finish_jobs();
}

void Gather::gmac(std::span<const std::uint8_t> slots, Direction direction) {
  for (const std::uint8_t slot : slots) gmac(*jobs_[slot], tag_place(slot, direction));
}

// RFC 4543 3.3, 4: what is authenticated is SPI, sequence number, IV and payload, as they stand in
// the packet; with ESN there are 64 bits of sequence number, which do not.
void Gather::gmac(const CryptoJob& job, std::byte* tag) {
  const auto* key = reinterpret_cast<const gcm_key_data*>(job.key->schedule.data());
  const std::size_t key_bytes =
      kTransforms[static_cast<std::size_t>(job.key->transform)].cipher_key_bytes;
  const std::size_t kind = key_bytes / 8 - 2;
  gcm_context_data context;
  const std::uint8_t* nonce = raw(job.nonce.data());
  if (job.aad_bytes == kEspHeaderBytes) {
    const std::array seals{manager_->gcm128_enc, manager_->gcm192_enc, manager_->gcm256_enc};
    const std::byte* header = job.payload - kGmacIvBytes - kEspHeaderBytes;
    seals[kind](key, &context, raw(job.payload), raw(job.payload), 0, nonce, raw(header),
                job.payload_bytes + kGmacIvBytes + kEspHeaderBytes, raw(tag), 16);
    return;
  }
  const std::array inits{manager_->gmac128_init, manager_->gmac192_init, manager_->gmac256_init};
  const std::array updates{manager_->gmac128_update, manager_->gmac192_update,
                           manager_->gmac256_update};
  const std::array finals{manager_->gmac128_finalize, manager_->gmac192_finalize,
                          manager_->gmac256_finalize};
  inits[kind](key, &context, nonce, kNonceBytes);
  updates[kind](key, &context, raw(job.aad.data()), job.aad_bytes);
  updates[kind](key, &context, raw(job.payload - kGmacIvBytes), job.payload_bytes + kGmacIvBytes);
  finals[kind](key, &context, raw(tag), 16);
}

}  // namespace culvert
