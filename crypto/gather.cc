// SPDX-License-Identifier: BSD-3-Clause
#include "crypto/gather.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "crypto/key_layout.h"

namespace culvert {
namespace {

constexpr std::size_t kNoIntegrity = static_cast<std::size_t>(Integrity::none);
constexpr std::size_t kNullCipher = static_cast<std::size_t>(Cipher::null);

}  // namespace

constexpr std::array<Gather::Route, kTransformCount> Gather::make_routes() {
  std::array<Route, kTransformCount> routes{};
  for (std::size_t id = 0; id < kTransformCount; ++id) {
    const TransformInfo& info = kTransforms[id];
    Route& route = routes[id];
    route.work = kNullCipher;
    route.integrity = kNoIntegrity;
    route.icv_bytes = info.icv_bytes;
    route.iv_bytes = info.iv_bytes;
    route.decrypt_offset = kKeyLayouts[id].decrypt_offset;
    route.integrity_offset = kKeyLayouts[id].integrity_offset;
    switch (info.construction) {
      case Construction::none:
      case Construction::gcm:
        break;
      case Construction::gmac:
        route.work = static_cast<std::uint8_t>(Work::gmac);
        break;
      case Construction::ccm:
        route.work = static_cast<std::uint8_t>(info.cipher_key_bytes == 16 ? Work::aes128_ccm
                                                                           : Work::aes256_ccm);
        break;
      case Construction::chacha20_poly1305:
        route.work = static_cast<std::uint8_t>(Work::chacha20_poly1305);
        break;
      case Construction::combined:
        route.work = static_cast<std::uint8_t>(info.cipher);
        route.integrity = static_cast<std::uint8_t>(info.integrity);
        if (info.pad_alignment > 4) route.block_mask = info.pad_alignment - 1;
        break;
    }
  }
  return routes;
}
constexpr std::array<Gather::Route, kTransformCount> Gather::kRoutes = Gather::make_routes();

Gather::Gather(IMB_MGR* manager) : manager_(manager) {}

const Gather::Route& Gather::route_of(const CryptoJob& job) {
  return kRoutes[static_cast<std::size_t>(job.key->transform)];
}

// Lengths come from outside. With others the library would leave the rest of the last block as it
// is, in clear, or write beyond it.
bool Gather::fits(const CryptoJob& job, const Route& route) {
  return job.payload_bytes <= kMaxPayloadBytes && (job.payload_bytes & route.block_mask) == 0;
}

// What cannot be sealed does not leave in clear.
void Gather::withhold(const CryptoJob& job, const Route& route) {
  std::memset(job.payload, 0, job.payload_bytes);
  std::memset(job.icv, 0, route.icv_bytes);
}

// RFC 4303 3.3.2: encryption comes first and does not cover the ICV.
void Gather::seal(std::span<const CryptoJob> jobs, std::span<const std::uint16_t> chosen) {
  assert(chosen.size() <= kMaxJobs);
  for (std::size_t slot = 0; slot < chosen.size(); ++slot) {
    const CryptoJob& job = jobs[chosen[slot]];
    const Route& route = route_of(job);
    jobs_[slot] = &job;
    if (!fits(job, route)) {
      withhold(job, route);
      continue;
    }
    works_[route.work].push(slot);
    integrities_[route.integrity].push(slot);
  }
  run_ciphers(Direction::seal);
  for (std::size_t i = 0; i < kNoIntegrity; ++i) {
    if (integrities_[i].count == 0) continue;
    run_integrity(i, Direction::seal);
    integrities_[i].count = 0;
  }
  integrities_[kNoIntegrity].count = 0;
}

// RFC 4303 3.4.4: the ICV is checked first; only what was authentic is decrypted. An AEAD does both
// at once.
void Gather::open(std::span<const CryptoJob> jobs, std::span<const std::uint16_t> chosen,
                  std::span<Verdict> verdicts) {
  assert(chosen.size() <= kMaxJobs);
  for (std::size_t slot = 0; slot < chosen.size(); ++slot) {
    const CryptoJob& job = jobs[chosen[slot]];
    const Route& route = route_of(job);
    jobs_[slot] = &job;
    if (!fits(job, route)) {
      verdicts[chosen[slot]] = Verdict::refused;
    } else if (route.integrity != kNoIntegrity) {
      integrities_[route.integrity].push(slot);
    } else {
      verdicts[chosen[slot]] = Verdict::authentic;  // for AEADs see below
      works_[route.work].push(slot);
    }
  }
  for (std::size_t i = 0; i < kNoIntegrity; ++i) {
    if (integrities_[i].count != 0) authenticate(i, chosen, verdicts);
  }
  std::array<std::uint32_t, kWorkCount> counts;
  for (std::size_t i = kCipherCount; i < kWorkCount; ++i) counts[i] = works_[i].count;
  run_ciphers(Direction::open);
  for (std::size_t i = kCipherCount; i < kWorkCount; ++i) {
    for (const std::uint8_t slot : std::span(works_[i].slots).first(counts[i])) {
      verdicts[chosen[slot]] = verdict_of(slot);
    }
  }
}

void Gather::authenticate(std::size_t integrity, std::span<const std::uint16_t> chosen,
                          std::span<Verdict> verdicts) {
  run_integrity(integrity, Direction::open);
  Bucket& bucket = integrities_[integrity];
  for (const std::uint8_t slot : bucket.members()) {
    const Verdict verdict = verdict_of(slot);
    verdicts[chosen[slot]] = verdict;
    if (verdict == Verdict::authentic) works_[route_of(*jobs_[slot]).work].push(slot);
  }
  bucket.count = 0;
}

// In constant time. ICVs are whole 32-bit words.
Verdict Gather::verdict_of(std::size_t slot) const {
  const CryptoJob& job = *jobs_[slot];
  std::uint32_t difference = 0;
  for (std::size_t at = 0; at < route_of(job).icv_bytes; at += sizeof difference) {
    std::uint32_t computed;
    std::uint32_t received;
    std::memcpy(&computed, tags_[slot].data() + at, sizeof computed);
    std::memcpy(&received, job.icv + at, sizeof received);
    difference |= computed ^ received;
  }
  return static_cast<Verdict>(difference == 0);
}

// Where the ICV is to be computed. In opening, something that differs from what was received stands
// there first: the library says nothing when it dislikes an argument. All ICVs have 8 bytes at
// least.
std::byte* Gather::tag_place(std::size_t slot, Direction direction) {
  if (direction == Direction::seal) return jobs_[slot]->icv;
  std::uint64_t head;
  std::memcpy(&head, jobs_[slot]->icv, sizeof head);
  head = ~head;
  std::memcpy(tags_[slot].data(), &head, sizeof head);
  return tags_[slot].data();
}

void Gather::run_ciphers(Direction direction) {
  for (std::size_t work = 0; work < kWorkCount; ++work) {
    if (works_[work].count == 0) continue;
    run_cipher(work, direction);
    works_[work].count = 0;
  }
}

}  // namespace culvert
