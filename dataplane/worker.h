// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <memory>
#include <span>

#include "crypto/esp_transform.h"
#include "dataplane/classify.h"
#include "dataplane/clock.h"
#include "dataplane/esp_inbound.h"
#include "dataplane/esp_outbound.h"
#include "dataplane/flow_cache.h"
#include "dataplane/forward.h"
#include "dataplane/fragment.h"
#include "dataplane/from_linux.h"
#include "dataplane/icmp_error.h"
#include "dataplane/lanes.h"
#include "dataplane/path_mtu.h"
#include "dataplane/punt.h"
#include "dataplane/reassembly.h"
#include "dataplane/rx.h"
#include "dataplane/tracer.h"
#include "dataplane/tx.h"

namespace culvert {

// What all workers share and only the housekeeper changes.
struct Tables {
  const Sad& sad;
  const Spd& spd;
  const Fib& fib;
  std::span<const Port> ports;
  std::span<PolicyState> policy_states;
  const DefaultPolicy& default_policy;
  const Clock& clock;
  std::uint64_t secret;  // random, for hashes that nobody shall foresee
  Writers writers;       // to the counters of SAs and policies
  const EspOutbound::Splitting& splitting;
  const TraceSwitch& traces;
  std::uint64_t fragment_patience_ns = 2'000'000'000;
};

// What belongs to one worker.
struct WorkerParts {
  WorkerCounters& counters;
  std::span<PortCounters> port_counters;
  std::unique_ptr<Engine> engine;
  rte_mempool& pool;
  std::uint32_t number = 0;             // of the worker, from 0 on
  std::size_t fragment_buffers = 1024;  // of the pool, that may wait for the rest of a datagram
  std::vector<Rx::Queue> rx_queues;
  std::vector<Tx::Way> tx_ways;
  rte_ring* relay = nullptr;
  HousekeeperRings rings;
};

// One core's packet loop. All its members are its thread's alone.
class Worker {
 public:
  Worker(const Tables& tables, WorkerParts parts);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Takes what has arrived and brings every packet of it to its end. Returns how many there were.
  std::size_t run_once();

  // The same for frames that somebody else received: the replay of captures. Packets stay in the
  // order of their arrival where stages meet, whatever the burst.
  void run_in_order(std::span<Packet> frames);

  // Drops what waits for the rest of its datagram; for the end.
  void drop_fragments(DropReason reason) {
    reassembly_.clear(reason);
    drops_.flush();
  }

  [[nodiscard]] std::span<const Rx::Queue> rx_queues() const { return rx_.queues(); }

 private:
  void process(std::span<Packet> received);
  void open_nested();
  void open_in_order();
  void pass_in_order(std::span<Packet> frames);
  void expire_fragments(std::uint64_t now_ns);
  void finish_round();

  const Clock* clock_;
  DropSink drops_;
  Tracer tracer_;
  std::unique_ptr<Engine> engine_;
  Rx rx_;
  Tx tx_;
  Punt punt_;
  FlowCache flow_cache_;
  IcmpErrors icmp_errors_;
  Fragmenter fragmenter_;
  Reassembly reassembly_;
  PathMtu path_mtu_;
  Classify classify_;
  EspInbound esp_inbound_;
  Forward forward_;
  EspOutbound esp_outbound_;
  FromLinux from_linux_;
  Lanes lanes_;
};

}  // namespace culvert
