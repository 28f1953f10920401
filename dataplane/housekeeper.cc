// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/housekeeper.h"

#include <rte_ethdev.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "dataplane/dummy_packet.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ip.h"
#include "dataplane/path_mtu.h"

namespace culvert {
namespace {

constexpr std::size_t kHousekeeperRow = kMaxWorkers;
constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kConfirmEveryNs = 30 * kSecondNs;
constexpr std::uint64_t kAskAgainNs = kSecondNs / 4;
constexpr std::uint64_t kLookAfterPortsNs = kSecondNs / 10;
// For what rings no bell: ports, packets that have waited too long, and a stop.
constexpr long kLongestSleepNs = 50'000'000;

// The mirror hears frames from this one: locally administered, nobody's.
constexpr MacAddress kDataplaneMac{{0x02, 0, 0, 0, 0, 0x01}};

// Who is to get the frame where its destination itself is the next hop.
HeldPackets::Neighbor destination_of(Packet frame, std::uint16_t port) {
  constexpr std::size_t kIpOffset = sizeof(EthernetHeader);
  if (frame.header<EthernetHeader>(0)->type() == EtherType::ipv6) {
    return {port, Family::v6, {frame.header<Ipv6Header>(kIpOffset)->destination}};
  }
  return {port, Family::v4, IpAddress::v4(frame.header<Ipv4Header>(kIpOffset)->destination)};
}

}  // namespace

Housekeeper::Housekeeper(const Context& context, PuntSink punt_sink)
    : context_(context),
      punt_sink_(std::move(punt_sink)),
      drops_(context.regions.state().workers[kHousekeeperRow], own_events_),
      held_(drops_),
      timed_packets_(context.sad),
      events_(context.regions.state().events, context.regions.state().events_produced,
              context.regions.requests().events_consumed),
      traces_(context.regions.state().trace_records, context.regions.state().trace_produced,
              context.regions.requests().trace_consumed),
      driver_counts_(context.ports.size()) {}

std::size_t Housekeeper::run_once() {
  std::size_t work = context_.requests.poll();
  if (work != 0) is_bell_due_ = true;
  for (const SaIndex index : context_.requests.added_sas()) {
    timed_packets_.watch(index, context_.clock.now_ns());
  }
  for (const Requests::LearnedNeighbor& learned : context_.requests.learned_neighbors()) {
    const HeldPackets::Neighbor neighbor{learned.port, learned.family, learned.address};
    if (learned.mac.is_zero()) {
      known_.erase(neighbor);
      continue;
    }
    known_[neighbor] = context_.clock.now_ns();
    asked_at_ns_.erase(neighbor);
    resume(neighbor, learned.mac);
  }
  work += from_workers();
  work += from_mirrors();
  const std::uint64_t now_ns = context_.clock.now_ns();
  if (!held_.empty()) held_.expire(now_ns);
  if (!punt_sink_ && context_.requests.is_committed()) work += send_timed_packets(now_ns);
  if (now_ns - looked_after_at_ns_ >= kLookAfterPortsNs) look_after_ports(now_ns);
  if (is_bell_due_) ring_state_bell();
  return work;
}

std::size_t Housekeeper::from_workers() {
  std::size_t work = 0;
  for (const HousekeeperRings& rings : context_.rings) {
    std::array<rte_mbuf*, kBurst> mbufs;
    const unsigned count = rte_ring_dequeue_burst(
        rings.to_housekeeper, reinterpret_cast<void**>(mbufs.data()), mbufs.size(), nullptr);
    for (unsigned i = 0; i < count; ++i) {
      const Packet frame(mbufs[i]);
      if (frame.meta().held != 0) {
        hold(frame, frame.meta().time_ns);
      } else {
        to_linux(frame);
      }
    }
    work += count;
    pass_on(*rings.events);
    pass_on(*rings.traces);
  }
  pass_on(own_events_);
  return work;
}

void Housekeeper::pass_on(WorkerEvents& events) {
  for (Event event; events.take(event);) post(event);
}

// Control asks for traces now and then; no bell is rung.
void Housekeeper::pass_on(TraceRecords& traces) {
  std::uint64_t lost = traces.take_lost();
  for (TraceRecord record; traces.take(record);) {
    if (!traces_.push(record)) ++lost;
  }
  if (lost != 0) {
    context_.regions.state().trace_lost.fetch_add(lost, std::memory_order_relaxed);
  }
}

// A frame that was opened, or is for another port's address, has no MAC addresses yet.
void Housekeeper::to_linux(Packet frame) {
  const std::uint16_t port = frame.meta().in_port;
  auto* ethernet = frame.header<EthernetHeader>(0);
  if (ethernet->destination.is_zero()) {
    ethernet->destination = context_.ports[port].mac;
    ethernet->source = kDataplaneMac;
  }
  if (punt_sink_) {
    drops_.counters().punted.add(1);
    punt_sink_(frame);
    rte_pktmbuf_free(frame.mbuf());
    return;
  }
  if (!context_.mirrors[port].write(frame)) {
    drops_.drop(frame, DropReason::punt_no_mirror);
    drops_.flush();
    return;
  }
  drops_.counters().punted.add(1);
  rte_pktmbuf_free(frame.mbuf());
}

void Housekeeper::hold(Packet frame, std::uint64_t now_ns) {
  const Adjacency adjacency = context_.fib.adjacency(AdjacencyIndex{frame.meta().adjacency});
  HeldPackets::Neighbor neighbor{frame.meta().out_port, adjacency.family, adjacency.next_hop};
  if (adjacency.kind == AdjacencyKind::on_link) neighbor = destination_of(frame, neighbor.port);
  // The neighbour may have become known while the frame was on its way here.
  const auto mac = context_.fib.neighbor(PortId{neighbor.port}, neighbor.family, neighbor.address);
  held_.hold(neighbor, frame, now_ns);
  if (mac) return resume(neighbor, *mac);
  if (asked_at_ns_.size() == HeldPackets::kMaxNeighbors && !asked_at_ns_.contains(neighbor)) return;
  std::uint64_t& asked_at = asked_at_ns_[neighbor];
  if (asked_at != 0 && now_ns - asked_at < kAskAgainNs) return;
  asked_at = now_ns;
  post({.type = EventType::neighbor_wanted,
        .family = neighbor.family,
        .port = neighbor.port,
        .time_ns = now_ns,
        .address = neighbor.address});
}

void Housekeeper::resume(const HeldPackets::Neighbor& neighbor, MacAddress mac) {
  for (const Packet packet : held_.release(neighbor, mac)) {
    to_worker(packet, DropReason::forward_no_neighbor);
  }
}

// The first worker takes all that comes from here; any can send to any port.
void Housekeeper::to_worker(Packet packet, DropReason reason) {
  if (rte_ring_enqueue(context_.rings.front().to_worker, packet.mbuf()) == 0) {
    return context_.rings.front().worker_bell->ring_if_asleep();
  }
  if (packet.meta().held != 0) drops_.counters().held_out.add(1);
  drops_.drop(packet, reason);
  drops_.flush();
}

// Keepalives and dummies that are due; in replay there are none, as nobody's time passes.
std::size_t Housekeeper::send_timed_packets(std::uint64_t now_ns) {
  std::array<TimedPackets::Due, kBurst> due;
  const std::size_t count = timed_packets_.take_due(now_ns, due);
  for (const TimedPackets::Due& wanted : std::span(due).first(count)) {
    const Sa& sa = *context_.sad.sa(wanted.sa);
    rte_mbuf* const mbuf = rte_pktmbuf_alloc(&context_.pool);
    if (mbuf == nullptr) break;
    const Packet packet(mbuf);
    packet.meta() = {.time_ns = now_ns, .sa = wanted.sa.raw(), .origin = Origin::keepalive};
    if (wanted.kind == TimedPackets::Kind::keepalive) {
      *packet.push_back(1) = std::byte{kNatKeepaliveByte};
    } else {
      packet.meta().origin = Origin::dummy;
      make_dummy(packet, sa, effective_mtu(sa, now_ns));
    }
    drops_.counters().originated.add(1);
    to_worker(packet, DropReason::punt_ring_full);
  }
  return count;
}

// Frames are only taken while the worker's ring has room: what does not fit waits in the TAP's
// queue, and Linux drops there as on any full device.
std::size_t Housekeeper::from_mirrors() {
  std::size_t work = 0;
  for (std::size_t port = 0; port < context_.mirrors.size(); ++port) {
    for (std::size_t i = 0; i < kBurst; ++i) {
      if (rte_ring_free_count(context_.rings.front().to_worker) == 0) break;
      rte_mbuf* mbuf = context_.mirrors[port].read(context_.pool);
      if (mbuf == nullptr) break;
      const Packet packet(mbuf);
      packet.meta() = {.time_ns = context_.clock.now_ns(),
                       .sa = kNoSa.raw(),
                       .in_port = static_cast<std::uint8_t>(port),
                       .origin = Origin::linux_};
      to_worker(packet, DropReason::punt_ring_full);
      ++work;
    }
  }
  return work;
}

// Link state, the driver's counters, and neighbours that want to be confirmed.
void Housekeeper::look_after_ports(std::uint64_t now_ns) {
  looked_after_at_ns_ = now_ns;
  StateHead& state = context_.regions.state();
  state.status.heartbeat.fetch_add(1, std::memory_order_relaxed);
  for (std::size_t i = 0; i < context_.mirrors.size(); ++i) {
    const Port& port = context_.ports[i];
    const Port& parent = context_.ports[port.parent];
    const std::uint16_t device = parent.device;
    rte_eth_link link{};
    if (rte_eth_link_get_nowait(device, &link) == 0) {
      const std::uint8_t is_up = link.link_status != 0 && !parent.link.is_down() ? 1 : 0;
      context_.requests.set_link(PortId{port.id}, is_up != 0);
      PortStatus& status = state.status.ports[i];
      if (status.link_up != is_up) {
        status.link_up = is_up;
        context_.mirrors[i].set_carrier(is_up != 0);
        post({.type = EventType::link_change, .port = port.id, .value = is_up, .time_ns = now_ns});
      }
    }
    rte_eth_stats stats{};
    if (port.vlan == 0 && rte_eth_stats_get(device, &stats) == 0) {
      PortCounters& counters = state.ports[kHousekeeperRow][i];
      counters.rx_no_mbuf.add(stats.rx_nombuf - driver_counts_[i][0]);
      counters.rx_missed.add(stats.imissed - driver_counts_[i][1]);
      driver_counts_[i] = {stats.rx_nombuf, stats.imissed};
    }
  }
  std::erase_if(asked_at_ns_, [now_ns](const auto& asked) {
    return now_ns - asked.second >= HeldPackets::kPatienceNs;
  });
  for (auto& [neighbor, confirmed_at_ns] : known_) {
    if (now_ns - confirmed_at_ns < kConfirmEveryNs) continue;
    confirmed_at_ns = now_ns;
    post({.type = EventType::neighbor_in_use,
          .family = neighbor.family,
          .port = neighbor.port,
          .time_ns = now_ns,
          .address = neighbor.address});
  }
}

// An event that finds the ring full is lost; what it reports shows again or in the counters.
void Housekeeper::post(Event event) {
  if (events_.push(event)) is_bell_due_ = true;
}

void Housekeeper::ring_state_bell() {
  is_bell_due_ = false;
  const std::uint64_t one = 1;
  static_cast<void>(!write(context_.state_bell, &one, sizeof one));
}

// Until packets are due, or what rings no bell wants to be looked at.
timespec Housekeeper::longest_sleep() const {
  const auto next_ns = timed_packets_.next_ns();
  if (!next_ns) return {0, kLongestSleepNs};
  const auto now_ns = context_.clock.now_ns();
  const std::uint64_t left = *next_ns > now_ns ? *next_ns - now_ns : 0;
  return {0, static_cast<long>(std::min<std::uint64_t>(left, kLongestSleepNs))};
}

void Housekeeper::wait() {
  std::array<pollfd, kMaxPorts + 2> waits{};
  std::size_t count = 1;  // the first is the bell's
  pollfd& request = waits[count++];
  request = {.fd = context_.request_bell, .events = POLLIN, .revents = 0};
  const std::size_t first_mirror = count;
  for (const Mirror& mirror : context_.mirrors) {
    waits[count++] = {.fd = mirror.descriptor(), .events = POLLIN, .revents = 0};
  }
  const auto has_work = [this] {
    return std::ranges::any_of(context_.rings, [](const HousekeeperRings& rings) {
      return rte_ring_empty(rings.to_housekeeper) == 0;
    });
  };
  const timespec longest = longest_sleep();
  context_.bell.sleep(std::span(waits).first(count), &longest, has_work);
  if ((request.revents & POLLIN) != 0) {
    std::uint64_t rung = 0;
    static_cast<void>(!read(context_.request_bell, &rung, sizeof rung));
  }
  for (std::size_t port = 0; port < context_.mirrors.size(); ++port) {
    if ((waits[first_mirror + port].revents & POLLERR) != 0) give_up_mirror(port);
  }
}

// A TAP that was deleted under us is in error for ever, and would keep us awake.
void Housekeeper::give_up_mirror(std::size_t port) {
  context_.mirrors[port].give_up();
  context_.regions.state().status.ports[port].has_mirror = 0;
  std::fprintf(stderr,
               "culvertd: port %s: its mirror was deleted; nothing of it reaches Linux until "
               "culvertd starts again\n",
               context_.ports[port].name.data());
}

}  // namespace culvert
