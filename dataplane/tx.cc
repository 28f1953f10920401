// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/tx.h"

#include <array>
#include <cstring>

#include "dataplane/net/ethernet.h"

#include <rte_ethdev.h>

namespace culvert {
namespace {

// A full queue is tried again this often before its frames are dropped: software devices make room
// while they are polled.
constexpr int kTries = 4;

constexpr std::size_t kMacsBytes = 2 * sizeof(MacAddress);

}  // namespace

Tx::Tx(std::vector<Way> ways, rte_ring* own_relay, std::span<PortCounters> port_counters,
       DropSink& drops)
    : ways_(std::move(ways)),
      batches_(ways_.size()),
      own_relay_(own_relay),
      port_counters_(port_counters),
      drops_(&drops) {}

void Tx::send(Lane<WirePacket>& lane) {
  for (const WirePacket& packet : lane.packets()) {
    if (ways_[packet.port()].vlan == 0 || tag(packet)) add(packet.port(), packet.mbuf());
  }
  lane.clear();
  if (own_relay_ != nullptr) {
    std::array<rte_mbuf*, kBurst> mbufs;
    const unsigned count = rte_ring_dequeue_burst(
        own_relay_, reinterpret_cast<void**>(mbufs.data()), mbufs.size(), nullptr);
    for (unsigned i = 0; i < count; ++i) add(Packet(mbufs[i]).meta().out_port, mbufs[i]);
  }
  for (std::uint16_t port = 0; port < batches_.size(); ++port) flush(port);
}

// False: there was no room, and it was dropped.
bool Tx::tag(WirePacket wire) {
  const Packet packet(wire.mbuf());
  const std::array tag_and_type{wire_ether_type(EtherType::vlan), Be16{ways_[wire.port()].vlan}};
  std::byte* const front = packet.push_front(sizeof tag_and_type);
  if (front == nullptr) {
    drops_->drop(packet, DropReason::esp_out_no_room);
    return false;
  }
  std::memmove(front, front + sizeof tag_and_type, kMacsBytes);
  std::memcpy(front + kMacsBytes, tag_and_type.data(), sizeof tag_and_type);
  return true;
}

void Tx::add(std::uint16_t port, rte_mbuf* mbuf) {
  Batch& batch = batches_[port];
  if (batch.count == batch.mbufs.size()) flush(port);
  batch.mbufs[batch.count++] = mbuf;
}

void Tx::flush(std::uint16_t port) {
  Batch& batch = batches_[port];
  if (batch.count == 0) return;
  const auto mbufs = std::span(batch.mbufs).first(batch.count);
  batch.count = 0;
  const Way& way = ways_[port];
  if (way.relay == nullptr) return transmit(port, mbufs);
  for (rte_mbuf* mbuf : mbufs) Packet(mbuf).meta().out_port = static_cast<std::uint8_t>(port);
  const unsigned passed = rte_ring_enqueue_burst(way.relay, reinterpret_cast<void**>(mbufs.data()),
                                                 static_cast<unsigned>(mbufs.size()), nullptr);
  way.bell->ring_if_asleep();
  if (passed < mbufs.size()) drops_->drop_all(mbufs.subspan(passed), DropReason::tx_ring_full);
}

void Tx::count(std::uint16_t port, std::size_t packets, std::uint64_t bytes) {
  port_counters_[port].tx_packets.add(packets);
  port_counters_[port].tx_bytes.add(bytes);
}

void Tx::transmit(std::uint16_t port, std::span<rte_mbuf*> mbufs) {
  const Way& way = ways_[port];
  // Lengths are read before the frames are given away.
  std::array<std::uint32_t, kBurst> bytes;
  for (std::size_t i = 0; i < mbufs.size(); ++i) bytes[i] = mbufs[i]->pkt_len;
  std::size_t sent = 0;
  for (int i = 0; i < kTries && sent < mbufs.size(); ++i) {
    sent += rte_eth_tx_burst(way.device, way.queue, mbufs.data() + sent,
                             static_cast<std::uint16_t>(mbufs.size() - sent));
  }
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < sent; ++i) total += bytes[i];
  drops_->counters().sent.add(sent);
  count(port, sent, total);
  if (way.vlan != 0) count(way.parent, sent, total);
  if (sent < mbufs.size()) drops_->drop_all(mbufs.subspan(sent), DropReason::tx_ring_full);
}

}  // namespace culvert
