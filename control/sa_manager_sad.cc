// SPDX-License-Identifier: BSD-3-Clause
// The SAD side of the SA manager: NEWSA, UPDSA, DELSA, FLUSHSA, ALLOCSPI.
#include <fmt/format.h>
#include <sodium.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "control/address_text.h"
#include "control/sa_algorithms.h"
#include "control/sa_manager.h"

namespace culvert {
namespace {

// XFRM's IPSEC_PROTO_ANY, and 0, which iproute2 sends for "all".
constexpr std::uint8_t kProtocolAny = 255;

std::string text_of(const SaId& id) {
  return fmt::format("spi {:#x} to {}", id.spi.raw(), address_text(id.family, id.dst));
}

Error no_such_sa(const SaId& id) {
  return {ESRCH, text_of(id) + ": no such SA"};
}

Error table_full(std::uint32_t capacity) {
  return {ENOBUFS, fmt::format("all {} SAs are in use: raise [dataplane] max_sas", capacity)};
}

// copy_from_user_state: an SA without a selector of its own takes its own family, unless told not
// to.
bool lacks_selector_family(const Sa& sa) {
  return sa.selector.family == Family::none && (sa.flags & kStateAfUnspec) == 0;
}

Sa with_selector_family(Sa sa) {
  if (lacks_selector_family(sa)) sa.selector.family = sa.id.family;
  return sa;
}

}  // namespace

Result<Sa> SaManager::add(const Sa& sa, const Key& key) {
  const Result<SaIndex> added = add_one(sa, key);
  if (!added) return added.error();
  return sas_.sa(added->raw());
}

Result<SaIndex> SaManager::add_one(const Sa& sa, const Key& key) {
  const auto added = atomically<Result<std::uint32_t>>([&] {
    return lacks_selector_family(sa) ? add_within(with_selector_family(sa), key)
                                     : add_within(sa, key);
  });
  if (!added) return added.error();
  return SaIndex{*added};
}

Result<std::uint32_t> SaManager::add_within(const Sa& asked, const Key& key) {
  const Result<SaPlan> plan = plan_sa(asked, key, options_);
  if (!plan) return plan.error();
  const KeyHash key_hash = nonce_hash(plan->transform, key.bytes());
  if (waits_for_removals(asked.id, plan->transform, key_hash)) {
    if (const Result<void> sent = flush(); !sent) return sent.error();
  }
  if (const std::uint32_t existing = sas_.find(asked.id); existing != kNoSlot) {
    if (scope_ == Scope::batch && is_same(existing, asked, plan->transform, key)) return existing;
    return Error{EEXIST, text_of(asked.id) +
                             ": an SA with this destination, SPI, protocol and "
                             "mark exists"};
  }
  if (const Result<void> free = check_claim(plan->transform, key_hash); !free) return free.error();
  const Result<std::uint64_t> sequence = first_sequence(asked, *plan, key, key_hash);
  if (!sequence) return sequence.error();
  const std::uint32_t slot = sas_.take();
  if (slot == kNoSlot) return table_full(sas_.capacity());

  fill(slot, asked, *plan, *sequence, key);
  claim(slot, key_hash);
  sas_.list(slot);
  mark_policies_wanting(slot);
  transaction_.queue.add_sa(slot, sas_.spec(slot).generation);
  transaction_.added_sas.push_back(slot);
  transaction_.undo.emplace_back([this, slot] {
    note_installed(slot);
    sas_.delist(slot);
    mark_policies_wanting(slot);
    transaction_.queue.remove_sa(slot, sas_.spec(slot).generation);
  });
  tell(slot, &SaListener::on_sa_added);
  return slot;
}

Result<Sa> SaManager::update(const Sa& sa, const Key& key) {
  return atomically<Result<Sa>>([&]() -> Result<Sa> {
    const Sa asked = with_selector_family(sa);
    const Result<SaPlan> plan = plan_sa(asked, key, options_);
    if (!plan) return plan.error();
    const std::uint32_t slot = sas_.find(asked.id);
    if (slot == kNoSlot) return no_such_sa(asked.id);
    const bool is_larval = sas_.record(slot).state == SlotState::larval;
    return is_larval ? complete_within(slot, asked, *plan, key) : change_within(slot, asked);
  });
}

// A larval SA becomes what the update says, as if added (xfrm_state_update inserts the new one and
// drops the larval one).
Result<Sa> SaManager::complete_within(std::uint32_t slot, const Sa& sa, const SaPlan& plan,
                                      const Key& key) {
  const KeyHash key_hash = nonce_hash(plan.transform, key.bytes());
  if (const Result<void> free = check_claim(plan.transform, key_hash); !free) return free.error();
  const Result<std::uint64_t> sequence = first_sequence(sa, plan, key, key_hash);
  if (!sequence) return sequence.error();

  const SaSpec old_spec = sas_.spec(slot);
  const SaRecord old_record = sas_.record(slot);
  sas_.delist(slot);
  fill(slot, sa, plan, *sequence, key);
  claim(slot, key_hash);
  sas_.list(slot);
  mark_policies_wanting(slot);
  transaction_.queue.add_sa(slot, sas_.spec(slot).generation);
  transaction_.completed_sas.push_back(slot);
  transaction_.undo.emplace_back(
      [this, slot, old_spec, old_record] { undo_completion(slot, old_spec, old_record); });
  tell(slot, &SaListener::on_sa_updated);
  return sas_.sa(slot);
}

// What xfrm_state_update lets a live SA change: encapsulation of the same type, care-of address,
// lifetimes, output mark and if_id. The rest of what was given, keys too, it passes over.
Result<Sa> SaManager::change_within(std::uint32_t slot, const Sa& asked) {
  const SaSpec old_spec = sas_.spec(slot);
  const SaRecord old_record = sas_.record(slot);
  Sa sa = sas_.sa(slot);
  if (sa.encap.has_value() != asked.encap.has_value() ||
      (sa.encap && sa.encap->type != asked.encap->type)) {
    return Error{EINVAL, text_of(asked.id) +
                             ": encapsulation cannot be added, taken away or made "
                             "another type; delete the SA and add it anew"};
  }
  sa.encap = asked.encap;
  if (sa.coaddr && asked.coaddr) sa.coaddr = asked.coaddr;
  sa.lifetimes = asked.lifetimes;
  if (asked.set_mark && *asked.set_mark != Mark{}) sa.set_mark = asked.set_mark;
  if (asked.if_id != 0) sa.if_id = asked.if_id;

  SaRecord record = old_record;
  if (sa.lifetimes != sas_.sa(slot).lifetimes) record.soft_limit_raised = 0;
  describe(sa, record);
  SaSpec spec = old_spec;
  describe(sa, spec);
  // Both stem from one copy, so that padding is alike too.
  if (std::memcmp(&spec, &old_spec, sizeof spec) != 0) {
    record.needs_update = 1;
    transaction_.queue.update_sa(slot, spec.generation);
    transaction_.changed_sas.push_back(slot);
  }
  sas_.set_record(slot, record);
  sas_.spec(slot) = spec;
  set_timer(slot);
  mark_policies_wanting(slot);
  transaction_.undo.emplace_back([this, slot, old_spec, old_record] {
    sas_.spec(slot) = old_spec;
    sas_.set_record(slot, old_record);
    mark_policies_wanting(slot);
    transaction_.queue.update_sa(slot, old_spec.generation);
  });
  tell(slot, &SaListener::on_sa_updated);
  return sas_.sa(slot);
}

Result<void> SaManager::advance(const SaId& id, std::uint64_t sequence) {
  return atomically<Result<void>>([&]() -> Result<void> {
    const std::uint32_t slot = sas_.find(id);
    if (slot == kNoSlot) return no_such_sa(id);
    if (sas_.record(slot).state == SlotState::larval) {
      return Error{EINVAL, text_of(id) + ": has no key yet, and no sequence numbers"};
    }
    SaSpec& spec = sas_.spec(slot);
    if (sequence <= spec.sequence) return {};
    SaRecord record = sas_.record(slot);
    record.needs_update = 1;
    sas_.set_record(slot, record);
    spec.sequence = sequence;
    transaction_.queue.update_sa(slot, spec.generation);
    transaction_.changed_sas.push_back(slot);
    return {};
  });
}

Result<void> SaManager::remove(const SaId& id) {
  return atomically<Result<void>>([&]() -> Result<void> {
    const std::uint32_t slot = sas_.find(id);
    if (slot == kNoSlot) return no_such_sa(id);
    if (sas_.record(slot).state == SlotState::larval) {
      // Once it is removed, nothing says that it was larval.
      transaction_.events.emplace_back(
          [sa = sas_.sa(slot)](SaListener& to) { to.on_sa_deleted(sa); });
    } else {
      tell(slot, &SaListener::on_sa_deleted);
    }
    remove_within(slot);
    return {};
  });
}

void SaManager::remove_within(std::uint32_t slot) {
  const bool is_larval = sas_.record(slot).state == SlotState::larval;
  sas_.delist(slot);
  sas_.note_going(slot);
  mark_policies_wanting(slot);
  if (!is_larval) transaction_.queue.remove_sa(slot, sas_.spec(slot).generation);
  transaction_.removed_sas.push_back(slot);
  transaction_.undo.emplace_back([this, slot] { undo_removal(slot); });
}

void SaManager::undo_removal(std::uint32_t slot) {
  if (sas_.record(slot).state != SlotState::larval) {
    if (transaction_.is_unanswered) {
      // Nobody knows which numbers it will have used when the dataplane comes to the removal. So it
      // stays removed.
      transaction_.added_sas.push_back(slot);
      return;
    }
    // It may have been gone meanwhile, and its key may have served another SA.
    go_on_behind_used(slot);
    claim(slot, nonce_hash(slot));
    transaction_.queue.add_sa(slot, sas_.spec(slot).generation);
  }
  sas_.list(slot);
  mark_policies_wanting(slot);
}

Result<std::size_t> SaManager::flush_sas(std::uint8_t protocol) {
  if (protocol != 0 && protocol != kProtocolAny && protocol != kProtocolEsp) return std::size_t{0};
  return atomically<Result<std::size_t>>([&]() -> Result<std::size_t> {
    std::size_t count = 0;
    for (std::uint32_t slot = sas_.next_listed(0); slot != kNoSlot;
         slot = sas_.next_listed(slot + 1)) {
      remove_within(slot);
      ++count;
    }
    if (count > 0) {
      transaction_.events.emplace_back([protocol](SaListener& to) { to.on_sas_flushed(protocol); });
    }
    return count;
  });
}

Result<Sa> SaManager::allocate_spi(const SpiRequest& request) {
  if (const Result<void> checked = check_spi_request(request); !checked) return checked.error();
  return atomically<Result<Sa>>([&]() -> Result<Sa> {
    const std::uint32_t spi = choose_spi(request);
    if (spi == 0) {
      return Error{ENOENT,
                   fmt::format("spi range {:#x} to {:#x}: none is free", request.min, request.max)};
    }
    const std::uint32_t slot = sas_.take();
    if (slot == kNoSlot) return table_full(sas_.capacity());
    Sa larval = request.larval;
    larval.id.spi = Spi{spi};
    // As __find_acq_core makes it: for these two ends alone, and not for long.
    larval.selector = {
        .src_prefix_bits = 32, .dst_prefix_bits = 32, .src = larval.src, .dst = larval.id.dst};
    larval.lifetimes.hard_add_expires_seconds =
        static_cast<std::uint64_t>(options_.acquire_expires.count());
    SaRecord record = sas_.record(slot);
    describe(larval, record);
    record.state = SlotState::larval;
    record.spi_was_allocated = 1;
    record.age = sas_.next_age();
    record.add_time_seconds = now_seconds();
    record.larval_until_ns = static_cast<std::uint64_t>((now() + options_.acquire_expires).count());
    describe(larval, sas_.spec(slot));
    sas_.set_record(slot, record);
    sas_.list(slot);
    transaction_.undo.emplace_back([this, slot] {
      sas_.delist(slot);
      transaction_.added_sas.push_back(slot);
    });
    return sas_.sa(slot);
  });
}

// A random one of the range, so that nobody can guess it; 0: none was free. As net/xfrm it gives up
// on a crowded range before having tried all of it.
std::uint32_t SaManager::choose_spi(const SpiRequest& request) {
  const std::uint32_t min = std::max(request.min, kFirstUsableSpi);
  const std::uint64_t range = std::uint64_t{request.max} - min + 1;
  const SaId& id = request.larval.id;
  const auto is_free = [&](std::uint32_t spi) {
    return !resting_spis_.contains(spi) && !sas_.has_spi(id.family, id.dst, Spi{spi});
  };
  constexpr std::uint64_t kMostTries = 1u << 16;
  if (range <= kMostTries) {
    const std::uint32_t first = randombytes_uniform(static_cast<std::uint32_t>(range));
    for (std::uint32_t i = 0; i < range; ++i) {
      const auto spi = static_cast<std::uint32_t>(min + (first + i) % range);
      if (is_free(spi)) return spi;
    }
    return 0;
  }
  for (std::uint64_t i = 0; i < kMostTries; ++i) {
    // 0 says 2^32, which a range that begins at 256 never is.
    const std::uint32_t spi = min + randombytes_uniform(static_cast<std::uint32_t>(range));
    if (is_free(spi)) return spi;
  }
  return 0;
}

void SaManager::fill(std::uint32_t slot, const Sa& sa, const SaPlan& plan, std::uint64_t sequence,
                     const Key& key) {
  SaRecord record = sas_.record(slot);
  record.state = SlotState::adding;
  sas_.set_record(slot, record);
  SaSpec& spec = sas_.spec(slot);
  describe(sa, spec);
  spec.direction = plan.direction;
  spec.transform = static_cast<std::uint8_t>(plan.transform);
  spec.flags = plan.flags;
  spec.replay_window = plan.replay_window;
  spec.keepalive_seconds = plan.keepalive_seconds;
  spec.dummies_per_second = plan.dummies_per_second;
  spec.sequence = sequence;
  sas_.set_key(slot, key);
  describe(sa, record);
  record.age = sas_.next_age();
  record.add_time_seconds = now_seconds();
  sas_.set_record(slot, record);
  set_timer(slot);
  warn_if_legacy(plan.transform);
  if (!has_floor(sa.origin, plan.transform, plan.direction)) return;
  if (const Result<KeyHash> name = floor_name(plan.transform, key.bytes())) {
    manual_[slot] = {.name = *name, .noted = sequence};
  }
}

void SaManager::undo_completion(std::uint32_t slot, const SaSpec& old_spec,
                                const SaRecord& old_record) {
  const KeyHash key_hash = nonce_hash(slot);
  const SaSpec& spec = sas_.spec(slot);
  std::uint64_t used = last_sequence(slot);
  // The dataplane may yet install it, for the moment until it comes to the removal.
  if (transaction_.is_unanswered && spec.direction == Direction::out) used += KeyFloors::kReserve;
  nonces_.release(key_hash, slot, used);
  if (regions_.sa_states()[slot].generation == spec.generation) {
    transaction_.forgotten_keys.emplace_back(slot, key_hash);
  }
  manual_.erase(slot);
  sas_.delist(slot);
  mark_policies_wanting(slot);
  transaction_.queue.remove_sa(slot, spec.generation);
  sas_.wipe_key(slot);
  sas_.spec(slot) = old_spec;
  sas_.set_record(slot, old_record);
  sas_.list(slot);
}

bool SaManager::is_same(std::uint32_t slot, const Sa& sa, TransformId transform,
                        const Key& key) const {
  const Sa had = sas_.sa(slot);
  Sa wanted = sa;
  // Names may be aliases, and ICV lengths not given.
  const SaAlgorithms algorithms = algorithms_of(
      transform, sa.auth ? NoIntegrityForm::digest_null : NoIntegrityForm::no_algorithm);
  wanted.aead = algorithms.aead;
  wanted.crypt = algorithms.crypt;
  wanted.auth = algorithms.auth;
  wanted.add_time_seconds = had.add_time_seconds;
  wanted.is_larval = false;
  wanted.index = had.index;
  wanted.generation = had.generation;
  return wanted == had && constant_time_equal(sas_.key(slot), key.bytes());
}

void SaManager::mark_policies_wanting(std::uint32_t sa_slot) {
  const SaSpec& spec = sas_.spec(sa_slot);
  if (spec.direction != Direction::out) return;
  policies_.for_each_wanting({spec.dst, spec.reqid}, [this](std::uint32_t policy_slot) {
    transaction_.policies.try_emplace(policy_slot, false);
  });
}

void SaManager::note_installed(std::uint32_t slot) {
  SaRecord record = sas_.record(slot);
  if (regions_.sa_states()[slot].generation != sas_.spec(slot).generation) return;
  record.was_installed = 1;
  sas_.set_record(slot, record);
}

std::uint64_t SaManager::last_sequence(std::uint32_t slot) const {
  const SaSpec& spec = sas_.spec(slot);
  const SaState& state = regions_.sa_states()[slot];
  // The dataplane leaves the number there when an SA goes. Where it is not sure that this SA was
  // installed, the number may be an older SA's: harmless outbound, too much for a window.
  const bool was_there = state.generation == spec.generation ||
                         (state.generation == 0 && (sas_.record(slot).was_installed != 0 ||
                                                    spec.direction == Direction::out));
  // Acquire: after the acknowledgement of the removal, which says that no worker adds to it.
  const std::uint64_t used = was_there ? state.sequence.load(std::memory_order_acquire) : 0;
  return std::max(spec.sequence, used);
}

}  // namespace culvert
