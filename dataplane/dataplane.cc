// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dataplane.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <sodium.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>

#include "dataplane/devices.h"
#include "dataplane/packet_pool.h"

namespace culvert {
namespace {

constexpr unsigned kRingPackets = 1024;
constexpr unsigned kPoolCache = 256;

template <std::size_t N>
bool is_terminated(const std::array<char, N>& text) {
  return std::ranges::find(text, '\0') != text.end() && text.front() != '\0';
}

std::string no_memory(const char* what) {
  return std::string("no memory for ") + what + ": " + rte_strerror(rte_errno) +
         "; lower max_sas or mbufs, or grant huge pages";
}

template <std::size_t N>
void copy_text(std::string_view text, std::array<char, N>& to) {
  to.fill('\0');
  std::memcpy(to.data(), text.data(), std::min(text.size(), N - 1));
}

}  // namespace

// The supervisor validated it, but it lies in shared memory.
std::string Dataplane::check_start() const {
  if (start_.worker_count < 1 || start_.worker_count > kMaxWorkers)
    return "worker count out of range";
  if (start_.port_count < 1 || start_.port_count > kMaxPorts) return "port count out of range";
  for (std::uint32_t i = 0; i < start_.port_count; ++i) {
    const PortConfig& port = start_.ports[i];
    if (!is_terminated(port.name) || !is_terminated(port.device)) return "port name not terminated";
    if (port.kind > PortKind::vlan || port.mtu < 68) return "port settings out of range";
    if (port.vlan != 0 &&
        (port.vlan > kMostVlan || port.parent >= i || start_.ports[port.parent].vlan != 0)) {
      return "VLAN or its parent out of range";
    }
  }
  if (start_.default_policy != PolicyAction::discard &&
      start_.default_policy != PolicyAction::bypass) {
    return "default policy is neither discard nor bypass";
  }
  return {};
}

std::string Dataplane::prepare(const Regions& regions, const Settings& settings) {
  regions_ = &regions;
  use_ = settings.use;
  std::memcpy(static_cast<void*>(&start_), &regions.requests().start, sizeof start_);
  if (std::string error = check_start(); !error.empty()) return "start configuration: " + error;
  if (sodium_init() < 0) return "libsodium does not start";
  if (use_ == EalUse::replay) clock_.use_capture_time();

  const EalPlan plan = plan_eal(start_);
  if (std::string error = start_eal(start_, plan, use_); !error.empty()) return error;
  if (!claim_packet_meta()) return "the place of packet notes in mbufs is taken";
  pool_ = create_packet_pool("packets", plan.mbufs, kPoolCache,
                             static_cast<std::uint16_t>(plan.data_room_bytes));
  if (pool_ == nullptr) return no_memory("packet buffers");

  DataplaneStatus& report = status();
  report.pid = static_cast<std::uint32_t>(getpid());
  report.worker_count = start_.worker_count;
  report.port_count = start_.port_count;
  report.uses_huge_pages = plan.uses_huge_pages ? 1 : 0;
  report.started_at_ns = Clock(Clock::Source::system).now_ns();
  copy_text(CULVERT_VERSION, report.version);
  for (std::uint32_t i = 0; i < start_.port_count; ++i) {
    ports_[i].id = static_cast<std::uint16_t>(i);
    ports_[i].mtu = start_.ports[i].mtu;
    ports_[i].vlan = start_.ports[i].vlan;
    ports_[i].parent = static_cast<std::uint16_t>(ports_[i].vlan == 0 ? i : start_.ports[i].parent);
    ports_[i].name = start_.ports[i].name;
  }
  default_policy_.store(start_.default_policy, std::memory_order_relaxed);
  splitting_.is_after_esp.store(start_.splits_after_esp != 0, std::memory_order_relaxed);
  splitting_.mss.store(start_.mss, std::memory_order_relaxed);
  secret_ = settings.secret;
  return make_tables();
}

// Every transform proves itself on this CPU's code path before a packet sees it.
std::string Dataplane::make_tables() {
  engine_ = Engine::create();
  if (engine_ == nullptr) return "this CPU lacks AES-NI and PCLMULQDQ, which ipsec-mb needs";
  if (const auto fault = engine_->self_test()) return "self-test failed: " + *fault;
  copy_text(engine_->code_path(), status().code_path);
  qsbr_ = std::make_unique<Qsbr>(start_.worker_count);
  std::string error;
  sad_ = Sad::create(*regions_, *engine_, secret_, *qsbr_, error);
  if (sad_ == nullptr) return error;
  spd_ = Spd::create(regions_->sizes().max_policies, secret_, *qsbr_);
  if (spd_ == nullptr) return no_memory("policies");
  fib_ = Fib::create("routes", FibLimits{}, *qsbr_);
  if (fib_ == nullptr) return no_memory("the forwarding table");
  requests_ = std::make_unique<Requests>(Requests::Context{.regions = *regions_,
                                                           .ports = ports(),
                                                           .sad = *sad_,
                                                           .spd = *spd_,
                                                           .fib = *fib_,
                                                           .default_policy = default_policy_,
                                                           .splitting = splitting_,
                                                           .traces = traces_,
                                                           .quiescence = *qsbr_});
  return make_rings();
}

std::string Dataplane::make_rings() {
  constexpr const char* kNoBell = "no eventfd to wake a thread by; raise the limit of open files";
  if (!housekeeper_bell_.open()) return kNoBell;
  for (std::uint32_t i = 0; i < start_.worker_count; ++i) {
    const std::string number = std::to_string(i);
    constexpr unsigned kPair = RING_F_SP_ENQ | RING_F_SC_DEQ;
    const HousekeeperRings rings{
        .to_housekeeper = rte_ring_create(("to_housekeeper" + number).c_str(), kRingPackets,
                                          SOCKET_ID_ANY, kPair),
        .to_worker =
            rte_ring_create(("to_worker" + number).c_str(), kRingPackets, SOCKET_ID_ANY, kPair),
        .housekeeper_bell = &housekeeper_bell_,
        .worker_bell = &worker_bells_[i],
        .events = worker_events_.emplace_back(std::make_unique<WorkerEvents>()).get(),
        .traces = worker_traces_.emplace_back(std::make_unique<TraceRecords>()).get()};
    if (!worker_bells_[i].open()) return kNoBell;
    rte_ring* relay =
        rte_ring_create(("relay" + number).c_str(), kRingPackets, SOCKET_ID_ANY, RING_F_SC_DEQ);
    if (rings.to_housekeeper == nullptr || rings.to_worker == nullptr || relay == nullptr) {
      return no_memory("rings");
    }
    rings_.push_back(rings);
    relays_.push_back(relay);
  }
  return {};
}

std::vector<Tx::Way> Dataplane::ways_of(std::uint32_t worker) {
  const auto way_by = [this](std::size_t owner) {
    return Tx::Way{.relay = relays_[owner], .bell = &worker_bells_[owner]};
  };
  std::vector<Tx::Way> ways;
  for (std::uint32_t i = 0; i < start_.port_count; ++i) {
    const Port& port = ports_[ports_[i].parent];
    if (port.device == Port::kNoDevice) {
      ways.push_back(way_by(0));
    } else if (worker < port.tx_queues) {
      ways.push_back({.device = port.device, .queue = static_cast<std::uint16_t>(worker)});
    } else {
      ways.push_back(way_by(worker % port.tx_queues));
    }
    ways.back().vlan = ports_[i].vlan;
    ways.back().parent = ports_[i].parent;
  }
  return ways;
}

std::string Dataplane::make_workers(std::span<Mirror> mirrors, int request_bell, int state_bell,
                                    Housekeeper::PuntSink punt_sink) {
  auto dealt = deal_queues(ports(), start_.worker_count);
  const Tables tables{
      .sad = *sad_,
      .spd = *spd_,
      .fib = *fib_,
      .ports = ports(),
      .policy_states = regions_->policy_states(),
      .default_policy = default_policy_,
      .clock = clock_,
      .secret = secret_,
      .writers = start_.worker_count == 1 ? Writers::one : Writers::several,
      .splitting = splitting_,
      .traces = traces_,
      .fragment_patience_ns = start_.fragment_patience_ms * std::uint64_t{1'000'000}};
  // Fragments that wait take an eighth of all buffers at most.
  const std::size_t fragment_buffers =
      std::max<std::size_t>(pool_->size / 8 / start_.worker_count, Reassembly::kMinBuffers);
  for (std::uint32_t i = 0; i < start_.worker_count; ++i) {
    auto engine = Engine::create();
    if (engine == nullptr) return no_memory("a worker's ipsec-mb");
    workers_.push_back(std::make_unique<Worker>(
        tables, WorkerParts{.counters = counters(i),
                            .port_counters = regions_->state().ports[i],
                            .engine = std::move(engine),
                            .pool = *pool_,
                            .number = i,
                            .fragment_buffers = fragment_buffers,
                            .rx_queues = std::move(dealt[i]),
                            .tx_ways = ways_of(i),
                            .relay = use_ == EalUse::replay ? nullptr : relays_[i],
                            .rings = rings_[i]}));
  }
  housekeeper_ = std::make_unique<Housekeeper>(Housekeeper::Context{.regions = *regions_,
                                                                    .ports = ports(),
                                                                    .mirrors = mirrors,
                                                                    .rings = rings_,
                                                                    .requests = *requests_,
                                                                    .sad = *sad_,
                                                                    .fib = *fib_,
                                                                    .clock = clock_,
                                                                    .pool = *pool_,
                                                                    .bell = housekeeper_bell_,
                                                                    .request_bell = request_bell,
                                                                    .state_bell = state_bell},
                                               std::move(punt_sink));
  return {};
}

Rest::Context Dataplane::rest(std::uint32_t i) {
  return {.mode = start_.poll,
          .qsbr = *qsbr_,
          .worker = i,
          .counters = counters(i),
          .bell = worker_bells_[i],
          .rings = {rings_[i].to_worker, relays_[i]},
          .rx_queues = workers_[i]->rx_queues()};
}

}  // namespace culvert
