// SPDX-License-Identifier: BSD-3-Clause
// The SPD side of the SA manager: NEWPOLICY, UPDPOLICY, DELPOLICY, FLUSHPOLICY, SETDEFAULT.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <unordered_set>
#include <utility>

#include "control/policy_text.h"
#include "control/sa_manager.h"
#include "control/slot_note.h"

namespace culvert {
namespace {

// As net/xfrm completes what is left open: a template without a family has the policy's.
Policy completed(Policy policy) {
  policy.family = policy.selector.family;
  for (Template& wanted : policy.templates) {
    if (wanted.family == Family::none) wanted.family = policy.family;
  }
  return policy;
}

// Equal in all that can be given, whoever gave it.
bool is_same_policy(const Policy& had, Policy wanted) {
  if (wanted.index == 0) wanted.index = had.index;
  wanted.add_time_seconds = had.add_time_seconds;
  wanted.slot = had.slot;
  wanted.is_from_batch = had.is_from_batch;
  return wanted == had;
}

}  // namespace

Result<Policy> SaManager::add_policy(const Policy& policy) {
  return atomically<Result<Policy>>([&] { return put_policy_within(policy, Exclusive::yes); });
}

Result<Policy> SaManager::update_policy(const Policy& policy) {
  return atomically<Result<Policy>>([&] { return put_policy_within(policy, Exclusive::no); });
}

Result<Policy> SaManager::put_policy_within(const Policy& asked, Exclusive exclusive) {
  Policy policy = completed(asked);
  if (const Result<void> checked = check_policy(policy); !checked) return checked.error();
  if (const std::uint32_t existing = policies_.find(id_of(policy)); existing != kNoSlot) {
    if (scope_ == Scope::batch && is_same_policy(policies_.policy(existing), policy)) {
      return policies_.policy(existing);
    }
    if (exclusive == Exclusive::yes) {
      return Error{EEXIST, policy_name_text(policy) +
                               ": a policy with this selector, direction, "
                               "mark and if_id exists"};
    }
    replace_within(existing, policy);
    return policies_.policy(existing);
  }
  const std::uint32_t slot = policies_.take();
  if (slot == kNoSlot) {
    return Error{ENOBUFS, fmt::format("all {} policies are in use: raise [dataplane] max_policies",
                                      policies_.capacity())};
  }
  policy.index = policies_.new_index(policy.direction, policy.index);
  PolicyRecord record = policies_.record(slot);
  describe(policy, record);
  record.add_time_seconds = now_seconds();
  PolicySpec& spec = policies_.spec(slot);
  describe(policy, spec);
  // Among equal priorities the older policy is tried first (xfrm_policy_insert_list).
  spec.order = policies_.next_order();
  policies_.set_record(slot, record);
  policies_.list(slot);
  transaction_.policies[slot] = true;
  transaction_.added_policies.push_back(slot);
  transaction_.undo.emplace_back([this, slot] {
    policies_.delist(slot);
    transaction_.queue.remove_policy(slot, policies_.spec(slot));
  });
  const Policy result = policies_.policy(slot);
  transaction_.events.emplace_back([result](SaListener& to) { to.on_policy_added(result); });
  return result;
}

// The new policy has the old one's index, and its place if the priority is the same; the dataplane
// changes from one to the other in one step.
void SaManager::replace_within(std::uint32_t slot, const Policy& asked) {
  const PolicySpec old_spec = policies_.spec(slot);
  const PolicyRecord old_record = policies_.record(slot);
  Policy policy = asked;
  policy.index = old_record.index;
  policies_.delist(slot);
  PolicyRecord record = old_record;
  describe(policy, record);
  record.add_time_seconds = now_seconds();
  record.needs_update = 1;
  PolicySpec spec = old_spec;
  describe(policy, spec);
  if (policy.priority != old_spec.priority) spec.order = policies_.next_order();
  policies_.set_record(slot, record);
  policies_.spec(slot) = spec;
  policies_.list(slot);
  note_replaced(slot, old_spec);
  transaction_.undo.emplace_back([this, slot, old_spec, old_record] {
    const PolicySpec undone = policies_.spec(slot);
    policies_.delist(slot);
    policies_.spec(slot) = old_spec;
    policies_.set_record(slot, old_record);
    policies_.list(slot);
    note_replaced(slot, undone);
  });
  const Policy result = policies_.policy(slot);
  transaction_.events.emplace_back([result](SaListener& to) { to.on_policy_updated(result); });
}

void SaManager::note_replaced(std::uint32_t slot, const PolicySpec& before) {
  transaction_.policies[slot] = true;
  if (strength_of(before) < strength_of(policies_.spec(slot))) {
    transaction_.weakened.try_emplace(slot, strength_of(before));
  }
}

Result<Policy> SaManager::remove_policy(const PolicyId& id) {
  return remove_policy_at(policies_.find(id));
}

Result<Policy> SaManager::remove_policy(PolicyDirection direction, std::uint32_t index) {
  return remove_policy_at(policies_.find(direction, index));
}

Result<Policy> SaManager::remove_policy_at(std::uint32_t slot) {
  if (slot == kNoSlot) return Error{ENOENT, "no policy with this selector or index"};
  return atomically<Result<Policy>>([&]() -> Result<Policy> {
    const Policy policy = policies_.policy(slot);
    remove_policy_within(slot);
    transaction_.events.emplace_back([policy](SaListener& to) { to.on_policy_deleted(policy); });
    return policy;
  });
}

void SaManager::remove_policy_within(std::uint32_t slot) {
  policies_.delist(slot);
  transaction_.queue.remove_policy(slot, policies_.spec(slot));
  transaction_.removed_policies.push_back(slot);
  transaction_.undo.emplace_back([this, slot] {
    policies_.list(slot);
    transaction_.policies[slot] = true;
  });
}

Result<std::size_t> SaManager::flush_policies(std::uint8_t type) {
  if (type != kPolicyTypeMain) return std::size_t{0};
  return atomically<Result<std::size_t>>([&]() -> Result<std::size_t> {
    std::size_t count = 0;
    for (std::uint32_t slot = policies_.next_listed(0); slot != kNoSlot;
         slot = policies_.next_listed(slot + 1)) {
      if (policies_.record(slot).origin != PolicyOrigin::xfrm) continue;
      remove_policy_within(slot);
      ++count;
    }
    if (count > 0) {
      transaction_.events.emplace_back([type](SaListener& to) { to.on_policies_flushed(type); });
    }
    return count;
  });
}

// Those that stay as they are keep their counters and their place among equals.
Result<void> SaManager::set_configured_policies(std::span<const Policy> policies) {
  begin();
  std::unordered_set<std::uint32_t> kept;
  for (const Policy& policy : policies) {
    const Result<Policy> put = put_policy_within(policy, Exclusive::no);
    if (!put) {
      rollback();
      return Error{put.error().code,
                   fmt::format("{}: {}", policy_name_text(policy), put.error().message)};
    }
    kept.insert(put->slot);
  }
  for (std::uint32_t slot = policies_.next_listed(0); slot != kNoSlot;
       slot = policies_.next_listed(slot + 1)) {
    if (policies_.record(slot).origin != PolicyOrigin::configuration || kept.contains(slot)) {
      continue;
    }
    const Policy policy = policies_.policy(slot);
    remove_policy_within(slot);
    transaction_.events.emplace_back([policy](SaListener& to) { to.on_policy_deleted(policy); });
  }
  return commit();
}

Result<void> SaManager::set_default_verdicts(const DefaultVerdicts& verdicts) {
  return atomically<Result<void>>([&]() -> Result<void> { return set_defaults_within(verdicts); });
}

Result<void> SaManager::set_defaults_within(const DefaultVerdicts& verdicts) {
  const DefaultVerdicts old = default_verdicts_;
  keep_defaults(verdicts);
  transaction_.queue.set_default(default_action());
  transaction_.undo.emplace_back([this, old] {
    keep_defaults(old);
    transaction_.queue.set_default(default_action());
  });
  transaction_.events.emplace_back([](SaListener& to) { to.on_default_policy_set(); });
  return {};
}

Result<void> SaManager::set_configured_default(PolicyVerdict verdict) {
  if (options_.default_verdict == verdict) return {};
  return atomically<Result<void>>([&]() -> Result<void> {
    const PolicyVerdict old = std::exchange(options_.default_verdict, verdict);
    DefaultVerdicts verdicts;
    verdicts.fill(verdict);
    const auto set = set_defaults_within(verdicts);
    transaction_.undo.emplace_back([this, old] { options_.default_verdict = old; });
    return set;
  });
}

void SaManager::load_defaults() {
  default_verdicts_.fill(options_.default_verdict);
  const auto record = read_record<DefaultsRecord>(regions_.requests().note);
  if (record.mark == kNoteMark && record.configured == options_.default_verdict) {
    default_verdicts_ = record.verdicts;
  }
}

void SaManager::keep_defaults(const DefaultVerdicts& verdicts) {
  default_verdicts_ = verdicts;
  const DefaultsRecord record{.configured = options_.default_verdict, .verdicts = verdicts};
  write_record(regions_.requests().note, record);
}

PolicyAction SaManager::default_action() const {
  const bool blocks =
      std::any_of(default_verdicts_.begin(), default_verdicts_.end(),
                  [](PolicyVerdict verdict) { return verdict == PolicyVerdict::block; });
  return blocks ? PolicyAction::discard : PolicyAction::bypass;
}

}  // namespace culvert
