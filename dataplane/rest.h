// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <poll.h>
#include <rte_ring.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/bell.h"
#include "dataplane/qsbr.h"
#include "dataplane/rx.h"
#include "dataplane/shm/counters.h"
#include "dataplane/shm/layout.h"

namespace culvert {

// What a worker does between rounds that find nothing. In adaptive mode it spins, then naps, so
// that bursts fill while there is traffic, and then sleeps until a frame arrives or somebody rings
// its bell. Asleep it is offline to QSBR and must not look at tables. The worker's thread's own.
class Rest {
 public:
  struct Context {
    PollMode mode;
    Qsbr& qsbr;
    std::uint32_t worker;
    WorkerCounters& counters;
    Bell& bell;
    std::array<const rte_ring*, 2> rings;  // that others fill for this worker, and ring the bell
    std::span<const Rx::Queue> rx_queues;
  };
  explicit Rest(const Context& context);

  // After each round, and how many packets it had.
  void after(std::size_t packets);

 private:
  void nap();
  void sleep();

  Context context_;
  std::vector<pollfd> waits_;  // the bell, then sockets of receive queues
  bool has_silent_queue_ = false;
  std::uint32_t idle_rounds_ = 0;
};

}  // namespace culvert
