// SPDX-License-Identifier: BSD-3-Clause
// The integrity algorithms of Gather. ipsec-mb has calls for a whole burst of HMAC-SHA; the others
// go through its job interface.
#include <cstring>

#include "crypto/gather.h"
#include "crypto/key_layout.h"

namespace culvert {
namespace {

constexpr std::size_t kEspHeaderBytes = 8;
constexpr std::size_t kEsnAadBytes = 12;
constexpr std::size_t kEsnHighOffset = 4;  // in the AAD: SPI, high half, low half
constexpr std::size_t kEsnHighBytes = 4;

std::uint8_t* raw(std::byte* bytes) {
  return reinterpret_cast<std::uint8_t*>(bytes);
}
const std::uint8_t* raw(const std::byte* bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes);
}

bool has_esn(const CryptoJob& job) {
  return job.aad_bytes == kEsnAadBytes;
}

}  // namespace

void Gather::run_integrity(std::size_t integrity, Direction direction) {
  const auto slots = integrities_[integrity].members();
  write_esn(slots);
  const auto which = static_cast<Integrity>(integrity);
  switch (which) {
    case Integrity::hmac_sha1_96:
      hmac_burst(slots, direction, which, IMB_AUTH_HMAC_SHA_1);
      break;
    case Integrity::hmac_sha256_128:
    case Integrity::hmac_sha256_96:
      hmac_burst(slots, direction, which, IMB_AUTH_HMAC_SHA_256);
      break;
    case Integrity::hmac_sha384_192:
      hmac_burst(slots, direction, which, IMB_AUTH_HMAC_SHA_384);
      break;
    case Integrity::hmac_sha512_256:
      hmac_burst(slots, direction, which, IMB_AUTH_HMAC_SHA_512);
      break;
    case Integrity::hmac_md5_96:
      mac_jobs(slots, direction, IMB_AUTH_MD5);
      break;
    case Integrity::aes_xcbc_96:
      mac_jobs(slots, direction, IMB_AUTH_AES_XCBC);
      break;
    case Integrity::aes_cmac_96:
      mac_jobs(slots, direction, IMB_AUTH_AES_CMAC);
      break;
    case Integrity::none:
      break;
  }
  if (direction == Direction::open) restore_icvs(slots);
}

// RFC 4303 2.2.1: with ESN the high half of the sequence number is hashed behind the payload,
// though it is not sent. It stands there, in the ICV's place, only while the packet is hashed.
void Gather::write_esn(std::span<const std::uint8_t> slots) {
  for (const std::uint8_t slot : slots) {
    const CryptoJob& job = *jobs_[slot];
    if (!has_esn(job)) continue;
    std::memcpy(&icv_heads_[slot], job.icv, kEsnHighBytes);
    std::memcpy(job.payload + job.payload_bytes, job.aad.data() + kEsnHighOffset, kEsnHighBytes);
  }
}

void Gather::restore_icvs(std::span<const std::uint8_t> slots) {
  for (const std::uint8_t slot : slots) {
    const CryptoJob& job = *jobs_[slot];
    if (has_esn(job)) std::memcpy(job.icv, &icv_heads_[slot], kEsnHighBytes);
  }
}

// The message and the place of the ICV. RFC 4303 3.3.2.1: from the SPI to the end of the padding.
void Gather::set_hash(IMB_JOB& to, std::size_t slot, Direction direction, bool is_truncated_here) {
  const CryptoJob& job = *jobs_[slot];
  const Route& route = route_of(job);
  const std::size_t before = kEspHeaderBytes + route.iv_bytes;
  to.src = raw(job.payload - before);
  to.msg_len_to_hash_in_bytes = before + job.payload_bytes + (has_esn(job) ? kEsnHighBytes : 0);
  to.auth_tag_output = raw(is_truncated_here ? tags_[slot].data() : tag_place(slot, direction));
  to.auth_tag_output_len_in_bytes = route.icv_bytes;
}

void Gather::hmac_burst(std::span<const std::uint8_t> slots, Direction direction,
                        Integrity integrity, IMB_HASH_ALG algorithm) {
  // The library writes 16 bytes of SHA-256 at least.
  const bool is_truncated_here =
      integrity == Integrity::hmac_sha256_96 && direction == Direction::seal;
  const std::size_t state_bytes = hmac_state_bytes(integrity);
  std::uint32_t count = 0;
  for (const std::uint8_t slot : slots) {
    IMB_JOB& to = burst_[count++];
    const CryptoJob& job = *jobs_[slot];
    set_hash(to, slot, direction, is_truncated_here);
    const std::byte* state = job.key->schedule.data() + route_of(job).integrity_offset;
    to.u.HMAC._hashed_auth_key_xor_ipad = raw(state);
    to.u.HMAC._hashed_auth_key_xor_opad = raw(state + state_bytes);
    if (integrity == Integrity::hmac_sha256_96) to.auth_tag_output_len_in_bytes = 16;
  }
  IMB_SUBMIT_HASH_BURST_NOCHECK(manager_, burst_.data(), count, algorithm);
  if (!is_truncated_here) return;
  for (const std::uint8_t slot : slots) {
    const CryptoJob& job = *jobs_[slot];
    std::memcpy(job.icv, tags_[slot].data(), route_of(job).icv_bytes);
  }
}

void Gather::mac_jobs(std::span<const std::uint8_t> slots, Direction direction,
                      IMB_HASH_ALG algorithm) {
  for (const std::uint8_t slot : slots) {
    const CryptoJob& job = *jobs_[slot];
    IMB_JOB& to = next_job(job, IMB_CIPHER_NULL, algorithm, direction);
    set_hash(to, slot, direction, false);
    to.msg_len_to_cipher_in_bytes = 0;
    const std::byte* keys = job.key->schedule.data() + route_of(job).integrity_offset;
    const std::byte* first_subkey = keys + kAes128RoundKeyBytes;
    if (algorithm == IMB_AUTH_MD5) {
      to.u.HMAC._hashed_auth_key_xor_ipad = raw(keys);
      to.u.HMAC._hashed_auth_key_xor_opad = raw(keys + hmac_state_bytes(Integrity::hmac_md5_96));
    } else if (algorithm == IMB_AUTH_AES_XCBC) {
      to.u.XCBC._k1_expanded = reinterpret_cast<const std::uint32_t*>(keys);
      to.u.XCBC._k2 = raw(first_subkey);
      to.u.XCBC._k3 = raw(first_subkey + kMacSubkeyBytes);
    } else {
      to.u.CMAC._key_expanded = keys;
      to.u.CMAC._skey1 = first_subkey;
      to.u.CMAC._skey2 = first_subkey + kMacSubkeyBytes;
    }
    manager_->submit_job_nocheck(manager_);
  }
  finish_jobs();
}

}  // namespace culvert
