// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/sa_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>

#include "dataplane/keyed_hash.h"

namespace culvert {
namespace {

constexpr std::size_t kChunk = 64;  // keys looked up side by side

struct AddressWords {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
};

AddressWords words_of(const IpAddress& address) {
  static_assert(sizeof(AddressWords) == sizeof(IpAddress));
  return std::bit_cast<AddressWords>(address);
}

bool is_same(const SaKey& left, const SaKey& right) {
  const AddressWords left_words = words_of(left.destination);
  const AddressWords right_words = words_of(right.destination);
  return ((left_words.first ^ right_words.first) | (left_words.second ^ right_words.second) |
          (left.spi.raw() ^ right.spi.raw()) |
          (static_cast<std::uint64_t>(left.family) ^ static_cast<std::uint64_t>(right.family))) ==
         0;
}

}  // namespace

SaTable::SaTable(std::uint32_t max_sas, std::uint64_t secret)
    : max_sas_(max_sas), secret_(secret), table_(max_sas, max_sas), keys_(max_sas) {}

std::unique_ptr<SaTable> SaTable::create(std::uint32_t max_sas, std::uint64_t secret) {
  std::unique_ptr<SaTable> table(new SaTable(max_sas, secret));
  if (!table->table_.is_reserved() || !table->keys_.is_reserved()) return nullptr;
  return table;
}

std::uint64_t SaTable::hash(const SaKey& key, std::uint64_t secret) {
  const AddressWords destination = words_of(key.destination);
  const std::uint64_t rest =
      std::uint64_t{key.spi.raw()} << 8 | static_cast<std::uint8_t>(key.family);
  return keyed_hash(destination.first, destination.second, rest, secret);
}

SaTable::Insert SaTable::insert(const SaKey& key, SaIndex index) {
  if (index.raw() >= max_sas_) return Insert::bad_index;
  if (find(key) != kNoSa) return Insert::duplicate;
  keys_[index.raw()].key = key;
  table_.insert(hash(key, secret_), key.spi.raw(), index.raw());
  return Insert::ok;
}

bool SaTable::erase(SaIndex index) {
  if (index.raw() >= max_sas_) return false;
  const SaKey& key = keys_[index.raw()].key;
  if (find(key) != index) return false;
  table_.erase(hash(key, secret_), key.spi.raw(), index.raw());
  return true;
}

SaIndex SaTable::find_hashed(const SaKey& key, std::uint64_t hash) const {
  if (key.spi == Spi{}) return kNoSa;
  const std::uint32_t id = table_.find(
      hash, key.spi.raw(), [&](std::uint32_t index) { return is_same(keys_[index].key, key); });
  return id == BucketTable::kNone ? kNoSa : SaIndex{id};
}

SaIndex SaTable::find(const SaKey& key) const {
  return find_hashed(key, hash(key, secret_));
}

void SaTable::find_burst(std::span<const SaKey> keys, std::span<SaIndex> indices) const {
  assert(keys.size() == indices.size());
  while (!keys.empty()) {
    const std::size_t count = std::min(keys.size(), kChunk);
    std::array<std::uint64_t, kChunk> hashes;
    std::array<std::uint32_t, kChunk> ids;
    for (std::size_t i = 0; i < count; ++i) {
      hashes[i] = hash(keys[i], secret_);
      table_.prefetch(hashes[i]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      ids[i] = table_.guess(hashes[i], keys[i].spi.raw()).id;
      __builtin_prefetch(keys_.data() + ids[i]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const bool is_right =
          ids[i] < max_sas_ && keys[i].spi != Spi{} && is_same(keys_[ids[i]].key, keys[i]);
      indices[i] = is_right ? SaIndex{ids[i]} : find_hashed(keys[i], hashes[i]);
    }
    keys = keys.subspan(count);
    indices = indices.subspan(count);
  }
}

}  // namespace culvert
