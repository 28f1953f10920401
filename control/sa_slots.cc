// SPDX-License-Identifier: BSD-3-Clause
#include "control/sa_slots.h"

#include <sodium.h>

#include <algorithm>
#include <bit>

#include "control/sa_plan.h"

namespace culvert {

std::uint32_t SlotBits::next(std::uint32_t from) const {
  for (std::size_t word = from / 64; word < words_.size(); ++word) {
    std::uint64_t bits = words_[word];
    if (word == from / 64) bits &= ~0ull << from % 64;
    if (bits != 0) {
      return static_cast<std::uint32_t>(word * 64 + static_cast<unsigned>(std::countr_zero(bits)));
    }
  }
  return kNoSlot;
}

SaSlots::SaSlots(Regions& regions)
    : specs_(regions.sa_specs()),
      notes_(regions.sa_notes()),
      keys_(regions.keys()),
      free_(regions.sizes().max_sas),
      by_id_(regions.sizes().max_sas),
      by_pair_(regions.sizes().max_sas),
      going_by_id_(regions.sizes().max_sas),
      listed_(regions.sizes().max_sas),
      going_(regions.sizes().max_sas) {}

SaSlots::Found SaSlots::load(std::uint32_t slot) {
  const SaRecord found = record(slot);
  const SaSpec& spec = specs_[slot];
  const KeySlot& key = keys_[slot];
  age_ = std::max(age_, found.age);
  switch (found.state) {
    case SlotState::live:
      if (spec.generation == 0 || spec.generation != found.last_generation ||
          key.generation != spec.generation || key.key_bytes > kMaxKeyBytes) {
        return Found::unfinished;
      }
      return Found::live;
    case SlotState::larval:
      return spec.generation == 0 ? Found::unfinished : Found::larval;
    case SlotState::adding:
    case SlotState::removing:
      return Found::unfinished;
    case SlotState::free:
      break;
  }
  return Found::free;
}

std::uint32_t SaSlots::take() {
  const std::optional<std::uint32_t> slot = free_.take();
  if (!slot) return kNoSlot;
  const SaRecord last = record(*slot);
  const std::uint32_t generation = last.last_generation + 1 == 0 ? 1 : last.last_generation + 1;
  // The state first: a crash from here on finds a slot that was not finished. The tombstone stays:
  // the key of the SA to come may be the same.
  set_record(*slot, {.last_generation = generation,
                     .state = SlotState::adding,
                     .tombstone_key = last.tombstone_key,
                     .tombstone_sequence = last.tombstone_sequence});
  specs_[*slot] = SaSpec{.generation = generation};
  return *slot;
}

void SaSlots::give_back(std::uint32_t slot, const KeyHash& key, std::uint64_t sequence) {
  SaRecord last = record(slot);
  last.tombstone_key = key;
  last.tombstone_sequence = sequence;
  set_record(slot, last);
  give_back(slot);
}

void SaSlots::give_back(std::uint32_t slot) {
  wipe_key(slot);
  end_going(slot);
  const SaRecord last = record(slot);
  specs_[slot] = SaSpec{};
  set_record(slot, {.last_generation = last.last_generation,
                    .state = SlotState::free,
                    .age = next_age(),
                    .tombstone_key = last.tombstone_key,
                    .tombstone_sequence = last.tombstone_sequence});
  free_.put(slot);
}

void SaSlots::list(std::uint32_t slot) {
  end_going(slot);
  const SaSpec& spec = specs_[slot];
  by_id_.insert(slot, id_hash(spec.family, spec.dst, spec.spi));
  by_pair_.insert(slot, pair_hash({spec.dst, spec.reqid}));
  listed_.set(slot);
  ++count_;
  if (record(slot).state == SlotState::larval) larvals_.insert(slot);
}

void SaSlots::delist(std::uint32_t slot) {
  const SaSpec& spec = specs_[slot];
  by_id_.erase(slot, id_hash(spec.family, spec.dst, spec.spi));
  by_pair_.erase(slot, pair_hash({spec.dst, spec.reqid}));
  listed_.clear(slot);
  --count_;
  larvals_.erase(slot);
}

void SaSlots::note_going(std::uint32_t slot) {
  const SaSpec& spec = specs_[slot];
  going_by_id_.insert(slot, id_hash(spec.family, spec.dst, spec.spi));
  going_.set(slot);
}

void SaSlots::end_going(std::uint32_t slot) {
  if (!going_.test(slot)) return;
  const SaSpec& spec = specs_[slot];
  going_by_id_.erase(slot, id_hash(spec.family, spec.dst, spec.spi));
  going_.clear(slot);
}

std::uint64_t SaSlots::id_hash(Family family, const IpAddress& dst, std::uint32_t spi) const {
  struct {
    IpAddress dst;
    std::uint32_t spi;
    std::uint32_t family;
  } const key{dst, spi, static_cast<std::uint32_t>(family)};
  return hash_(key);
}

template <typename Visit>
void SaSlots::for_each_with(const SlotHash& table, Family family, const IpAddress& dst, Spi spi,
                            Visit visit) const {
  for (std::uint32_t slot = table.first(id_hash(family, dst, spi.raw())); slot != kNoSlot;
       slot = table.next(slot)) {
    const SaSpec& other = specs_[slot];
    if (other.spi == spi.raw() && other.family == family && other.dst == dst && !visit(slot)) {
      return;
    }
  }
}

std::uint32_t SaSlots::find(const SaId& id) const {
  // Every SA in here is ESP.
  if (id.protocol != kProtocolEsp) return kNoSlot;
  std::uint32_t found = kNoSlot;
  for_each_with(by_id_, id.family, id.dst, id.spi, [&](std::uint32_t slot) {
    const SaSpec& other = specs_[slot];
    if (!mark_finds(id.mark, {other.mark_value, other.mark_mask})) return true;
    found = slot;
    return false;
  });
  return found;
}

bool SaSlots::has_spi(Family family, const IpAddress& dst, Spi spi) const {
  bool is_found = false;
  for_each_with(by_id_, family, dst, spi, [&is_found](std::uint32_t) {
    is_found = true;
    return false;
  });
  return is_found;
}

bool SaSlots::is_going(const SaId& id) const {
  bool is_found = false;
  for_each_with(going_by_id_, id.family, id.dst, id.spi, [&is_found](std::uint32_t) {
    is_found = true;
    return false;
  });
  return is_found;
}

std::span<const std::byte> SaSlots::key(std::uint32_t slot) const {
  const KeySlot& key = keys_[slot];
  if (key.generation != specs_[slot].generation) return {};
  return {key.key.data(), std::min(key.key_bytes, kMaxKeyBytes)};
}

void SaSlots::set_key(std::uint32_t slot, const Key& key) {
  KeySlot& target = keys_[slot];
  const std::span<const std::byte> bytes = key.bytes();
  target.generation = 0;
  target.key_bytes = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), kMaxKeyBytes));
  std::copy_n(bytes.begin(), target.key_bytes, target.key.begin());
  target.generation = specs_[slot].generation;
}

void SaSlots::wipe_key(std::uint32_t slot) {
  KeySlot& key = keys_[slot];
  sodium_memzero(key.key.data(), key.key.size());
  key.generation = 0;
  key.key_bytes = 0;
}

Sa SaSlots::sa(std::uint32_t slot) const {
  return sa_from(specs_[slot], record(slot), SaIndex{slot});
}

}  // namespace culvert
