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
  AdjacencyIndex index;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else if (next_unused_ < max_adjacencies_) {
    index = AdjacencyIndex{next_unused_++};
  } else {
    return std::nullopt;
  }
  hops_[index.raw()] = {next_hop, family};
  store(index, AdjacencyKind::unresolved, port, {});
  return index;
}

void AdjacencyTable::store(AdjacencyIndex index, AdjacencyKind kind, PortId port, MacAddress mac) {
  words_[index.raw()].store(PackedAdjacency(kind, port, mac).word(), std::memory_order_release);
}

void AdjacencyTable::recycle() {
  free_.insert(free_.end(), resting_.begin(), resting_.end());
  resting_ = std::exchange(retired_, {});
}

}  // namespace culvert
