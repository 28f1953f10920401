// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "dataplane/bell.h"
#include "dataplane/clock.h"
#include "dataplane/held_packets.h"
#include "dataplane/mirror.h"
#include "dataplane/punt.h"
#include "dataplane/requests.h"
#include "dataplane/timed_packets.h"

namespace culvert {

// The one writer of tables and the way to and from Linux. It carries out control's requests, moves
// packets between mirrors and workers, keeps those that wait for a neighbour, and tells control
// what is happening. It never touches what a worker is working on.
class Housekeeper {
 public:
  struct Context {
    const Regions& regions;
    std::span<Port> ports;
    std::span<Mirror> mirrors;                // by PortId; empty in replay
    std::span<const HousekeeperRings> rings;  // by worker
    Requests& requests;
    const Sad& sad;
    const Fib& fib;
    const Clock& clock;
    rte_mempool& pool;
    Bell& bell;        // workers ring it
    int request_bell;  // eventfd: control has put requests in
    int state_bell;    // eventfd: completions or events are there
  };
  // What takes frames for Linux where there are no mirrors.
  using PuntSink = std::function<void(Packet)>;

  Housekeeper(const Context& context, PuntSink punt_sink);

  // Does what there is to do and returns how much it was.
  std::size_t run_once();

  // Sleeps until there may be something to do: a request, a frame, or ports to look after.
  void wait();

  // Drops what still waits for a neighbour; for the end.
  void drop_held(DropReason reason) { held_.clear(reason); }

 private:
  std::size_t from_workers();
  void pass_on(WorkerEvents& events);
  void pass_on(TraceRecords& traces);
  std::size_t from_mirrors();
  std::size_t send_timed_packets(std::uint64_t now_ns);
  void to_linux(Packet frame);
  void hold(Packet frame, std::uint64_t now_ns);
  void resume(const HeldPackets::Neighbor& neighbor, MacAddress mac);
  void to_worker(Packet packet, DropReason reason);
  void look_after_ports(std::uint64_t now_ns);
  void give_up_mirror(std::size_t port);
  void post(Event event);
  void ring_state_bell();
  [[nodiscard]] timespec longest_sleep() const;

  Context context_;
  PuntSink punt_sink_;
  WorkerEvents own_events_;  // of its own drops
  DropSink drops_;
  HeldPackets held_;
  TimedPackets timed_packets_;
  RingWriter<Event> events_;
  RingWriter<TraceRecord> traces_;
  std::map<HeldPackets::Neighbor, std::uint64_t> asked_at_ns_;
  std::map<HeldPackets::Neighbor, std::uint64_t> known_;  // and when they were last confirmed
  std::vector<std::array<std::uint64_t, 2>> driver_counts_;
  std::uint64_t looked_after_at_ns_ = 0;
  bool is_bell_due_ = false;
};

}  // namespace culvert
