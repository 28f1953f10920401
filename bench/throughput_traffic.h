// SPDX-License-Identifier: BSD-3-Clause
//
// What the gateway under measurement is sent: packets made in memory, in buffers that go round, and
// the same buffers for ipsec-mb alone.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/crypto_raw.h"
#include "bench/throughput_gateway.h"
#include "crypto/esp_transform.h"
#include "dataplane/net/esp.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ip.h"
#include "dataplane/net/udp.h"

namespace culvert {

enum class TrafficDirection : std::uint8_t { seal, open };

// The simple IMIX: packets of 64, 594 and 1420 bytes, 7 : 4 : 1, in random order. 1420 stands where
// 1518 usually does, which no tunnel over an MTU of 1500 carries.
inline constexpr std::uint32_t kImix = 0;

struct TrafficKind {
  TrafficDirection direction = TrafficDirection::seal;
  std::uint32_t inner_bytes = 64;  // of the inner IP packet; kImix: mixed
  TunnelKind tunnels;
  std::uint32_t flows = 256;        // of one tunnel, if it has as many packets
  std::uint64_t last_sequence = 0;  // that may have been used before
  std::uint32_t sequence_step = 1;  // from one packet of a tunnel to its next
  std::uint16_t worker = 0;         // whose packets they are

  [[nodiscard]] bool is_udp_encapsulated() const { return (tunnels.sa_flags & kSaUdpEncap) != 0; }
  [[nodiscard]] bool has_esn() const { return (tunnels.sa_flags & kSaEsn) != 0; }
  [[nodiscard]] bool is_over_ipv6() const { return tunnels.family == Family::v6; }
};

// A set of buffers, each with one packet of one tunnel; unless they are dealt() otherwise tunnels
// follow each other in random order, all equally often. Buffers are used over and over; the header
// is written anew each time.
class Traffic {
 public:
  static constexpr std::size_t kPackets = 4096;
  static constexpr std::size_t kBurstPackets = 64;

  // The gateway's tunnels are those of `kind`.
  Traffic(ThroughputGateway& gateway, const TrafficKind& kind);
  ~Traffic();
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  // The next packets are those of these tunnels, one for each buffer.
  void deal(std::span<const std::uint32_t, kPackets> tunnels);

  // To be opened: seals all packets as the peer would, with the next sequence numbers. To be
  // sealed: nothing to do. Before each through_gateway().
  void prepare();

  // All packets once, in bursts: source -> receive, the worker, transmit -> sink. True when each
  // one came out.
  [[nodiscard]] bool through_gateway();

  // Of what through_gateway() left in the buffers: headers and checksums are right, sealed packets
  // are authentic, opened ones have one hop less. Spoils them.
  [[nodiscard]] bool came_out_right();

  // The same without the worker: each burst is received and transmitted as it is.
  void through_ports();

  // ipsec-mb alone on each packet's payload, same keys, lengths and order, in bursts as the gateway
  // has them, by the best way there is for the transform (crypto_raw.h); nonce and AAD stand still.
  // It spoils packets that were prepared. Not for more than kMaxTunnels.
  void through_ipsec_mb();

  // For senders with a clock: makes slots `first` to `first + count`, at most kBurstPackets, ready
  // and puts them into the source's ring; returns how many it took. The buffers stay the traffic's
  // even if the gateway frees them.
  [[nodiscard]] std::size_t offer(std::size_t first, std::size_t count);
  // Slots of packets that came out.
  [[nodiscard]] std::size_t collect(std::span<std::uint32_t, kBurstPackets> slots);

  // Of the last through_gateway(), by slot: when it came out, in TSC cycles, and its number on the
  // wire.
  struct Departure {
    std::uint64_t time = 0;
    std::uint64_t sequence = 0;
    std::uint16_t source_port = 0;  // of its flow
  };
  [[nodiscard]] std::vector<Departure> departures() const;

  [[nodiscard]] double mean_inner_bytes() const { return mean_inner_bytes_; }

 private:
  // What is in front of an inner packet's payload, and where it leaves the gateway.
  struct Slot {
    rte_mbuf* mbuf = nullptr;
    std::uint32_t tunnel = 0;
    std::uint16_t inner_bytes = 0;
    std::uint16_t crypto_bytes = 0;  // what is encrypted: with padding and trailer
    std::uint16_t source_port = 0;   // of the inner UDP header
    std::uint64_t sequence = 0;      // where it was sealed here
  };
  // A frame in clear up to its UDP header, as the LAN's router sends it.
  struct ClearHeaders {
    EthernetHeader ethernet{kLanMac, kLanRouterMac, wire_ether_type(EtherType::ipv4)};
    Ipv4Header ip;
    UdpHeader udp;
  };
  static_assert(sizeof(ClearHeaders) == 42);
  void expand_key(std::uint32_t tunnel, ExpandedKey& key);
  // The tunnel's key; of many tunnels not all are kept, and it is expanded into `place`, which is
  // below kBurstPackets.
  [[nodiscard]] const ExpandedKey& key_of(std::uint32_t tunnel, std::size_t place);
  [[nodiscard]] ThroughputGateway::Side source_side() const;
  [[nodiscard]] ThroughputGateway::Side sink_side() const;
  [[nodiscard]] const TransformInfo& transform_of(const Slot& slot) const {
    return *transform_info(kind_.tunnels.transform_of(slot.tunnel));
  }
  [[nodiscard]] std::size_t ip_bytes() const;                      // of the outer IP header
  [[nodiscard]] std::size_t outer_bytes(const Slot& slot) const;   // IP to IV
  [[nodiscard]] std::size_t sealed_bytes(const Slot& slot) const;  // IP to ICV
  void set_tunnel(Slot& slot, std::uint32_t tunnel) const;
  [[nodiscard]] std::byte* frame_of(const Slot& slot) const;
  void write_clear(std::byte* frame, const Slot& slot) const;
  std::byte* write_outer(const Slot& slot) const;
  void write_sealed(Slot& slot, const ExpandedKey& key, CryptoJob& job);
  void seal_slots(std::size_t first, std::size_t count);
  void fill_burst(std::size_t first, std::size_t count);
  void source(std::size_t first);
  [[nodiscard]] std::size_t sink();
  [[nodiscard]] bool has_right_outer(std::span<std::byte> packet) const;
  [[nodiscard]] bool is_sealed_right(const Slot& slot);
  [[nodiscard]] bool is_opened_right(const Slot& slot) const;

  ThroughputGateway& gateway_;
  TrafficKind kind_;
  std::vector<Slot> slots_;
  std::vector<ExpandedKey> keys_;         // by tunnel, or those expanded last
  std::vector<std::uint64_t> sequences_;  // by tunnel, the last one given out
  std::unique_ptr<Engine> engine_;
  // One of each transform there is, and the burst's packets for it.
  struct RawPart {
    RawCrypto crypto;
    std::vector<RawCrypto::Packet> burst;
  };
  [[nodiscard]] RawPart& raw_part_of(const Slot& slot) {
    return raw_[kind_.tunnels.is_mixed() ? slot.tunnel % kMixedTransforms.size() : 0];
  }
  std::vector<RawPart> raw_;
  double mean_inner_bytes_ = 0;
  std::array<rte_mbuf*, kBurstPackets> burst_{};
  std::array<std::uint64_t, kPackets / kBurstPackets> came_out_at_{};  // by burst, TSC cycles
};

}  // namespace culvert
