// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/hop_groups.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "dataplane/keyed_hash.h"

namespace culvert {
namespace {

// How a hop draws for a bucket.
std::uint64_t lot_of(const HopGroups::Member& member, std::size_t bucket) {
  return multiply_and_fold(member.hash ^ kHashSalt[3], (bucket + 1) * kHashSalt[1]);
}

// The member with the highest lot wins. Where weights differ a lot u, taken as in (0, 1), counts as
// the weight's root of it: then each wins in proportion to its weight, against whichever others.
AdjacencyIndex winner_of(std::span<const HopGroups::Member* const> members, bool is_weighted,
                         std::size_t bucket) {
  const HopGroups::Member* winner = nullptr;
  std::uint64_t highest = 0;
  double nearest = 0;  // to 1, as the distance of its logarithm from 0
  for (const HopGroups::Member* const member : members) {
    const std::uint64_t lot = lot_of(*member, bucket);
    if (!is_weighted) {
      if (winner != nullptr && lot <= highest) continue;
      highest = lot;
      winner = member;
      continue;
    }
    const double u = (static_cast<double>(lot >> 11) + 0.5) * 0x1p-53;
    const double distance = -std::log(u) / member->weight;
    if (winner != nullptr && distance >= nearest) continue;
    nearest = distance;
    winner = member;
  }
  return winner->adjacency;
}

}  // namespace

HopGroups::HopGroups(std::uint32_t max_groups) : max_groups_(max_groups), buckets_(max_groups) {}

std::optional<std::uint32_t> HopGroups::take(std::span<const Member> members) {
  assert(members.size() >= 2);
  std::uint32_t group = 0;
  if (!free_.empty()) {
    group = free_.back();
    free_.pop_back();
  } else if (members_.size() < max_groups_) {
    group = static_cast<std::uint32_t>(members_.size());
    members_.emplace_back();
  } else {
    return std::nullopt;
  }
  members_[group].assign(members.begin(), members.end());
  draw(group);
  return group;
}

void HopGroups::retire(std::uint32_t group) {
  members_[group].clear();
  retired_.push_back(group);
}

void HopGroups::recycle() {
  free_.insert(free_.end(), retired_.begin(), retired_.end());
  retired_.clear();
}

bool HopGroups::set_link(PortId port, bool is_up) {
  if (is_link_down_[port.raw()] == !is_up) return false;
  is_link_down_[port.raw()] = !is_up;
  for (std::uint32_t group = 0; group < members_.size(); ++group) {
    const bool is_on_port = std::ranges::any_of(
        members_[group], [&](const Member& member) { return member.port == port; });
    if (is_on_port) draw(group);
  }
  return true;
}

// Among the members whose link is up; where none is, among all.
void HopGroups::draw(std::uint32_t group) {
  std::vector<const Member*> usable;
  for (const Member& member : members_[group]) {
    if (!is_link_down_[member.port.raw()]) usable.push_back(&member);
  }
  if (usable.empty()) {
    for (const Member& member : members_[group]) usable.push_back(&member);
  }
  const bool is_weighted = std::ranges::any_of(
      usable, [&](const Member* member) { return member->weight != usable.front()->weight; });
  for (std::size_t i = 0; i < kBuckets; ++i) {
    buckets_[group].hops[i].store(
        static_cast<std::uint16_t>(winner_of(usable, is_weighted, i).raw()),
        std::memory_order_relaxed);
  }
}

}  // namespace culvert
