// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "control/free_slots.h"
#include "control/sa.h"
#include "control/slot_hash.h"
#include "control/slot_note.h"
#include "control/table_hash.h"
#include "crypto/key.h"
#include "dataplane/shm/regions.h"

namespace culvert {

// What an outbound policy looks for: SAs to this end with this reqid.
struct SaPair {
  IpAddress dst;
  std::uint32_t reqid = 0;
};

// Bits over slot indices, to walk those in use without touching the others' memory.
class SlotBits {
 public:
  explicit SlotBits(std::uint32_t slots) : words_((std::size_t{slots} + 63) / 64) {}
  void set(std::uint32_t slot) { words_[slot / 64] |= 1ull << slot % 64; }
  void clear(std::uint32_t slot) { words_[slot / 64] &= ~(1ull << slot % 64); }
  [[nodiscard]] bool test(std::uint32_t slot) const {
    return (words_[slot / 64] >> slot % 64 & 1) != 0;
  }
  // The first set bit at `from` or behind it, or kNoSlot.
  [[nodiscard]] std::uint32_t next(std::uint32_t from) const;

 private:
  std::vector<std::uint64_t> words_;
};

// The SAD's slots and the ways to find them. A slot is taken, then listed (found by everybody),
// then delisted and, once the dataplane has let go of it, given back. No dataplane in here.
class SaSlots {
 public:
  // All slots are free. `load` takes over what is in the regions.
  explicit SaSlots(Regions& regions);

  enum class Found : std::uint8_t { live, larval, unfinished, free };
  // After a restart: what is in this slot. Live and larval ones are for the caller to list, the
  // oldest first; unfinished ones (being added or removed when control died) to remove; free ones
  // to put back, in the order of their age.
  [[nodiscard]] Found load(std::uint32_t slot);
  void put_back_free(std::uint32_t slot) { free_.put(slot); }

  // A slot under its next generation, its spec and record empty but for that. kNoSlot: table full.
  [[nodiscard]] std::uint32_t take();
  // Wipes the key and frees the slot. The tombstone stays in the note.
  void give_back(std::uint32_t slot, const KeyHash& key, std::uint64_t sequence);
  // The same of a slot whose SA had no key: the tombstone is that of the one before it.
  void give_back(std::uint32_t slot);

  void list(std::uint32_t slot);
  void delist(std::uint32_t slot);
  // Of a slot that was delisted because its SA is to go: until it is listed again or given back,
  // is_going() tells of its identity.
  void note_going(std::uint32_t slot);
  [[nodiscard]] bool is_going(const SaId& id) const;

  // As net/xfrm looks states up: by destination, SPI, protocol, and the mark test. kNoSlot: none.
  [[nodiscard]] std::uint32_t find(const SaId& id) const;
  // Whatever the mark.
  [[nodiscard]] bool has_spi(Family family, const IpAddress& dst, Spi spi) const;
  // Calls `visit(slot)` for listed SAs of this pair, newest first, until it returns false.
  template <typename Visit>
  void for_each_of(const SaPair& pair, Visit visit) const {
    for (std::uint32_t slot = by_pair_.first(pair_hash(pair)); slot != kNoSlot;
         slot = by_pair_.next(slot)) {
      const SaSpec& other = specs_[slot];
      if (other.reqid == pair.reqid && other.dst == pair.dst && !visit(slot)) return;
    }
  }
  [[nodiscard]] std::uint32_t next_listed(std::uint32_t from) const { return listed_.next(from); }
  [[nodiscard]] bool is_listed(std::uint32_t slot) const {
    return slot < specs_.size() && listed_.test(slot);
  }
  // Removed, and not yet given back.
  [[nodiscard]] bool is_removing(std::uint32_t slot) const {
    return slot < specs_.size() && record(slot).state == SlotState::removing;
  }
  [[nodiscard]] const std::unordered_set<std::uint32_t>& larvals() const { return larvals_; }

  [[nodiscard]] SaSpec& spec(std::uint32_t slot) { return specs_[slot]; }
  [[nodiscard]] const SaSpec& spec(std::uint32_t slot) const { return specs_[slot]; }
  [[nodiscard]] SaRecord record(std::uint32_t slot) const {
    return read_record<SaRecord>(notes_[slot]);
  }
  // What is written before it in the program lies in memory before it: so a death in between
  // leaves it.
  void set_record(std::uint32_t slot, const SaRecord& record) {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    write_record(notes_[slot], record);
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  [[nodiscard]] std::span<const std::byte> key(std::uint32_t slot) const;
  void set_key(std::uint32_t slot, const Key& key);
  void wipe_key(std::uint32_t slot);
  [[nodiscard]] Sa sa(std::uint32_t slot) const;

  [[nodiscard]] std::uint32_t count() const { return count_; }
  [[nodiscard]] std::uint32_t buckets() const { return by_id_.buckets(); }
  [[nodiscard]] std::uint32_t capacity() const { return static_cast<std::uint32_t>(specs_.size()); }
  [[nodiscard]] std::uint64_t next_age() { return ++age_; }

 private:
  [[nodiscard]] std::uint64_t id_hash(Family family, const IpAddress& dst, std::uint32_t spi) const;
  [[nodiscard]] std::uint64_t pair_hash(const SaPair& pair) const { return hash_(pair); }
  // Calls `visit(slot)` for SAs of this table with this destination and SPI until it returns false.
  template <typename Visit>
  void for_each_with(const SlotHash& table, Family family, const IpAddress& dst, Spi spi,
                     Visit visit) const;
  void end_going(std::uint32_t slot);

  std::span<SaSpec> specs_;
  std::span<SaNote> notes_;
  std::span<KeySlot> keys_;
  TableHash hash_;
  FreeSlots free_;
  SlotHash by_id_;
  SlotHash by_pair_;
  SlotHash going_by_id_;
  SlotBits listed_;
  SlotBits going_;
  std::unordered_set<std::uint32_t> larvals_;
  std::uint32_t count_ = 0;
  std::uint64_t age_ = 0;
};

}  // namespace culvert
