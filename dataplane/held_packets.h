// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "dataplane/fib.h"
#include "dataplane/lanes.h"
#include "dataplane/packet.h"

namespace culvert {

// Packets whose next hop's MAC address is not known yet: at most 8 per neighbour, for 1 s. They are
// sealed or let through already and only want the address. The housekeeper's.
class HeldPackets {
 public:
  static constexpr std::size_t kMaxPerNeighbor = 8;
  // At most 2048 buffers wait, whoever scans: a port has 4096 and more.
  static constexpr std::size_t kMaxNeighbors = 256;
  static constexpr std::uint64_t kPatienceNs = 1'000'000'000;

  struct Neighbor {
    std::uint16_t port = 0;
    Family family = Family::v4;
    IpAddress address;
    friend constexpr auto operator<=>(const Neighbor&, const Neighbor&) = default;
  };

  explicit HeldPackets(DropSink& drops) : drops_(&drops) {}

  // Keeps the packet, or drops it where too many wait. What waited too long goes first.
  void hold(const Neighbor& neighbor, Packet packet, std::uint64_t now_ns);

  // Those that waited for `neighbor`, their Ethernet header complete.
  [[nodiscard]] std::vector<Packet> release(const Neighbor& neighbor, MacAddress mac);

  // Drops what has waited too long.
  void expire(std::uint64_t now_ns);

  // Drops everything.
  void clear(DropReason reason);

  [[nodiscard]] bool empty() const { return waiting_.empty(); }

 private:
  struct Queue {
    std::uint64_t since_ns = 0;
    std::vector<Packet> packets;
  };
  void drop(Packet packet, DropReason reason);

  std::map<Neighbor, Queue> waiting_;
  std::uint64_t next_expiry_ns_ = UINT64_MAX;  // not after the first queue's
  DropSink* drops_;
};

}  // namespace culvert
