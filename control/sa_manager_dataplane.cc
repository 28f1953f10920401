// SPDX-License-Identifier: BSD-3-Clause
// The SA manager after a restart of control or of the dataplane, and as time goes by.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "control/sa_manager.h"

namespace culvert {
namespace {

// Policies and SAs that lie in the regions; nothing does before the first request.
bool is_untouched(const Regions& regions) {
  return regions.requests().requests_produced.load(std::memory_order_relaxed) == 0;
}

}  // namespace

void SaManager::load_sas() {
  const bool skip = is_untouched(regions_);
  using SlotsByAge = std::vector<std::pair<std::uint64_t, std::uint32_t>>;
  SlotsByAge by_age;
  SlotsByAge free_by_age;
  for (std::uint32_t slot = 0; slot < sas_.capacity(); ++slot) {
    if (skip) {
      sas_.put_back_free(slot);
      continue;
    }
    const SaRecord record = sas_.record(slot);
    if (record.tombstone_key != KeyHash{}) {
      nonces_.remember(record.tombstone_key, record.tombstone_sequence);
    }
    switch (sas_.load(slot)) {
      case SaSlots::Found::live:
        load_key(slot);
        by_age.emplace_back(record.age, slot);
        break;
      case SaSlots::Found::larval:
        by_age.emplace_back(record.age, slot);
        break;
      case SaSlots::Found::unfinished:
        load_key(slot);
        retire(SlotKind::sa, slot, std::nullopt);
        break;
      case SaSlots::Found::free:
        free_by_age.emplace_back(record.age, slot);
        break;
    }
  }
  // As before: the tombstone that is freshest goes last.
  std::sort(free_by_age.begin(), free_by_age.end());
  for (const auto& [age, slot] : free_by_age) sas_.put_back_free(slot);
  std::sort(by_age.begin(), by_age.end());
  for (const auto& [age, slot] : by_age) {
    sas_.list(slot);
    set_timer(slot);
  }
}

void SaManager::load_key(std::uint32_t slot) {
  const std::span<const std::byte> key = sas_.key(slot);
  if (key.empty()) return;
  claim(slot, nonce_hash(slot));
  const auto transform = static_cast<TransformId>(sas_.spec(slot).transform);
  if (!has_floor(sas_.record(slot).origin, transform, sas_.spec(slot).direction)) return;
  if (const Result<KeyHash> name = floor_name(transform, key)) {
    manual_[slot] = {.name = *name, .noted = last_sequence(slot)};
    floors_.note_use(*name, manual_[slot].noted);
  } else {
    spdlog::warn("{}", name.error().message);
  }
}

void SaManager::load_policies() {
  const bool skip = is_untouched(regions_);
  for (std::uint32_t slot = 0; slot < policies_.capacity(); ++slot) {
    switch (skip ? PolicySlots::Found::free : policies_.load(slot)) {
      case PolicySlots::Found::live:
        policies_.list(slot);
        break;
      case PolicySlots::Found::unfinished:
        retire(SlotKind::policy, slot, std::nullopt);
        break;
      case PolicySlots::Found::free:
        policies_.put_back_free(slot);
        break;
    }
  }
}

Result<void> SaManager::reconcile() {
  // What the control before this one asked for last: its answers matter to nobody, its effects do.
  if (const auto settled = channel_.finish(0); !settled)
    spdlog::warn("{}", settled.error().message);
  const DataplanePhase phase = regions_.state().status.phase.load(std::memory_order_acquire);
  // Before its first commit it may know part of it only.
  if (phase != DataplanePhase::forwarding && phase != DataplanePhase::replay_done) {
    return push_everything();
  }
  PushQueue queue;
  for (std::uint32_t slot = sas_.next_listed(0); slot != kNoSlot;
       slot = sas_.next_listed(slot + 1)) {
    const SaRecord record = sas_.record(slot);
    if (record.state == SlotState::larval) continue;
    const std::uint32_t generation = sas_.spec(slot).generation;
    if (regions_.sa_states()[slot].generation != generation) {
      go_on_behind_used(slot);
      queue.add_sa(slot, generation);
    } else if (record.needs_update != 0) {
      queue.update_sa(slot, generation);
    } else {
      continue;
    }
    transaction_.changed_sas.push_back(slot);
  }
  for (std::uint32_t slot = policies_.next_listed(0); slot != kNoSlot;
       slot = policies_.next_listed(slot + 1)) {
    const bool is_there =
        regions_.policy_states()[slot].generation == policies_.spec(slot).generation;
    const bool is_right = is_there && policies_.record(slot).needs_update == 0;
    transaction_.policies[slot] = !is_right;
  }
  return send_state(queue);
}

// Control may have died when the dataplane had done a removal and nobody had noted it: such an SA
// comes again, and no number that was used under its key may.
void SaManager::go_on_behind_used(std::uint32_t slot) {
  SaSpec& spec = sas_.spec(slot);
  spec.sequence = std::max(last_sequence(slot), nonces_.last_sequence(nonce_hash(slot)));
}

Result<void> SaManager::push_everything() {
  PushQueue queue;
  for (std::uint32_t slot = sas_.next_listed(0); slot != kNoSlot;
       slot = sas_.next_listed(slot + 1)) {
    if (sas_.record(slot).state == SlotState::larval) continue;
    const std::uint32_t generation = sas_.spec(slot).generation;
    // Otherwise its state is there, and is taken up.
    if (regions_.sa_states()[slot].generation != generation) go_on_behind_used(slot);
    queue.add_sa(slot, generation);
    transaction_.changed_sas.push_back(slot);
  }
  for (std::uint32_t slot = policies_.next_listed(0); slot != kNoSlot;
       slot = policies_.next_listed(slot + 1)) {
    transaction_.policies[slot] = true;
  }
  return send_state(queue);
}

// Sends what `queue` and the open policies say, with the default policy before it and removals that
// are still to be sent behind it. A refused SA or policy does not keep back the others.
Result<void> SaManager::send_state(PushQueue& queue) {
  queue.set_default(default_action());
  for (const Retired& retired : retired_) {
    if (retired.sequence) continue;
    if (retired.kind == SlotKind::sa) {
      queue.remove_sa(retired.slot, sas_.record(retired.slot).last_generation);
    } else {
      queue.remove_policy(retired.slot, policies_.record(retired.slot).last_generation);
    }
  }
  std::swap(transaction_.queue, queue);
  resolve_policies();
  const PushQueue::Outcome outcome = transaction_.queue.send(channel_);
  if (outcome.is_handed_over) {
    for (Retired& retired : retired_) {
      if (!retired.sequence) retired.sequence = outcome.last_sequence;
    }
  }
  if (!outcome.failure) settle(SlotState::live);
  transaction_ = {};
  collect_retired();
  if (outcome.failure) return *outcome.failure;
  // What was there already, or was gone already, is as it was wanted.
  for (const Refused& refused : outcome.refused) {
    if (refused.refusal != Refusal::slot_in_use && refused.refusal != Refusal::slot_empty &&
        refused.refusal != Refusal::bad_generation) {
      return refusal_error(refused.refusal);
    }
  }
  return {};
}

void SaManager::poll() {
  send_removals_again();
  collect_retired();
  expire_larvals();
  if (options_.watches_lifetimes) watch_lifetimes();
  raise_floors();
  const std::chrono::nanoseconds present = now();
  while (!resting_order_.empty()) {
    // An SPI that came and went twice is in the order twice, and rests until the later time.
    const auto resting = resting_spis_.find(resting_order_.front());
    if (resting != resting_spis_.end()) {
      if (resting->second > present) break;
      resting_spis_.erase(resting);
    }
    resting_order_.pop_front();
  }
}

void SaManager::expire_larvals() {
  const auto present = static_cast<std::uint64_t>(now().count());
  std::vector<std::uint32_t> expired;
  for (const std::uint32_t slot : sas_.larvals()) {
    if (sas_.record(slot).larval_until_ns <= present) expired.push_back(slot);
  }
  std::sort(expired.begin(), expired.end());
  for (const std::uint32_t slot : expired) expire(slot);
}

void SaManager::raise_floors() {
  for (auto& [slot, manual] : manual_) {
    const std::uint64_t sequence = last_sequence(slot);
    if (sequence == std::exchange(manual.noted, sequence)) continue;
    floors_.note_use(manual.name, sequence);
  }
  if (const Result<void> saved = floors_.save(); !saved) {
    spdlog::error("{}", saved.error().message);
  }
}

}  // namespace culvert
