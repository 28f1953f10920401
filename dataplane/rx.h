// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/lanes.h"
#include "dataplane/port.h"
#include "dataplane/sa_groups.h"
#include "dataplane/shm/counters.h"

namespace culvert {

// The receive queues dealt to one worker.
class Rx {
 public:
  struct Queue {
    std::uint16_t device = 0;  // of ethdev
    std::uint16_t queue = 0;
    std::uint16_t port = 0;  // PortId
    int socket = -1;         // readable when a frame has arrived; -1: the queue has none
  };

  // `port_counters` is the worker's row.
  Rx(std::vector<Queue> queues, std::span<PortCounters> port_counters, WorkerCounters& counters)
      : queues_(std::move(queues)), port_counters_(port_counters), counters_(&counters) {}

  // Up to kBurst frames, starting with the queue after the one that was served last.
  [[nodiscard]] std::span<Packet> receive(std::uint64_t now_ns);

  [[nodiscard]] std::span<const Queue> queues() const { return queues_; }

 private:
  std::vector<Queue> queues_;
  std::span<PortCounters> port_counters_;
  WorkerCounters* counters_;
  std::size_t next_ = 0;
  std::array<rte_mbuf*, kBurst> mbufs_;
  std::array<Packet, kBurst> packets_;
};

}  // namespace culvert
