// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crypto/esp_transform.h"
#include "dataplane/bell.h"
#include "dataplane/clock.h"
#include "dataplane/eal.h"
#include "dataplane/fib.h"
#include "dataplane/forward.h"
#include "dataplane/housekeeper.h"
#include "dataplane/port.h"
#include "dataplane/qsbr.h"
#include "dataplane/requests.h"
#include "dataplane/rest.h"
#include "dataplane/sad.h"
#include "dataplane/shm/regions.h"
#include "dataplane/spd.h"
#include "dataplane/worker.h"

namespace culvert {

// Everything culvertd is made of, in the order it is made; a live gateway and the replay of
// captures differ only in where frames come from.
class Dataplane {
 public:
  struct Settings {
    EalUse use = EalUse::gateway;
    std::uint64_t secret = 0;  // of hash tables
  };

  // Checks the start configuration, starts the EAL and reserves all memory. Returns what is wrong
  // and what to do, or an empty string.
  [[nodiscard]] std::string prepare(const Regions& regions, const Settings& settings);

  // Once the ports are open: makes the workers. `mirrors` stays the caller's.
  [[nodiscard]] std::string make_workers(std::span<Mirror> mirrors, int request_bell,
                                         int state_bell, Housekeeper::PuntSink punt_sink);

  [[nodiscard]] const StartConfig& start() const { return start_; }
  [[nodiscard]] std::span<Port> ports() { return {ports_.data(), start_.port_count}; }
  [[nodiscard]] rte_mempool& pool() const { return *pool_; }
  [[nodiscard]] Clock& clock() { return clock_; }
  [[nodiscard]] Qsbr& qsbr() { return *qsbr_; }
  [[nodiscard]] Requests& requests() { return *requests_; }
  [[nodiscard]] Housekeeper& housekeeper() { return *housekeeper_; }
  [[nodiscard]] Worker& worker(std::size_t i) { return *workers_[i]; }
  // How worker `i` rests between rounds; valid while this is.
  [[nodiscard]] Rest::Context rest(std::uint32_t i);
  [[nodiscard]] Bell& bell(std::size_t i) { return worker_bells_[i]; }
  [[nodiscard]] WorkerCounters& counters(std::size_t i) { return regions_->state().workers[i]; }
  // Worker 0's row.
  [[nodiscard]] PortCounters& port_counters(std::size_t port) {
    return regions_->state().ports[0][port];
  }
  [[nodiscard]] DataplaneStatus& status() { return regions_->state().status; }
  // Of worker 0; in replay what is sent ends there.
  [[nodiscard]] rte_ring& relay() const { return *relays_.front(); }

 private:
  [[nodiscard]] std::string check_start() const;
  [[nodiscard]] std::string make_tables();
  [[nodiscard]] std::string make_rings();
  [[nodiscard]] std::vector<Tx::Way> ways_of(std::uint32_t worker);

  const Regions* regions_ = nullptr;
  StartConfig start_;
  EalUse use_ = EalUse::gateway;
  Clock clock_{Clock::Source::system};
  std::uint64_t secret_ = 0;
  rte_mempool* pool_ = nullptr;
  std::array<Port, kMaxPorts> ports_{};
  DefaultPolicy default_policy_{PolicyAction::discard};
  EspOutbound::Splitting splitting_;
  TraceSwitch traces_;
  std::unique_ptr<Engine> engine_;  // the housekeeper's
  std::unique_ptr<Qsbr> qsbr_;
  std::unique_ptr<Sad> sad_;
  std::unique_ptr<Spd> spd_;
  std::unique_ptr<Fib> fib_;
  std::unique_ptr<Requests> requests_;
  std::vector<HousekeeperRings> rings_;
  std::vector<rte_ring*> relays_;  // by worker
  std::array<Bell, kMaxWorkers> worker_bells_;
  std::vector<std::unique_ptr<WorkerEvents>> worker_events_;
  std::vector<std::unique_ptr<TraceRecords>> worker_traces_;
  Bell housekeeper_bell_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Housekeeper> housekeeper_;
};

}  // namespace culvert
