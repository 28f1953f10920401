// SPDX-License-Identifier: BSD-3-Clause
#include "control/nonce_registry.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace culvert {
namespace {

std::uint64_t short_hash(const KeyHash& key) {
  std::uint64_t value = 0;
  std::memcpy(&value, key.data(), sizeof value);
  return value;
}

}  // namespace

NonceRegistry::NonceRegistry(std::uint64_t secret, std::uint32_t slots)
    : secret_(secret), claims_(slots), users_(slots), tombstone_places_(kMaxTombstones) {}

// The secret is the salt, not the key of BLAKE2b: that is one block less, and half the time.
KeyHash NonceRegistry::hash(std::span<const std::byte> key) const {
  std::array<unsigned char, crypto_generichash_blake2b_SALTBYTES> salt{};
  std::memcpy(salt.data(), &secret_, sizeof secret_);
  KeyHash result;
  crypto_generichash_blake2b_salt_personal(reinterpret_cast<unsigned char*>(result.data()),
                                           result.size(),
                                           reinterpret_cast<const unsigned char*>(key.data()),
                                           key.size(), nullptr, 0, salt.data(), nullptr);
  return result;
}

std::optional<std::uint32_t> NonceRegistry::user(const KeyHash& key) const {
  for (std::uint32_t slot = users_.first(short_hash(key)); slot != kNoSlot;
       slot = users_.next(slot)) {
    if (claims_[slot] == key) return slot;
  }
  return std::nullopt;
}

void NonceRegistry::claim(const KeyHash& key, std::uint32_t slot) {
  if (claims_[slot] != KeyHash{}) users_.erase(slot, short_hash(claims_[slot]));
  claims_[slot] = key;
  users_.insert(slot, short_hash(key));
}

void NonceRegistry::release(const KeyHash& key, std::uint32_t slot, std::uint64_t sequence) {
  if (claims_[slot] == key) {
    users_.erase(slot, short_hash(key));
    claims_[slot] = {};
  }
  remember(key, sequence);
}

std::uint32_t NonceRegistry::find_tombstone(const KeyHash& key) const {
  std::uint32_t place = tombstone_places_.first(short_hash(key));
  while (place != kNoSlot && tombstones_[place].key != key) place = tombstone_places_.next(place);
  return place;
}

std::uint64_t NonceRegistry::last_sequence(const KeyHash& key) const {
  const std::uint32_t place = find_tombstone(key);
  return place == kNoSlot ? 0 : tombstones_[place].sequence;
}

void NonceRegistry::remember(const KeyHash& key, std::uint64_t sequence) {
  if (const std::uint32_t place = find_tombstone(key); place != kNoSlot) {
    tombstones_[place].sequence = std::max(tombstones_[place].sequence, sequence);
    return;
  }
  auto place = static_cast<std::uint32_t>(tombstones_.size());
  if (place < kMaxTombstones) {
    tombstones_.push_back({key, sequence});
  } else {
    place = oldest_;
    oldest_ = (oldest_ + 1) % static_cast<std::uint32_t>(kMaxTombstones);
    tombstone_places_.erase(place, short_hash(tombstones_[place].key));
    tombstones_[place] = {key, sequence};
  }
  tombstone_places_.insert(place, short_hash(key));
}

}  // namespace culvert
