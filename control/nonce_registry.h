// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "control/slot_hash.h"
#include "control/slot_note.h"

namespace culvert {

// One nonce space per key: which counter-mode keys (with their salt) are in use, and up to which
// sequence number those that went were used. Knows keys by a keyed hash only. Two SAs under one
// such key, in either direction, would seal different packets with one nonce, which gives both
// packets and the authentication key away (RFC 4106 2).
class NonceRegistry {
 public:
  // Limit: this many keys of deleted SAs are remembered, the oldest are forgotten first.
  static constexpr std::size_t kMaxTombstones = 1u << 18;

  // `secret` goes into the hash: the same one gives the same hashes after a restart. All memory is
  // reserved here, for `slots` SAs.
  NonceRegistry(std::uint64_t secret, std::uint32_t slots);

  [[nodiscard]] KeyHash hash(std::span<const std::byte> key) const;

  // The slot of the SA that uses this key.
  [[nodiscard]] std::optional<std::uint32_t> user(const KeyHash& key) const;
  // Of several slots that claim a key the last one is its user.
  void claim(const KeyHash& key, std::uint32_t slot);
  // Ends the use by `slot`, if it is the user; `sequence` is the last number that may have been
  // used. Claims by other slots stay.
  void release(const KeyHash& key, std::uint32_t slot, std::uint64_t sequence);
  // The last number used under a key that is not in use now, 0 when it never was.
  [[nodiscard]] std::uint64_t last_sequence(const KeyHash& key) const;
  // After a restart: what a free slot's note says of the SA that was in it.
  void remember(const KeyHash& key, std::uint64_t sequence);

  [[nodiscard]] std::size_t tombstones() const { return tombstones_.size(); }

 private:
  struct Tombstone {
    KeyHash key{};
    std::uint64_t sequence = 0;
  };
  [[nodiscard]] std::uint32_t find_tombstone(const KeyHash& key) const;

  std::uint64_t secret_;
  std::vector<KeyHash> claims_;  // by slot; all zero: it claims none
  SlotHash users_;
  std::vector<Tombstone> tombstones_;  // a ring once it is full
  SlotHash tombstone_places_;
  std::uint32_t oldest_ = 0;  // of the ring
};

}  // namespace culvert
