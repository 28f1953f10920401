// SPDX-License-Identifier: BSD-3-Clause
#include "control/nonce_registry.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace culvert {

KeyHash NonceRegistry::hash(std::span<const std::byte> key) const {
  std::array<unsigned char, crypto_generichash_KEYBYTES> hash_key{};
  std::memcpy(hash_key.data(), &secret_, sizeof secret_);
  KeyHash result;
  crypto_generichash(reinterpret_cast<unsigned char*>(result.data()), result.size(),
                     reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                     hash_key.data(), hash_key.size());
  sodium_memzero(hash_key.data(), hash_key.size());
  return result;
}

std::size_t NonceRegistry::HashOfHash::operator()(const KeyHash& key) const {
  std::size_t value = 0;
  std::memcpy(&value, key.data(), sizeof value);
  return value;
}

std::optional<std::uint32_t> NonceRegistry::user(const KeyHash& key) const {
  const auto found = users_.find(key);
  if (found == users_.end()) return std::nullopt;
  return found->second;
}

void NonceRegistry::claim(const KeyHash& key, std::uint32_t slot) {
  users_[key] = slot;
}

void NonceRegistry::release(const KeyHash& key, std::uint32_t slot, std::uint64_t sequence) {
  const auto found = users_.find(key);
  if (found != users_.end() && found->second == slot) users_.erase(found);
  remember(key, sequence);
}

std::uint64_t NonceRegistry::last_sequence(const KeyHash& key) const {
  const auto found = tombstones_.find(key);
  return found == tombstones_.end() ? 0 : found->second;
}

void NonceRegistry::remember(const KeyHash& key, std::uint64_t sequence) {
  const auto [entry, is_new] = tombstones_.try_emplace(key, sequence);
  if (!is_new) {
    entry->second = std::max(entry->second, sequence);
    return;
  }
  oldest_first_.push_back(key);
  if (oldest_first_.size() > kMaxTombstones) {
    tombstones_.erase(oldest_first_.front());
    oldest_first_.pop_front();
  }
}

}  // namespace culvert
