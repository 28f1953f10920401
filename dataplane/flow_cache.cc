// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flow_cache.h"

#include <cassert>
#include <utility>

#include "dataplane/keyed_hash.h"

namespace culvert {
namespace {

Ipv4Address source_of(const FlowWords& flow) {
  return Ipv4Address{static_cast<std::uint32_t>(flow.addresses >> 32)};
}
Ipv4Address destination_of(const FlowWords& flow) {
  return Ipv4Address{static_cast<std::uint32_t>(flow.addresses)};
}

bool is_for_many(const Ipv6Address& address) {
  return is_multicast(address);
}

std::uint64_t hash_of(const FlowWords& flow, std::uint64_t secret) {
  return multiply_and_fold(flow.addresses ^ secret, flow.rest ^ kHashSalt[0]);
}
std::uint64_t hash_of(const FlowWords6& flow, std::uint64_t secret) {
  return keyed_hash(
      {flow.source_high, flow.rest, flow.source_low, flow.destination_high, flow.destination_low},
      secret);
}

// 0: they are the same.
std::uint64_t difference(const FlowWords& left, const FlowWords& right) {
  return (left.addresses ^ right.addresses) | (left.rest ^ right.rest);
}
std::uint64_t difference(const FlowWords6& left, const FlowWords6& right) {
  return (left.source_high ^ right.source_high) | (left.rest ^ right.rest) |
         (left.source_low ^ right.source_low) | (left.destination_high ^ right.destination_high) |
         (left.destination_low ^ right.destination_low);
}

// Both lines of the policies, for the stages that come next.
void fetch(const FlowVerdict& verdict) {
  __builtin_prefetch(verdict.inbound);
  __builtin_prefetch(verdict.outbound);
  if (verdict.inbound != nullptr) __builtin_prefetch(verdict.inbound->sas.data());
  if (verdict.outbound != nullptr) __builtin_prefetch(verdict.outbound->sas.data());
}

template <FamilyWords Words>
FlowScope scope_of(const Words& flow) {
  if (is_for_many(destination_of(flow))) return FlowScope::for_many;
  const bool is_routable = is_one_host(destination_of(flow)) && is_one_host(source_of(flow));
  return is_routable ? FlowScope::one_host : FlowScope::unroutable;
}

}  // namespace

FlowCache::FlowCache(const Spd& spd, const Fib& fib, std::uint64_t secret)
    : spd_(&spd), fib_(&fib), secret_(secret) {}

template <FamilyWords Words>
FlowCache::Set<Words>& FlowCache::set_of(const Flows<Words>& known, const Words& flow) const {
  return (*known.sets)[hash_of(flow, secret_) % kSets];
}

template <FamilyWords Words>
const FlowCache::Entry<Words>* FlowCache::find(const Set<Words>& set, const Words& flow) const {
  for (const Entry<Words>& entry : set.ways) {
    const std::uint32_t age = entry.kept.version ^ static_cast<std::uint32_t>(version_);
    if ((difference(entry.flow, flow) | age) == 0) return &entry;
  }
  return nullptr;
}

FlowVerdict FlowCache::verdict_of(const Kept& kept) const {
  return {spd_->by_number(kept.inbound), spd_->by_number(kept.outbound),
          AdjacencyIndex{kept.next_hop & ((1u << kScopeShift) - 1)},
          static_cast<FlowScope>(kept.next_hop >> kScopeShift)};
}

// Entries know the low half of the version, which takes 2^32 changes to come round; then they go.
void FlowCache::take_version() {
  const std::uint64_t version = spd_->version() + fib_->version();
  if (version >> 32 != version_ >> 32) {
    v4_.sets->fill({});
    v6_.sets->fill({});
  }
  version_ = version;
}

void FlowCache::lookup_burst(std::span<const FlowWords> flows, std::span<FlowVerdict> verdicts) {
  look_up(v4_, flows, verdicts);
}

void FlowCache::lookup_burst(std::span<const FlowWords6> flows, std::span<FlowVerdict> verdicts) {
  look_up(v6_, flows, verdicts);
}

template <FamilyWords Words>
void FlowCache::look_up(Flows<Words>& known, std::span<const Words> flows,
                        std::span<FlowVerdict> verdicts) {
  assert(flows.size() <= kBurst && flows.size() == verdicts.size());
  take_version();
  std::array<const Set<Words>*, kBurst> sets;
  for (std::size_t i = 0; i < flows.size(); ++i) {
    sets[i] = &set_of(known, flows[i]);
    __builtin_prefetch(sets[i]);
    if constexpr (sizeof(Set<Words>) > 64) __builtin_prefetch(&sets[i]->ways[1]);
  }
  known.missed_count = 0;
  for (std::size_t i = 0; i < flows.size(); ++i) {
    const Entry<Words>* entry = find(*sets[i], flows[i]);
    if (entry != nullptr) {
      verdicts[i] = verdict_of(entry->kept);
      fetch(verdicts[i]);
    } else {
      known.missed[known.missed_count++] = static_cast<std::uint32_t>(i);
    }
  }
  if (known.missed_count != 0) look_up_missed(known, flows, verdicts);
}

template <FamilyWords Words>
void FlowCache::look_up_missed(Flows<Words>& known, std::span<const Words> flows,
                               std::span<FlowVerdict> verdicts) {
  std::array<const PolicyEntry*, kBurst> inbound;
  std::array<const PolicyEntry*, kBurst> outbound;
  std::array<decltype(destination_of(Words{})), kBurst> destinations;
  std::array<AdjacencyIndex, kBurst> adjacencies;
  for (std::size_t i = 0; i < known.missed_count; ++i) {
    known.missed_flows[i] = flows[known.missed[i]];
    destinations[i] = destination_of(known.missed_flows[i]);
  }
  const auto missed = std::span(std::as_const(known.missed_flows)).first(known.missed_count);
  spd_->lookup_burst(Direction::in, missed, std::span(inbound).first(missed.size()));
  spd_->lookup_burst(Direction::out, missed, std::span(outbound).first(missed.size()));
  fib_->lookup_burst(std::span(std::as_const(destinations)).first(missed.size()),
                     std::span(adjacencies).first(missed.size()));
  for (std::size_t i = 0; i < missed.size(); ++i) {
    const FlowScope scope = scope_of(missed[i]);
    FlowVerdict& verdict = verdicts[known.missed[i]];
    verdict = {inbound[i], outbound[i], adjacencies[i], scope};
    fetch(verdict);
    keep(known,
         Entry<Words>{missed[i],
                      {static_cast<std::uint32_t>(version_), spd_->number_of(inbound[i]),
                       spd_->number_of(outbound[i]),
                       adjacencies[i].raw() | static_cast<std::uint32_t>(scope) << kScopeShift}});
  }
}

// Takes the place of what is void, else of either way in turn.
template <FamilyWords Words>
void FlowCache::keep(Flows<Words>& known, const Entry<Words>& entry) {
  Set<Words>& set = set_of(known, entry.flow);
  for (Entry<Words>& way : set.ways) {
    if (way.kept.version != entry.kept.version || way.flow == entry.flow) {
      way = entry;
      return;
    }
  }
  set.ways[next_victim_++ % set.ways.size()] = entry;
}

}  // namespace culvert
