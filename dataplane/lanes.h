// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <span>

#include "dataplane/drop_sink.h"
#include "dataplane/ip_packet.h"
#include "dataplane/packet.h"

namespace culvert {

// Packets of one round that need the same thing next; fixed storage, owned by one worker.
// A round takes in at most kMaxIntake packets and each brings at most one ICMP error with it; the
// rest is for pieces of packets that are split, who asks for room before. So no lane can overflow.
inline constexpr std::size_t kMaxIntake = 128;
inline constexpr std::size_t kReservedInLanes = 2 * kMaxIntake;
inline constexpr std::size_t kLaneCapacity = kReservedInLanes + 6 * kMaxIntake;

template <typename T>
class Lane {
 public:
  void push(T packet) {
    assert(count_ < kLaneCapacity);
    items_[count_++] = packet;
  }
  [[nodiscard]] std::span<T> packets() { return {items_.data(), count_}; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  // For so many pieces besides whatever else may come.
  [[nodiscard]] bool has_room_for(std::size_t pieces) const {
    return count_ + pieces + kReservedInLanes <= kLaneCapacity;
  }
  void clear() { count_ = 0; }

 private:
  std::array<T, kLaneCapacity> items_;
  std::size_t count_ = 0;
};

struct PolicyEntry;

// A packet that leaves if the SPD lets it.
struct ClearPacket {
  Packet packet;
  const PolicyEntry* policy = nullptr;  // the outbound one that applies; nullptr: none does
};

struct Lanes {
  Lane<Packet> again;       // opened, and for one of our addresses: ESP in ESP
  Lane<Packet> esp;         // ESP for us; data at the outer IP header
  Lane<Packet> inner;       // IPv4 to be forwarded or punted; data at the IP header
  Lane<Packet> inner6;      // the same of IPv6
  Lane<ClearPacket> clear;  // IP that leaves if the SPD lets it; data at the IP header
  Lane<Packet> punt;        // for Linux; data at the Ethernet header
  Lane<Packet> held;        // waits for a neighbour
  Lane<WirePacket> wire;    // leaves by a port; data at the Ethernet header

  // To `inner` or `inner6`.
  void onward(Packet packet) { (is_ipv6(packet) ? inner6 : inner).push(packet); }
};

}  // namespace culvert
