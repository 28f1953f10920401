// SPDX-License-Identifier: BSD-3-Clause
#include "control/sa_manager.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "control/replay_bitmap.h"

namespace culvert {

SaManager::SaManager(Regions& regions, RequestChannel& channel, SaManagerOptions options)
    : regions_(regions),
      channel_(channel),
      options_(std::move(options)),
      sas_(regions),
      policies_(regions),
      nonces_(regions.requests().header.instance, regions.sizes().max_sas),
      floors_(options_.floor_storage, options_.floor_file) {
  load_defaults();
  load_sas();
  load_policies();
}

void SaManager::add_listener(SaListener* listener) {
  listeners_.push_back(listener);
}

void SaManager::remove_listener(SaListener* listener) {
  std::erase(listeners_, listener);
}

std::optional<Sa> SaManager::find(const SaId& id) const {
  const std::uint32_t slot = sas_.find(id);
  if (slot == kNoSlot) return std::nullopt;
  return sas_.sa(slot);
}

std::optional<Sa> SaManager::sa_at(SaIndex index) const {
  if (!sas_.is_listed(index.raw())) return std::nullopt;
  return sas_.sa(index.raw());
}

std::optional<SaIndex> SaManager::next_index(SaIndex from) const {
  const std::uint32_t slot = sas_.next_listed(from.raw());
  if (slot == kNoSlot) return std::nullopt;
  return SaIndex{slot};
}

std::optional<Sa> SaManager::next_sa(SaIndex from) const {
  const auto index = next_index(from);
  if (!index) return std::nullopt;
  return sas_.sa(index->raw());
}

// Until its slot is given back, an SA that was removed can be described as it was.
bool SaManager::is_described(std::uint32_t slot) const {
  return sas_.is_listed(slot) || sas_.is_removing(slot);
}

std::span<const std::byte> SaManager::key_of(SaIndex index) const {
  if (!is_described(index.raw())) return {};
  return sas_.key(index.raw());
}

SaFigures SaManager::figures(SaIndex index) const {
  if (!is_described(index.raw())) return {};
  const SaState& state = regions_.sa_states()[index.raw()];
  const SaSpec& spec = sas_.spec(index.raw());
  // Not installed yet: what lies there is of an SA that was in this slot before.
  if (state.generation != spec.generation) {
    return {.sequence = spec.sequence, .window = spec.replay_window};
  }
  SaFigures figures{
      .packets = state.packets.get(),
      .bytes = state.bytes.get(),
      .first_used_ns = state.first_used_ns.get(),
      .last_used_ns = state.last_used_ns.get(),
      .sequence = state.sequence.load(std::memory_order_relaxed),
      .window = spec.replay_window,
  };
  for (std::size_t i = 0; i < figures.drops.size(); ++i) figures.drops[i] = state.drops[i].get();
  for (std::size_t i = 0; i < figures.late.size(); ++i) figures.late[i] = state.late[i].get();
  figures.late_accepted = state.late_accepted.get();
  figures.dummies = state.dummies.get();
  figures.keepalives = state.keepalives.get();
  figures.media_mtu = state.media_mtu.load(std::memory_order_relaxed);
  figures.path_mtu = learned_path_mtu(state.path_mtu.load(std::memory_order_relaxed),
                                      static_cast<std::uint64_t>(now().count()));
  return figures;
}

std::vector<std::uint32_t> SaManager::replay_bitmap(SaIndex index) const {
  if (direction_of(index) != Direction::in) return {};
  const SaState& state = regions_.sa_states()[index.raw()];
  if (state.generation != sas_.spec(index.raw()).generation) return {};
  return read_replay_bitmap(state, regions_.windows());
}

Direction SaManager::direction_of(SaIndex index) const {
  return is_described(index.raw()) ? sas_.spec(index.raw()).direction : Direction::none;
}

SadCounts SaManager::sad_counts() const {
  return {.sas = sas_.count(), .buckets = sas_.buckets(), .max_sas = sas_.capacity()};
}

std::optional<Policy> SaManager::find_policy(const PolicyId& id) const {
  const std::uint32_t slot = policies_.find(id);
  if (slot == kNoSlot) return std::nullopt;
  return policies_.policy(slot);
}

std::optional<Policy> SaManager::find_policy(PolicyDirection direction, std::uint32_t index) const {
  const std::uint32_t slot = policies_.find(direction, index);
  if (slot == kNoSlot) return std::nullopt;
  return policies_.policy(slot);
}

std::optional<Policy> SaManager::next_policy(std::uint32_t from) const {
  const std::uint32_t slot = policies_.next_listed(from);
  if (slot == kNoSlot) return std::nullopt;
  return policies_.policy(slot);
}

PolicyFigures SaManager::policy_figures(std::uint32_t slot) const {
  if (!policies_.is_listed(slot)) return {};
  const PolicyState& state = regions_.policy_states()[slot];
  if (state.generation != policies_.spec(slot).generation) return {};
  return {.packets = state.packets.get(),
          .bytes = state.bytes.get(),
          .last_used_ns = state.last_used_ns.get()};
}

std::vector<SaIndex> SaManager::sas_of_policy(std::uint32_t slot) const {
  std::vector<SaIndex> result;
  if (!policies_.is_listed(slot)) return result;
  const PolicySpec& spec = policies_.spec(slot);
  for (std::size_t i = 0; i < spec.sa_count && i < kMaxPolicySas; ++i) {
    result.emplace_back(spec.sas[i]);
  }
  return result;
}

SpdCounts SaManager::spd_counts() const {
  SpdCounts counts{.max_policies = policies_.capacity()};
  for (std::size_t i = 0; i < kPolicyDirections; ++i) {
    counts.policies[i] = policies_.count(static_cast<PolicyDirection>(i));
  }
  return counts;
}

std::chrono::nanoseconds SaManager::now() const {
  if (options_.now) return options_.now();
  return std::chrono::system_clock::now().time_since_epoch();
}

std::uint64_t SaManager::now_seconds() const {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(now()).count());
}

}  // namespace culvert
