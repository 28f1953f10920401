// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/fib_v6.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <numeric>

#include "dataplane/keyed_hash.h"

namespace culvert {
namespace {

// All prefixes may be others after one publication, while the old ones are still there.
constexpr std::uint32_t ids_for(std::uint32_t max_routes) {
  return 2 * max_routes;
}

constexpr std::uint64_t bit_of(std::uint8_t prefix_bits) {
  return std::uint64_t{1} << prefix_bits % 64;
}

}  // namespace

FibV6::FibV6(std::uint32_t max_routes, std::uint64_t secret)
    : secret_(secret), prefixes_(ids_for(max_routes), max_routes), entries_(ids_for(max_routes)) {}

FibV6::Words FibV6::words_of(const Ipv6Address& address) {
  const auto words = std::bit_cast<std::array<Be64, 2>>(address);
  return {words[0].host(), words[1].host()};
}

FibV6::Words FibV6::network_words(const Words& words, std::uint32_t bits) {
  if (bits == 0) return {};
  if (bits <= 64) return {words.high & ~std::uint64_t{0} << (64 - bits), 0};
  return {words.high, words.low & ~std::uint64_t{0} << (128 - bits)};
}

std::uint64_t FibV6::hash(const Words& network, std::uint32_t bits) const {
  return keyed_hash(network.high, network.low, bits, secret_);
}

std::uint32_t FibV6::find(const Words& network, std::uint32_t bits, std::uint64_t hash) const {
  return prefixes_.find(hash, tag_of(hash),
                        [&](std::uint32_t id) { return is_prefix(id, network, bits); });
}

bool FibV6::set(const Ipv6Prefix& prefix, bool, AdjacencyIndex adjacency) {
  changes_.insert_or_assign(prefix, adjacency);
  return true;
}

void FibV6::switch_over() {
  std::erase_if(changes_, [this](const auto& change) {
    if (change.second == kNoRoute) return false;
    add(change.first, change.second);
    return true;
  });
}

void FibV6::take_away() {
  for (const auto& change : changes_) remove(change.first);
  changes_.clear();
}

void FibV6::recycle() {
  free_.insert(free_.end(), retired_.begin(), retired_.end());
  retired_.clear();
}

void FibV6::add(const Ipv6Prefix& prefix, AdjacencyIndex adjacency) {
  const Words network = words_of(prefix.address);
  const std::uint64_t hashed = hash(network, prefix.bits);
  if (const std::uint32_t known = find(network, prefix.bits, hashed); known != BucketTable::kNone) {
    entries_[known].adjacency.store(adjacency.raw(), std::memory_order_release);
    return;
  }
  std::uint32_t id = next_unused_;
  if (free_.empty()) {
    ++next_unused_;
  } else {
    id = free_.back();
    free_.pop_back();
  }
  Entry& entry = entries_[id];
  entry.network = network;
  entry.bits = prefix.bits;
  entry.adjacency.store(adjacency.raw(), std::memory_order_relaxed);
  prefixes_.insert(hashed, tag_of(hashed), id);
  if (++prefixes_of_length_[prefix.bits] == 1) {
    lengths_[prefix.bits / 64].fetch_or(bit_of(prefix.bits), std::memory_order_release);
  }
}

// One that came and went since the last switch was never there.
void FibV6::remove(const Ipv6Prefix& prefix) {
  const Words network = words_of(prefix.address);
  const std::uint64_t hashed = hash(network, prefix.bits);
  const std::uint32_t id = find(network, prefix.bits, hashed);
  if (id == BucketTable::kNone) return;
  if (--prefixes_of_length_[prefix.bits] == 0) {
    lengths_[prefix.bits / 64].fetch_and(~bit_of(prefix.bits), std::memory_order_release);
  }
  prefixes_.erase(hashed, tag_of(hashed), id);
  retired_.push_back(id);
}

// Looks those at the positions `open` up among the prefixes of one length. Returns how many stay
// open; they are the first ones of `open` then.
std::size_t FibV6::probe(std::uint32_t bits, std::span<const Words> destinations,
                         std::span<std::uint32_t> open,
                         std::span<AdjacencyIndex> adjacencies) const {
  std::array<std::uint64_t, kChunk> hashes;
  std::array<BucketTable::Guess, kChunk> guesses;
  for (std::size_t i = 0; i < open.size(); ++i) {
    hashes[i] = hash(network_words(destinations[open[i]], bits), bits);
    prefixes_.prefetch(hashes[i]);
  }
  for (std::size_t i = 0; i < open.size(); ++i) {
    guesses[i] = prefixes_.guess(hashes[i], tag_of(hashes[i]));
    __builtin_prefetch(entries_.data() + guesses[i].id);
  }
  std::size_t left = 0;
  for (std::size_t i = 0; i < open.size(); ++i) {
    const std::uint32_t position = open[i];
    std::uint32_t id = guesses[i].id;
    if (!guesses[i].is_certain) {
      const Words network = network_words(destinations[position], bits);
      if (id == BucketTable::kNone || !is_prefix(id, network, bits)) {
        id = find(network, bits, hashes[i]);
      }
    }
    if (id == BucketTable::kNone) {
      open[left++] = position;
    } else {
      adjacencies[position] =
          AdjacencyIndex{entries_[id].adjacency.load(std::memory_order_acquire)};
    }
  }
  return left;
}

void FibV6::lookup_burst(std::span<const Ipv6Address> destinations,
                         std::span<AdjacencyIndex> adjacencies) const {
  assert(destinations.size() == adjacencies.size());
  std::array<Words, kChunk> words;
  std::array<std::uint32_t, kChunk> open;
  while (!destinations.empty()) {
    const std::size_t count = std::min(destinations.size(), kChunk);
    for (std::size_t i = 0; i < count; ++i) words[i] = words_of(destinations[i]);
    std::iota(open.begin(), open.begin() + static_cast<std::ptrdiff_t>(count), 0u);
    std::fill_n(adjacencies.begin(), count, kNoRoute);
    std::size_t left = count;
    for (std::size_t word = lengths_.size(); word-- > 0 && left != 0;) {
      std::uint64_t lengths = lengths_[word].load(std::memory_order_acquire);
      while (lengths != 0 && left != 0) {
        const auto bit = static_cast<std::uint32_t>(std::bit_width(lengths) - 1);
        lengths &= ~(std::uint64_t{1} << bit);
        left = probe(static_cast<std::uint32_t>(word) * 64 + bit, words,
                     std::span(open).first(left), adjacencies);
      }
    }
    destinations = destinations.subspan(count);
    adjacencies = adjacencies.subspan(count);
  }
}

}  // namespace culvert
