// SPDX-License-Identifier: BSD-3-Clause
#include "control/policy_slots.h"

#include <algorithm>

#include "control/sa_plan.h"

namespace culvert {
namespace {

// Does an outbound policy with a template of its own look for SAs?
bool wants_sas(const PolicyRecord& record) {
  return record.direction == PolicyDirection::out && record.verdict == PolicyVerdict::allow &&
         record.template_count > 0;
}

SaPair pair_of(const Template& wanted) {
  return {wanted.dst, wanted.reqid};
}

// In transport mode the ends of the SA are those of the packet (net/xfrm), so of the selector.
Template template_of(const PolicyRecord& policy, const Selector& selector) {
  Template wanted = policy.templates[0];
  if (wanted.mode != XfrmMode::transport) return wanted;
  if (is_one_address(selector.family, selector.dst_prefix_bits)) wanted.dst = selector.dst;
  wanted.src =
      is_one_address(selector.family, selector.src_prefix_bits) ? selector.src : IpAddress{};
  return wanted;
}

bool takes(const PolicyRecord& policy, const Template& wanted, const SaSpec& spec,
           const SaRecord& record) {
  return record.state != SlotState::larval && spec.direction == Direction::out &&
         record.mode == wanted.mode && spec.if_id == policy.if_id &&
         (wanted.src == IpAddress{} || wanted.src == spec.src) &&
         (wanted.spi == Spi{} || wanted.spi.raw() == spec.spi) &&
         mark_finds(policy.policy_mark, {spec.mark_value, spec.mark_mask});
}

}  // namespace

PolicySlots::PolicySlots(Regions& regions)
    : specs_(regions.policy_specs()),
      notes_(regions.policy_notes()),
      free_(regions.sizes().max_policies),
      by_selector_(regions.sizes().max_policies),
      by_index_(regions.sizes().max_policies),
      by_pair_(regions.sizes().max_policies),
      listed_(regions.sizes().max_policies),
      wanted_(regions.sizes().max_policies) {}

PolicySlots::Found PolicySlots::load(std::uint32_t slot) {
  const PolicyRecord found = record(slot);
  order_ = std::max(order_, specs_[slot].order);
  switch (found.state) {
    case SlotState::live:
      if (specs_[slot].generation == 0 || specs_[slot].generation != found.last_generation) {
        return Found::unfinished;
      }
      index_generator_ = std::max(index_generator_, (found.index & ~7u) + 8);
      return Found::live;
    case SlotState::adding:
    case SlotState::larval:
    case SlotState::removing:
      return Found::unfinished;
    case SlotState::free:
      break;
  }
  return Found::free;
}

std::uint32_t PolicySlots::take() {
  const std::optional<std::uint32_t> slot = free_.take();
  if (!slot) return kNoSlot;
  const std::uint32_t last = record(*slot).last_generation;
  const std::uint32_t generation = last + 1 == 0 ? 1 : last + 1;
  set_record(*slot, {.last_generation = generation, .state = SlotState::adding});
  specs_[*slot] = PolicySpec{.generation = generation};
  return *slot;
}

void PolicySlots::give_back(std::uint32_t slot) {
  const std::uint32_t generation = record(slot).last_generation;
  specs_[slot] = PolicySpec{};
  set_record(slot, {.last_generation = generation, .state = SlotState::free});
  free_.put(slot);
}

void PolicySlots::list(std::uint32_t slot) {
  const PolicyRecord entry = record(slot);
  by_selector_.insert(slot,
                      selector_hash(entry.direction, specs_[slot].selector, specs_[slot].ranges));
  by_index_.insert(slot, index_hash(entry.index));
  if (wants_sas(entry)) {
    wanted_[slot] = template_of(entry, specs_[slot].selector);
    by_pair_.insert(slot, hash_(pair_of(wanted_[slot])));
  }
  listed_.set(slot);
  if (entry.origin == PolicyOrigin::xfrm) ++counts_[static_cast<std::size_t>(entry.direction)];
}

void PolicySlots::delist(std::uint32_t slot) {
  const PolicyRecord entry = record(slot);
  by_selector_.erase(slot,
                     selector_hash(entry.direction, specs_[slot].selector, specs_[slot].ranges));
  by_index_.erase(slot, index_hash(entry.index));
  if (wants_sas(entry)) by_pair_.erase(slot, hash_(pair_of(wanted_[slot])));
  listed_.clear(slot);
  if (entry.origin == PolicyOrigin::xfrm) --counts_[static_cast<std::size_t>(entry.direction)];
}

std::uint32_t PolicySlots::find(const PolicyId& id) const {
  for (std::uint32_t slot = by_selector_.first(selector_hash(id.direction, id.selector, id.ranges));
       slot != kNoSlot; slot = by_selector_.next(slot)) {
    const PolicyRecord other = record(slot);
    if (other.direction == id.direction && other.type == id.type && other.if_id == id.if_id &&
        other.policy_mark == id.mark && other.selector_interface == id.selector_interface &&
        other.selector_user == id.selector_user && other.origin == id.origin &&
        specs_[slot].selector == id.selector && specs_[slot].ranges == id.ranges) {
      return slot;
    }
  }
  return kNoSlot;
}

std::uint32_t PolicySlots::find_index(std::uint32_t index) const {
  for (std::uint32_t slot = by_index_.first(index_hash(index)); slot != kNoSlot;
       slot = by_index_.next(slot)) {
    if (record(slot).index == index) return slot;
  }
  return kNoSlot;
}

std::uint32_t PolicySlots::find(PolicyDirection direction, std::uint32_t index) const {
  const std::uint32_t slot = find_index(index);
  return slot != kNoSlot && record(slot).direction == direction ? slot : kNoSlot;
}

std::uint32_t PolicySlots::new_index(PolicyDirection direction, std::uint32_t wanted) {
  std::uint32_t index = wanted;
  while (index == 0 || find_index(index) != kNoSlot) {
    index = index_generator_ | static_cast<std::uint32_t>(direction);
    index_generator_ += 8;
  }
  return index;
}

std::uint64_t PolicySlots::selector_hash(PolicyDirection direction, const Selector& selector,
                                         const SelectorRanges& ranges) const {
  struct {
    Selector selector;
    SelectorRanges ranges;
    std::uint32_t direction;
  } const key{selector, ranges, static_cast<std::uint32_t>(direction)};
  return hash_(key);
}

PolicyId id_of(const Policy& policy) {
  return {.direction = policy.direction,
          .selector = policy.selector,
          .ranges = policy.ranges,
          .selector_interface = policy.selector_interface,
          .selector_user = policy.selector_user,
          .mark = policy.mark,
          .if_id = policy.if_id,
          .type = policy.type,
          .origin = policy.origin};
}

PolicySas resolve(const PolicyRecord& policy, const Selector& selector, const SaSlots& sas) {
  PolicySas found;
  if (!wants_sas(policy)) return found;
  const Template wanted = template_of(policy, selector);
  sas.for_each_of(pair_of(wanted), [&](std::uint32_t slot) {
    if (takes(policy, wanted, sas.spec(slot), sas.record(slot))) {
      found.slots[found.count++] = slot;
    }
    return found.count < kMaxPolicySas;
  });
  return found;
}

}  // namespace culvert
