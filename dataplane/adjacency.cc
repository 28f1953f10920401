// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/adjacency.h"

#include <cassert>
#include <utility>

namespace culvert {

AdjacencyTable::AdjacencyTable(std::uint32_t max_adjacencies)
    : max_adjacencies_(max_adjacencies), words_(max_adjacencies), hops_(max_adjacencies) {
  assert(max_adjacencies > kFirstNextHop && max_adjacencies <= kNever);
}

void AdjacencyTable::initialise() {
  store(kBlackhole, AdjacencyKind::blackhole, PortId{}, {});
  for (std::uint16_t i = 0; i < kMaxPorts; ++i) {
    const PortId port{i};
    store(local_of(port), AdjacencyKind::local, port, {});
    store(broadcast_of(port), AdjacencyKind::broadcast, port, {});
    store(on_link_of(port), AdjacencyKind::on_link, port, {});
  }
}

std::optional<AdjacencyIndex> AdjacencyTable::take(Family family, const IpAddress& next_hop,
                                                   PortId port) {
  const auto index = take_index();
  if (!index) return std::nullopt;
  hops_[index->raw()] = {next_hop, family};
  store(*index, AdjacencyKind::unresolved, port, {});
  return index;
}

std::optional<AdjacencyIndex> AdjacencyTable::take_group(std::uint32_t group) {
  const auto index = take_index();
  if (!index) return std::nullopt;
  hops_[index->raw()] = {};
  store(*index, PackedAdjacency::of_group(group));
  return index;
}

std::optional<AdjacencyIndex> AdjacencyTable::take_index() {
  if (!free_.empty()) {
    const AdjacencyIndex index = free_.back();
    free_.pop_back();
    return index;
  }
  if (next_unused_ == max_adjacencies_) return std::nullopt;
  return AdjacencyIndex{next_unused_++};
}

void AdjacencyTable::recycle() {
  free_.insert(free_.end(), resting_.begin(), resting_.end());
  resting_ = std::exchange(retired_, {});
}

}  // namespace culvert
