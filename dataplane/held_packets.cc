// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/held_packets.h"

#include <algorithm>

#include "dataplane/net/ethernet.h"

namespace culvert {

void HeldPackets::hold(const Neighbor& neighbor, Packet packet, std::uint64_t now_ns) {
  drops_->counters().held_in.add(1);
  expire(now_ns);
  const bool has_place = waiting_.size() < kMaxNeighbors || waiting_.contains(neighbor);
  if (!has_place) return drop(packet, DropReason::forward_no_neighbor);
  Queue& queue = waiting_[neighbor];
  if (queue.packets.size() == kMaxPerNeighbor) {
    return drop(packet, DropReason::forward_no_neighbor);
  }
  if (queue.packets.empty()) {
    queue.since_ns = now_ns;
    next_expiry_ns_ = std::min(next_expiry_ns_, now_ns + kPatienceNs);
  }
  queue.packets.push_back(packet);
}

std::vector<Packet> HeldPackets::release(const Neighbor& neighbor, MacAddress mac) {
  const auto found = waiting_.find(neighbor);
  if (found == waiting_.end()) return {};
  std::vector<Packet> packets = std::move(found->second.packets);
  waiting_.erase(found);
  for (const Packet packet : packets) packet.header<EthernetHeader>(0)->destination = mac;
  return packets;
}

void HeldPackets::expire(std::uint64_t now_ns) {
  if (now_ns < next_expiry_ns_) return;
  next_expiry_ns_ = UINT64_MAX;
  std::erase_if(waiting_, [this, now_ns](auto& entry) {
    const std::uint64_t expiry_ns = entry.second.since_ns + kPatienceNs;
    if (now_ns < expiry_ns) {
      next_expiry_ns_ = std::min(next_expiry_ns_, expiry_ns);
      return false;
    }
    for (const Packet packet : entry.second.packets) drop(packet, DropReason::forward_no_neighbor);
    return true;
  });
  drops_->flush();
}

void HeldPackets::clear(DropReason reason) {
  for (auto& [neighbor, queue] : waiting_) {
    for (const Packet packet : queue.packets) drop(packet, reason);
  }
  waiting_.clear();
  drops_->flush();
}

void HeldPackets::drop(Packet packet, DropReason reason) {
  drops_->counters().held_out.add(1);
  drops_->drop(packet, reason);
}

}  // namespace culvert
