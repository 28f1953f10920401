// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_ring.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/bell.h"
#include "dataplane/lanes.h"
#include "dataplane/port.h"
#include "dataplane/sa_groups.h"
#include "dataplane/shm/counters.h"

namespace culvert {

// Gives finished frames to the ports. A port may have fewer transmit queues than there are workers:
// those without one pass their frames, in bursts, over the ring of the worker that has it.
class Tx {
 public:
  // How this worker reaches one port.
  struct Way {
    std::uint16_t device = Port::kNoDevice;
    std::uint16_t queue = 0;
    rte_ring* relay = nullptr;  // not null: of the worker that has the queue
    Bell* bell = nullptr;       // that worker's
    std::uint16_t vlan = 0;     // every frame gets this tag; 0: none
    std::uint16_t parent = 0;   // with a tag: the port that counts its frames too
  };

  // `ways` by PortId. `own_relay` is where others leave frames for this worker's queues, or null.
  // `port_counters` is the worker's row.
  Tx(std::vector<Way> ways, rte_ring* own_relay, std::span<PortCounters> port_counters,
     DropSink& drops);

  // Lane wire -> ports. Also what other workers left.
  void send(Lane<WirePacket>& lane);

  // Frames that were left for this worker since the last call; 0 if none waits.
  [[nodiscard]] unsigned waiting() const {
    return own_relay_ == nullptr ? 0 : rte_ring_count(own_relay_);
  }

 private:
  struct Batch {
    std::array<rte_mbuf*, kBurst> mbufs;
    std::size_t count = 0;
  };

  [[nodiscard]] bool tag(WirePacket packet);
  void add(std::uint16_t port, rte_mbuf* mbuf);
  void flush(std::uint16_t port);
  void transmit(std::uint16_t port, std::span<rte_mbuf*> mbufs);
  void count(std::uint16_t port, std::size_t packets, std::uint64_t bytes);

  std::vector<Way> ways_;
  std::vector<Batch> batches_;
  rte_ring* own_relay_;
  std::span<PortCounters> port_counters_;
  DropSink* drops_;
};

}  // namespace culvert
