// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/punt.h"

namespace culvert {

void Punt::send(Lanes& lanes) {
  if (lanes.punt.empty() && lanes.held.empty()) return;
  for (const Packet packet : lanes.punt.packets()) {
    packet.meta().held = 0;
    if (rte_ring_enqueue(rings_.to_housekeeper, packet.mbuf()) != 0) {
      drops_->drop(packet, DropReason::punt_ring_full);
    }
  }
  lanes.punt.clear();
  for (const Packet packet : lanes.held.packets()) {
    if (rte_ring_enqueue(rings_.to_housekeeper, packet.mbuf()) != 0) {
      drops_->drop(packet, DropReason::forward_no_neighbor);
    }
  }
  lanes.held.clear();
  rings_.housekeeper_bell->ring_if_asleep();
}

std::span<Packet> Punt::receive() {
  std::array<rte_mbuf*, kBurst> mbufs;
  const unsigned count = rte_ring_dequeue_burst(
      rings_.to_worker, reinterpret_cast<void**>(mbufs.data()), mbufs.size(), nullptr);
  for (unsigned i = 0; i < count; ++i) packets_[i] = Packet(mbufs[i]);
  return {packets_.data(), count};
}

}  // namespace culvert
