// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker.h"

namespace culvert {
namespace {

// Fragments for Linux in one round, besides what it takes in.
constexpr std::size_t kHandedOn = kMaxIntake;

}  // namespace

// The life of a burst. Lanes hold packets by what they need next; each line empties one lane and
// fills those below. Packets that go nowhere end in drops_, by name. tracer_ only looks on.
std::size_t Worker::run_once() {
  const std::uint64_t now_ns = clock_->now_ns();
  tracer_.begin_round();
  if (!reassembly_.is_empty()) expire_fragments(now_ns);
  const auto received = rx_.receive(now_ns);
  const auto from_linux = punt_.receive();
  const std::size_t count = received.size() + from_linux.size() + tx_.waiting();
  if (count == 0) return 0;

  tracer_.received(received);
  classify_.received(received, lanes_);    // outer header only
  esp_inbound_(lanes_.esp, lanes_);        // RFC 4303 3.4
  open_nested();                           // what was opened may be ESP for us again
  reassembly_.hand_on(lanes_, kHandedOn);  // fragments that are not ESP
  tracer_.inner(lanes_.inner);
  tracer_.inner(lanes_.inner6);
  forward_.ipv4(lanes_.inner, lanes_);   // inbound policy; route picks the next hop, or Linux
  forward_.ipv6(lanes_.inner6, lanes_);  // the same
  from_linux_(from_linux, lanes_);       // what Linux sends goes through the SPD too
  tracer_.clear(lanes_.clear);
  esp_outbound_(lanes_.clear, lanes_);  // SPD: protect, bypass, discard; RFC 4303 3.3
  tracer_.leaving(lanes_);
  punt_.send(lanes_);     // to Linux, or to wait for a neighbour
  tx_.send(lanes_.wire);  // the only lane tx takes; only esp_outbound fills it
  finish_round();
  return count;
}

Worker::Worker(const Tables& tables, WorkerParts parts)
    : clock_(&tables.clock),
      drops_(parts.counters, *parts.rings.events),
      tracer_({.traces = tables.traces,
               .records = *parts.rings.traces,
               .sad = tables.sad,
               .spd = tables.spd,
               .fib = tables.fib,
               .worker = static_cast<std::uint8_t>(parts.number)}),
      engine_(std::move(parts.engine)),
      rx_(std::move(parts.rx_queues), parts.port_counters, parts.counters),
      tx_(std::move(parts.tx_ways), parts.relay, parts.port_counters, drops_),
      punt_(parts.rings, drops_),
      flow_cache_(tables.spd, tables.fib, tables.secret),
      icmp_errors_(tables.ports, tables.spd, tables.fib, parts.pool, drops_),
      fragmenter_(parts.pool, drops_,
                  static_cast<std::uint32_t>(tables.secret + (std::uint64_t{parts.number} << 26))),
      reassembly_({.buffers = parts.fragment_buffers, .patience_ns = tables.fragment_patience_ns},
                  tables.secret, drops_),
      path_mtu_(tables.sad, tables.fib),
      classify_(tables.ports, tables.fib, path_mtu_, reassembly_, parts.port_counters, drops_),
      esp_inbound_(tables.sad, tables.fib, *engine_, tables.writers, *parts.rings.events, drops_),
      forward_({.flow_cache = flow_cache_,
                .sad = tables.sad,
                .fib = tables.fib,
                .policy_states = tables.policy_states,
                .writers = tables.writers,
                .default_policy = tables.default_policy,
                .icmp_errors = icmp_errors_,
                .drops = drops_}),
      esp_outbound_({.sad = tables.sad,
                     .fib = tables.fib,
                     .spd = tables.spd,
                     .ports = tables.ports,
                     .policy_states = tables.policy_states,
                     .writers = tables.writers,
                     .default_policy = tables.default_policy,
                     .icmp_errors = icmp_errors_,
                     .fragmenter = fragmenter_,
                     .splitting = tables.splitting,
                     .engine = *engine_,
                     .events = *parts.rings.events,
                     .drops = drops_}),
      from_linux_(tables.spd, esp_outbound_, drops_) {
  drops_.follow(tracer_);
}

void Worker::open_nested() {
  while (!lanes_.again.empty()) {
    tracer_.again(lanes_.again);
    classify_.again(lanes_.again, lanes_);
    esp_inbound_(lanes_.esp, lanes_);
  }
}

// Fragments of the round before may want to go on, or have waited too long.
void Worker::expire_fragments(std::uint64_t now_ns) {
  reassembly_.expire(now_ns);
  drops_.flush();
}

void Worker::finish_round() {
  drops_.flush();
}

}  // namespace culvert
