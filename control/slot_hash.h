// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

namespace culvert {

inline constexpr std::uint32_t kNoSlot = 0xffffffff;

// A hash table over slot indices whose keys lie in the slots themselves: the caller brings the hash
// and compares. Chains run through the slots, so nothing is allocated after construction; what was
// inserted last is found first. 12 bytes a slot.
class SlotHash {
 public:
  explicit SlotHash(std::uint32_t slots) : links_(slots) {
    std::uint64_t buckets = 1;
    while (buckets < slots) buckets *= 2;
    heads_.assign(buckets, kNoSlot);
  }

  void insert(std::uint32_t slot, std::uint64_t hash) {
    std::uint32_t& head = heads_[bucket_of(hash)];
    links_[slot] = {.next = head, .previous = kNoSlot};
    if (head != kNoSlot) links_[head].previous = slot;
    head = slot;
  }

  // `hash` must be the one the slot was inserted with.
  void erase(std::uint32_t slot, std::uint64_t hash) {
    const Link link = links_[slot];
    if (link.next != kNoSlot) links_[link.next].previous = link.previous;
    if (link.previous != kNoSlot) {
      links_[link.previous].next = link.next;
    } else {
      heads_[bucket_of(hash)] = link.next;
    }
  }

  // The chain of a hash, newest first; other hashes may be in it. Ends with kNoSlot.
  [[nodiscard]] std::uint32_t first(std::uint64_t hash) const { return heads_[bucket_of(hash)]; }
  [[nodiscard]] std::uint32_t next(std::uint32_t slot) const { return links_[slot].next; }

  [[nodiscard]] std::uint32_t buckets() const { return static_cast<std::uint32_t>(heads_.size()); }

 private:
  struct Link {
    std::uint32_t next = kNoSlot;
    std::uint32_t previous = kNoSlot;
  };
  [[nodiscard]] std::size_t bucket_of(std::uint64_t hash) const {
    return static_cast<std::size_t>(hash) & (heads_.size() - 1);
  }

  std::vector<Link> links_;
  std::vector<std::uint32_t> heads_;
};

}  // namespace culvert
