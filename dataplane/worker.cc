// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker.h"

#include <algorithm>
#include <map>
#include <vector>

#include "dataplane/net/esp.h"

namespace culvert {

// The life of a burst. Lanes hold packets by what they need next; each line empties one lane and
// fills those below. Packets that go nowhere end in drops_, by name.
std::size_t Worker::run_once() {
  const auto received = rx_.receive(clock_->now_ns());
  const auto from_linux = punt_.receive();
  const std::size_t count = received.size() + from_linux.size() + tx_.waiting();
  if (count == 0) return 0;

  classify_.received(received, lanes_);  // outer header only
  esp_inbound_(lanes_.esp, lanes_);      // RFC 4303 3.4
  open_nested();                         // what was opened may be ESP for us again
  forward_(lanes_.inner, lanes_);        // inbound policy; route picks the next hop, or Linux
  from_linux_(from_linux, lanes_);       // what Linux sends goes through the SPD too
  esp_outbound_(lanes_.clear, lanes_);   // SPD: protect, bypass, discard; RFC 4303 3.3
  punt_.send(lanes_);                    // to Linux, or to wait for a neighbour
  tx_.send(lanes_.wire);                 // the only lane tx takes; only esp_outbound fills it
  finish_round();
  return count;
}

Worker::Worker(const Tables& tables, WorkerParts parts)
    : clock_(&tables.clock),
      drops_(parts.counters),
      engine_(std::move(parts.engine)),
      rx_(std::move(parts.rx_queues), parts.port_counters, parts.counters),
      tx_(std::move(parts.tx_ways), parts.relay, parts.port_counters, drops_),
      punt_(parts.rings, drops_),
      icmp_errors_(tables.ports, tables.fib, parts.pool, drops_),
      classify_(tables.ports, tables.fib, drops_),
      esp_inbound_(tables.sad, tables.fib, *engine_, drops_),
      forward_(tables.spd, tables.sad, tables.fib, tables.policy_states, tables.default_policy,
               icmp_errors_, drops_),
      esp_outbound_({.spd = tables.spd,
                     .sad = tables.sad,
                     .fib = tables.fib,
                     .ports = tables.ports,
                     .policy_states = tables.policy_states,
                     .default_policy = tables.default_policy,
                     .icmp_errors = icmp_errors_,
                     .engine = *engine_,
                     .drops = drops_}),
      from_linux_(esp_outbound_, drops_) {}

void Worker::open_nested() {
  while (!lanes_.again.empty()) {
    classify_.again(lanes_.again, lanes_);
    esp_inbound_(lanes_.esp, lanes_);
  }
}

void Worker::finish_round() {
  drops_.flush();
}

// Opens what lies in lane `esp` as if each packet had come alone. What the replay window says of a
// packet depends on those before it, unless it is the next to the right; so a pass ends before a
// packet whose SA has had one in it that is not left of it.
// Limit: an SA whose packets come both as they are and inside another SA's is not put in order.
void Worker::open_in_order() {
  std::vector<Packet> packets(lanes_.esp.packets().begin(), lanes_.esp.packets().end());
  std::map<std::uint32_t, std::uint32_t> last_numbers;  // by SPI
  lanes_.esp.clear();
  for (const Packet packet : packets) {
    if (const auto* esp = packet.header<EspHeader>(packet.meta().esp_offset); esp != nullptr) {
      const std::uint32_t spi = esp->spi.host();
      const std::uint32_t number = esp->sequence.host();
      const auto last = last_numbers.find(spi);
      if (last != last_numbers.end() && number - last->second - 1 >= 0x7fffffffu) {
        esp_inbound_(lanes_.esp, lanes_);
        last_numbers.clear();
      }
      last_numbers[spi] = number;
    }
    lanes_.esp.push(packet);
  }
  esp_inbound_(lanes_.esp, lanes_);
}

void Worker::run_in_order(std::span<Packet> frames) {
  const auto in_order = [](Lane<Packet>& lane) {
    std::ranges::stable_sort(lane.packets(), {},
                             [](Packet packet) { return packet.meta().arrival; });
  };
  classify_.received(frames, lanes_);
  open_in_order();
  while (!lanes_.again.empty()) {
    in_order(lanes_.again);
    classify_.again(lanes_.again, lanes_);
    open_in_order();
  }
  in_order(lanes_.inner);
  forward_(lanes_.inner, lanes_);
  from_linux_(punt_.receive(), lanes_);
  in_order(lanes_.clear);
  esp_outbound_(lanes_.clear, lanes_);
  in_order(lanes_.punt);
  in_order(lanes_.held);
  punt_.send(lanes_);
  tx_.send(lanes_.wire);
  finish_round();
}

}  // namespace culvert
