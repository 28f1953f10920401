// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flow_cache.h"

#include <cassert>

#include "dataplane/keyed_hash.h"

namespace culvert {
namespace {

Ipv4Address source_of(const FlowWords& flow) {
  return Ipv4Address{static_cast<std::uint32_t>(flow.addresses >> 32)};
}
Ipv4Address destination_of(const FlowWords& flow) {
  return Ipv4Address{static_cast<std::uint32_t>(flow.addresses)};
}

// Both lines of the policies, for the stages that come next.
void fetch(const FlowVerdict& verdict) {
  __builtin_prefetch(verdict.inbound);
  __builtin_prefetch(verdict.outbound);
  if (verdict.inbound != nullptr) __builtin_prefetch(verdict.inbound->sas.data());
  if (verdict.outbound != nullptr) __builtin_prefetch(verdict.outbound->sas.data());
}

FlowScope scope_of(const FlowWords& flow) {
  if (is_for_many(destination_of(flow))) return FlowScope::for_many;
  const bool is_routable = is_one_host(destination_of(flow)) && is_one_host(source_of(flow));
  return is_routable ? FlowScope::one_host : FlowScope::unroutable;
}

}  // namespace

FlowCache::FlowCache(const Spd& spd, const Fib& fib, std::uint64_t secret)
    : spd_(&spd), fib_(&fib), secret_(secret), sets_(std::make_unique<std::array<Set, kSets>>()) {}

FlowCache::Set& FlowCache::set_of(const FlowWords& flow) const {
  return (*sets_)[multiply_and_fold(flow.addresses ^ secret_, flow.rest ^ kHashSalt[0]) % kSets];
}

const FlowCache::Entry* FlowCache::find(const Set& set, const FlowWords& flow) const {
  for (const Entry& entry : set.ways) {
    const std::uint64_t difference = (entry.flow.addresses ^ flow.addresses) |
                                     (entry.flow.rest ^ flow.rest) |
                                     (entry.version ^ static_cast<std::uint32_t>(version_));
    if (difference == 0) return &entry;
  }
  return nullptr;
}

FlowVerdict FlowCache::verdict_of(const Entry& entry) const {
  return {spd_->by_number(entry.inbound), spd_->by_number(entry.outbound),
          AdjacencyIndex{entry.next_hop & ((1u << kScopeShift) - 1)},
          static_cast<FlowScope>(entry.next_hop >> kScopeShift)};
}

// Entries know the low half of the version, which takes 2^32 changes to come round; then they go.
void FlowCache::take_version() {
  const std::uint64_t version = spd_->version() + fib_->version();
  if (version >> 32 != version_ >> 32) sets_->fill({});
  version_ = version;
}

void FlowCache::lookup_burst(std::span<const FlowWords> flows, std::span<FlowVerdict> verdicts) {
  assert(flows.size() <= kBurst && flows.size() == verdicts.size());
  take_version();
  std::array<const Set*, kBurst> sets;
  for (std::size_t i = 0; i < flows.size(); ++i) {
    sets[i] = &set_of(flows[i]);
    __builtin_prefetch(sets[i]);
  }
  missed_count_ = 0;
  for (std::size_t i = 0; i < flows.size(); ++i) {
    const Entry* entry = find(*sets[i], flows[i]);
    if (entry != nullptr) {
      verdicts[i] = verdict_of(*entry);
      fetch(verdicts[i]);
    } else {
      missed_[missed_count_++] = static_cast<std::uint32_t>(i);
    }
  }
  if (missed_count_ != 0) look_up_missed(flows, verdicts);
}

void FlowCache::look_up_missed(std::span<const FlowWords> flows, std::span<FlowVerdict> verdicts) {
  std::array<const PolicyEntry*, kBurst> inbound;
  std::array<const PolicyEntry*, kBurst> outbound;
  std::array<Ipv4Address, kBurst> destinations;
  std::array<AdjacencyIndex, kBurst> adjacencies;
  for (std::size_t i = 0; i < missed_count_; ++i) {
    missed_flows_[i] = flows[missed_[i]];
    destinations[i] = destination_of(missed_flows_[i]);
  }
  const auto missed = std::span(missed_flows_).first(missed_count_);
  spd_->lookup_burst(Direction::in, missed, std::span(inbound).first(missed.size()));
  spd_->lookup_burst(Direction::out, missed, std::span(outbound).first(missed.size()));
  fib_->lookup_burst(std::span(destinations).first(missed.size()),
                     std::span(adjacencies).first(missed.size()));
  for (std::size_t i = 0; i < missed.size(); ++i) {
    const FlowScope scope = scope_of(missed[i]);
    verdicts[missed_[i]] = {inbound[i], outbound[i], adjacencies[i], scope};
    keep({missed[i], static_cast<std::uint32_t>(version_), spd_->number_of(inbound[i]),
          spd_->number_of(outbound[i]),
          adjacencies[i].raw() | static_cast<std::uint32_t>(scope) << kScopeShift});
  }
}

// Takes the place of what is void, else of either way in turn.
void FlowCache::keep(const Entry& entry) {
  Set& set = set_of(entry.flow);
  for (Entry& way : set.ways) {
    if (way.version != entry.version || way.flow == entry.flow) {
      way = entry;
      return;
    }
  }
  set.ways[next_victim_++ % set.ways.size()] = entry;
}

}  // namespace culvert
