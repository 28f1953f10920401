// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_ring.h>

#include <array>
#include <span>

#include "dataplane/bell.h"
#include "dataplane/lanes.h"
#include "dataplane/sa_groups.h"

namespace culvert {

class TraceRecords;

// A worker's rings to and from the housekeeper, one producer and one consumer each: what goes to
// Linux or waits for a neighbour, and what comes back. Packets in them have their Ethernet header
// in front. Who puts something in rings the other's bell. Events ring none.
struct HousekeeperRings {
  rte_ring* to_housekeeper = nullptr;
  rte_ring* to_worker = nullptr;
  Bell* housekeeper_bell = nullptr;
  Bell* worker_bell = nullptr;
  WorkerEvents* events = nullptr;  // to the housekeeper
  TraceRecords* traces = nullptr;  // the same
};

// The worker's end of them.
class Punt {
 public:
  Punt(HousekeeperRings rings, DropSink& drops) : rings_(rings), drops_(&drops) {}

  // Lanes punt and held -> housekeeper.
  void send(Lanes& lanes);

  // What Linux sent through a mirror, and what waited for a neighbour and may go now.
  [[nodiscard]] std::span<Packet> receive();

 private:
  HousekeeperRings rings_;
  DropSink* drops_;
  std::array<Packet, kBurst> packets_;
};

}  // namespace culvert
