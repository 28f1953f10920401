// SPDX-License-Identifier: BSD-3-Clause
// The SA manager's care for keys: one nonce space per key, and where sequence numbers begin.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>

#include "control/address_text.h"
#include "control/sa_manager.h"

namespace culvert {
namespace {

// The last sequence number without ESN (RFC 4303 2.2).
constexpr std::uint64_t kLastWithoutEsn = 0xffffffff;

std::string text_of(const SaId& id) {
  return fmt::format("spi {:#x} to {}", id.spi.raw(), address_text(id.family, id.dst));
}

// Of a counter mode cipher key and salt make the nonce space, whatever comes with them.
std::span<const std::byte> nonce_space(TransformId transform, std::span<const std::byte> key) {
  const TransformInfo* info = transform_info(transform);
  if (info == nullptr || !info->is_counter_mode) return key;
  const std::size_t bytes = std::size_t{info->cipher_key_bytes} + info->salt_bytes;
  return key.first(std::min(bytes, key.size()));
}

}  // namespace

KeyHash SaManager::nonce_hash(TransformId transform, std::span<const std::byte> key) const {
  return nonces_.hash(nonce_space(transform, key));
}

KeyHash SaManager::nonce_hash(std::uint32_t slot) const {
  return nonce_hash(static_cast<TransformId>(sas_.spec(slot).transform), sas_.key(slot));
}

// Keys of other modes may serve several SAs, as they do in the kernel.
void SaManager::claim(std::uint32_t slot, const KeyHash& key_hash) {
  const TransformInfo* info = transform_info(static_cast<TransformId>(sas_.spec(slot).transform));
  if (info != nullptr && info->is_counter_mode) nonces_.claim(key_hash, slot);
}

void SaManager::warn_if_legacy(TransformId transform) {
  const TransformInfo& info = *transform_info(transform);
  const auto id = static_cast<std::size_t>(transform);
  if (!info.is_legacy || warned_.test(id)) return;
  warned_.set(id);
  spdlog::warn("{}: kept for old peers only, it protects too little today", info.name);
}

Result<void> SaManager::check_claim(TransformId transform, const KeyHash& key_hash) const {
  if (!transform_info(transform)->is_counter_mode) return {};
  const std::optional<std::uint32_t> user = nonces_.user(key_hash);
  if (!user) return {};
  const SaSpec& spec = sas_.spec(*user);
  // What is being deleted is gone in a moment; only a dataplane that died meanwhile takes longer.
  return Error{sas_.is_listed(*user) ? EEXIST : EAGAIN,
               fmt::format("this key and salt is in use by spi {:#x} to {}{}: two SAs under one "
                           "counter-mode key would repeat nonces, in either direction",
                           spec.spi, address_text(spec.family, spec.dst),
                           sas_.is_listed(*user) ? "" : ", which is being deleted")};
}

bool SaManager::has_floor(SaOrigin origin, TransformId transform, Direction direction) {
  if (direction != Direction::out) return false;
  if (origin == SaOrigin::manual) return true;
  const TransformInfo* info = transform_info(transform);
  return origin == SaOrigin::by_hand && info != nullptr && info->is_counter_mode;
}

Result<KeyHash> SaManager::floor_name(TransformId transform, std::span<const std::byte> key) {
  return floors_.name_of(nonce_space(transform, key));
}

// Where the sequence numbers of a new SA begin: behind all that may have been used under its key.
Result<std::uint64_t> SaManager::first_sequence(const Sa& sa, const SaPlan& plan, const Key& key,
                                                const KeyHash& key_hash) {
  std::uint64_t sequence = std::max(plan.sequence, nonces_.last_sequence(key_hash));
  if (has_floor(sa.origin, plan.transform, plan.direction)) {
    const Result<KeyHash> name = floor_name(plan.transform, key.bytes());
    if (!name) return name.error();
    const Result<std::uint64_t> floor = floors_.reserve(*name);
    if (!floor) return floor.error();
    transaction_.has_floors = true;
    sequence = std::max(sequence, *floor);
    const bool is_news = sa.origin == SaOrigin::manual || *floor != 0;
    const bool is_said = is_news && options_.says_first_sequences;
    if (is_said && transform_info(plan.transform)->is_counter_mode) {
      spdlog::warn(
          "{}: a manual key for a counter-mode algorithm (RFC 4106 2 wants automatic "
          "ones); its sequence numbers begin at {}",
          text_of(sa.id), sequence + 1);
    }
  }
  if ((plan.flags & kSaEsn) == 0 && sequence >= kLastWithoutEsn) {
    return Error{EOVERFLOW, text_of(sa.id) +
                                ": all 2^32 sequence numbers of this key were used: "
                                "take a new key, or esn"};
  }
  return sequence;
}

}  // namespace culvert
