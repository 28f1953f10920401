// SPDX-License-Identifier: BSD-3-Clause
// Transactions of the SA manager: what is told to the dataplane, when it counts, how it is undone,
// and when slots are free again.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "control/address_text.h"
#include "control/policy_text.h"
#include "control/sa_manager.h"

namespace culvert {
namespace {

// How long an SPI value is not issued again: packets of its last owner may still be under way.
constexpr std::chrono::seconds kSpiRest{30};

}  // namespace

void SaManager::begin() {
  assert(scope_ == Scope::none);
  scope_ = Scope::batch;
}

Result<void> SaManager::commit() {
  if (const Result<void> sent = flush(); !sent) {
    rollback();
    return sent;
  }
  settle(SlotState::live);
  const std::optional<std::uint64_t> answered = 0;
  for (const std::uint32_t slot : transaction_.removed_sas) retire(SlotKind::sa, slot, answered);
  for (const std::uint32_t slot : transaction_.removed_policies) {
    retire(SlotKind::policy, slot, answered);
  }
  const auto events = std::exchange(transaction_, Transaction{}).events;
  scope_ = Scope::none;
  // Listeners say of an SA that went what it was, its key too, as net/xfrm does: before the wiping.
  for (const auto& event : events) {
    for (SaListener* listener : listeners_) event(*listener);
  }
  collect_retired();
  return {};
}

void SaManager::rollback() {
  const bool was_sent = transaction_.was_sent;
  transaction_.queue.clear();
  transaction_.policies.clear();
  transaction_.weakened.clear();
  undo_all();
  if (transaction_.has_floors) floors_.discard();
  if (was_sent) {
    resolve_policies();
    // Refusals only say that it had not come to what is undone here. A dataplane that did not
    // answer before is not waited for again.
    const PushQueue::Outcome outcome = transaction_.is_unanswered
                                           ? transaction_.queue.hand_over(channel_)
                                           : transaction_.queue.send(channel_);
    note_sent(outcome);
    if (outcome.failure) spdlog::warn("while undoing: {}", outcome.failure->message);
    for (const auto& [slot, key_hash] : transaction_.forgotten_keys) {
      nonces_.remember(key_hash,
                       regions_.sa_states()[slot].sequence.load(std::memory_order_acquire));
    }
  }
  for (const std::uint32_t slot : transaction_.pushed_policies) {
    if (!policies_.is_listed(slot)) continue;
    PolicyRecord record = policies_.record(slot);
    record.needs_update = 0;
    policies_.set_record(slot, record);
  }
  const std::optional<std::uint64_t> sequence = transaction_.last_sequence;
  for (const std::uint32_t slot : transaction_.added_sas) retire(SlotKind::sa, slot, sequence);
  for (const std::uint32_t slot : transaction_.added_policies) {
    retire(SlotKind::policy, slot, sequence);
  }
  transaction_ = {};
  scope_ = Scope::none;
  collect_retired();
}

// Its identity or its key may be that of an SA that goes. Of keys that several SAs may share it is
// not known who has them.
bool SaManager::waits_for_removals(const SaId& id, TransformId transform,
                                   const KeyHash& key_hash) const {
  if (!transaction_.queue.has_sa_removals()) return false;
  return sas_.is_going(id) || !transform_info(transform)->is_counter_mode ||
         nonces_.user(key_hash).has_value();
}

// Listeners get the SA as it is when all is done; a removed one is there until they have heard.
void SaManager::tell(std::uint32_t slot, Told told) {
  transaction_.events.emplace_back([this, slot, told](SaListener& to) {
    if (to.hears_of_changes()) (to.*told)(sas_.sa(slot));
  });
}

void SaManager::undo_all() {
  const auto undo = std::exchange(transaction_.undo, {});
  for (auto step = undo.rbegin(); step != undo.rend(); ++step) (*step)();
}

// Tells the dataplane what has gathered. On an error the transaction is to be rolled back.
Result<void> SaManager::flush() {
  resolve_policies();
  if (transaction_.queue.empty()) return {};
  // Before an SA seals its first packet, its floor must be on disk.
  if (transaction_.has_floors) {
    if (const Result<void> saved = floors_.save(); !saved) return saved;
  }
  transaction_.was_sent = true;
  const PushQueue::Outcome outcome = transaction_.queue.send(channel_);
  transaction_.is_unanswered = outcome.failure.has_value();
  note_sent(outcome);
  if (!outcome.refused.empty()) return error_of(outcome, outcome.refused.front());
  if (outcome.failure) return *outcome.failure;
  release_keys_of_removed();
  return {};
}

// What was refused is named: it may be one of many.
Error SaManager::error_of(const PushQueue::Outcome& outcome, const Refused& refused) const {
  Error error = refusal_error(refused.refusal);
  if (const auto slot = PushQueue::sa_of(outcome, refused)) {
    const SaSpec& spec = sas_.spec(*slot);
    error.message = fmt::format("spi {:#x} to {}: {}", spec.spi,
                                address_text(spec.family, spec.dst), error.message);
  }
  if (const auto slot = PushQueue::policy_of(outcome, refused)) {
    error.message = policy_name_text(policies_.policy(*slot)) + ": " + error.message;
  }
  return error;
}

void SaManager::note_sent(const PushQueue::Outcome& outcome) {
  if (!outcome.is_handed_over) transaction_.last_sequence.reset();
  if (transaction_.last_sequence) {
    transaction_.last_sequence = std::max(*transaction_.last_sequence, outcome.last_sequence);
  }
}

// Gives outbound policies their SAs as they are now, and queues those that changed.
void SaManager::resolve_policies() {
  for (const auto& [slot, must_push] : std::exchange(transaction_.policies, {})) {
    if (!policies_.is_listed(slot)) continue;
    PolicyRecord record = policies_.record(slot);
    PolicySpec& spec = policies_.spec(slot);
    const PolicySas found = resolve(record, spec.selector, sas_);
    const bool spreads = record.spreads != 0 ||
                         (record.origin == PolicyOrigin::xfrm && options_.spreads_xfrm_policies);
    const bool is_same = spec.sa_count == found.count && spec.sas == found.slots &&
                         spec.spreads == (spreads ? 1 : 0);
    if (!must_push && is_same) continue;
    record.needs_update = 1;
    policies_.set_record(slot, record);
    spec.sas = found.slots;
    spec.sa_count = found.count;
    spec.spreads = spreads ? 1 : 0;
    if (const auto weakened = transaction_.weakened.find(slot);
        weakened != transaction_.weakened.end()) {
      transaction_.queue.weaken_policy(slot, spec, weakened->second);
      transaction_.weakened.erase(weakened);
    } else {
      transaction_.queue.set_policy(slot, spec);
    }
    transaction_.pushed_policies.push_back(slot);
  }
}

// What the dataplane has let go of leaves only the number that was used last under its key.
void SaManager::release_keys_of_removed() {
  for (; transaction_.released_sas < transaction_.removed_sas.size(); ++transaction_.released_sas) {
    const std::uint32_t slot = transaction_.removed_sas[transaction_.released_sas];
    const std::span<const std::byte> key = sas_.key(slot);
    if (!key.empty()) nonces_.release(nonce_hash(slot), slot, last_sequence(slot));
  }
}

// The dataplane has acknowledged: what was added is there, what was changed is changed.
void SaManager::settle(SlotState state) {
  const auto settle_sa = [this, state](std::uint32_t slot) {
    SaRecord record = sas_.record(slot);
    record.state = state;
    record.needs_update = 0;
    record.was_installed = 1;
    sas_.set_record(slot, record);
  };
  const auto is_larval = [this](std::uint32_t slot) {
    return sas_.record(slot).state == SlotState::larval;
  };
  for (const std::uint32_t slot : transaction_.added_sas) settle_sa(slot);
  for (const std::uint32_t slot : transaction_.completed_sas) settle_sa(slot);
  for (const std::uint32_t slot : transaction_.changed_sas) {
    if (!is_larval(slot)) settle_sa(slot);
  }
  const auto settle_policy = [this, state](std::uint32_t slot) {
    PolicyRecord record = policies_.record(slot);
    record.state = state;
    record.needs_update = 0;
    policies_.set_record(slot, record);
  };
  for (const std::uint32_t slot : transaction_.added_policies) settle_policy(slot);
  for (const std::uint32_t slot : transaction_.pushed_policies) settle_policy(slot);
}

void SaManager::retire(SlotKind kind, std::uint32_t slot, std::optional<std::uint64_t> sequence) {
  if (kind == SlotKind::sa) {
    SaRecord record = sas_.record(slot);
    if (record.spi_was_allocated != 0) {
      const std::uint32_t spi = sas_.spec(slot).spi;
      resting_spis_[spi] = now() + kSpiRest;
      resting_order_.push_back(spi);
    }
    record.state = SlotState::removing;
    sas_.set_record(slot, record);
  } else {
    PolicyRecord record = policies_.record(slot);
    record.state = SlotState::removing;
    policies_.set_record(slot, record);
  }
  retired_.push_back({kind, slot, sequence});
}

void SaManager::collect_retired() {
  std::erase_if(retired_, [this](const Retired& retired) {
    const bool is_gone = retired.sequence && channel_.is_answered(*retired.sequence);
    if (!is_gone) return false;
    if (retired.kind == SlotKind::sa) {
      free_sa_slot(retired.slot);
    } else {
      policies_.give_back(retired.slot);
    }
    return true;
  });
}

void SaManager::free_sa_slot(std::uint32_t slot) {
  const std::span<const std::byte> key = sas_.key(slot);
  if (key.empty()) {  // larval
    sas_.give_back(slot);
    return;
  }
  const KeyHash key_hash = nonce_hash(slot);
  const std::uint64_t sequence = last_sequence(slot);
  nonces_.release(key_hash, slot, sequence);
  if (const auto manual = manual_.find(slot); manual != manual_.end()) {
    floors_.settle(manual->second.name, sequence);
    manual_.erase(manual);
  }
  sas_.give_back(slot, key_hash, sequence);
}

// Removals that could not be handed over, because the dataplane did not answer, or because control
// died before.
void SaManager::send_removals_again() {
  for (Retired& retired : retired_) {
    if (retired.sequence) continue;
    const bool is_sa = retired.kind == SlotKind::sa;
    const std::uint32_t generation = is_sa ? sas_.record(retired.slot).last_generation
                                           : policies_.record(retired.slot).last_generation;
    const Result<std::uint64_t> sequence =
        channel_.push({.op = is_sa ? RequestOp::sa_delete : RequestOp::policy_delete,
                       .index = retired.slot,
                       .generation = generation});
    if (!sequence) break;
    retired.sequence = *sequence;
  }
  channel_.kick();
}

}  // namespace culvert
