// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "crypto/esp_transform.h"
#include "dataplane/esp_headers.h"
#include "dataplane/fib.h"
#include "dataplane/forward.h"
#include "dataplane/fragment.h"
#include "dataplane/icmp_error.h"
#include "dataplane/lanes.h"
#include "dataplane/policy_counts.h"
#include "dataplane/port.h"
#include "dataplane/sa_groups.h"
#include "dataplane/sad.h"
#include "dataplane/spd.h"

namespace culvert {

// Lets packets out: the outbound policy protects, bypasses or discards (RFC 4301 5.1); what it
// protects is sealed (RFC 4303 3.3), a burst at a time and each step for the whole burst. The only
// maker of WirePackets. One per worker.
class EspOutbound {
 public:
  // What is done with packets that are too long once they are sealed. The housekeeper changes it;
  // relaxed, because each of the two stands for itself.
  struct Splitting {
    // IPv4 packets without DF are sealed whole and their ESP is split.
    std::atomic<bool> is_after_esp{false};
    // Of TCP through tunnels, in bytes: lowered to this, or what fits.
    std::atomic<std::uint16_t> mss{kMssAuto};
  };
  struct Context {
    const Sad& sad;
    const Fib& fib;
    const Spd& spd;
    std::span<const Port> ports;
    std::span<PolicyState> policy_states;
    Writers writers;
    const DefaultPolicy& default_policy;
    IcmpErrors& icmp_errors;
    Fragmenter& fragmenter;
    const Splitting& splitting;
    Engine& engine;
    WorkerEvents& events;
    DropSink& drops;
  };
  explicit EspOutbound(const Context& context)
      : context_(context), policy_counts_(context.policy_states, context.writers) {}

  // Lane clear -> wire, held.
  void operator()(Lane<ClearPacket>& lane, Lanes& lanes);

  // The built-in bypass: a frame from Linux that is not IP, or IPv6 that stays on its link, for the
  // port of its mirror.
  void bypass_frame(Packet packet, Lanes& lanes) {
    lanes.wire.push(WirePacket(packet, packet.meta().in_port));
  }

  // A keepalive or a dummy, as its Origin says, goes out by the SA in its notes: the one in clear
  // (RFC 3948 2.3), the other sealed (RFC 4303 2.6).
  void send_own(Packet packet, Lanes& lanes);

  // A packet that waited for a neighbour, sealed or let through before it waited; its Ethernet
  // header is complete now.
  void resume(Packet packet, Lanes& lanes) {
    lanes.wire.push(WirePacket(packet, packet.meta().out_port));
  }

 private:
  // A packet on its way through an SA.
  struct Candidate {
    Packet packet;
    const Sa* sa;
    SeqNum sequence;
    std::uint32_t order;  // among the packets of its SA in this burst
    std::uint16_t group;
    std::uint16_t tfc_bytes;  // of zeroes behind it (RFC 4303 2.7)
    std::uint32_t split_mtu;  // the sealed packet is split to pieces of this; 0: it fits
  };

  // Where a policy sends packets, as long as this burst lasts.
  struct Outgoing {
    const PolicyEntry* policy = nullptr;
    std::uint64_t time_ns = 0;  // of the packet it was found for
    const Sa* sa = nullptr;     // nullptr: none
    std::uint8_t place = 0;     // in the policy's set, from which on it was looked for
    std::uint32_t mtu = 0;      // of the SA's path
    std::uint32_t fitting = 0;  // bytes of the largest inner packet
  };
  // The Ethernet header of a next hop, as long as this burst lasts.
  struct NextHop {
    AdjacencyIndex index;
    AdjacencyKind kind = AdjacencyKind::no_route;
    std::uint16_t port = 0;  // PortId
    std::uint32_t mtu = 0;   // of the port; 0: there is none
    EthernetHeader header;
  };

  std::size_t send_burst(std::span<ClearPacket> packets, Lanes& lanes);
  void begin_burst();
  void finish_burst(Lanes& lanes);
  void fetch_sas(std::span<const ClearPacket> packets) const;
  [[nodiscard]] PolicyAction verdict(Packet packet, const PolicyEntry* policy);
  void bypass(Packet packet, Lanes& lanes);
  void protect(Packet packet, const PolicyEntry& policy, Lanes& lanes);
  // What becomes of a packet before it is sealed.
  enum class Fit : std::uint8_t { fits, split_after, gone };
  [[nodiscard]] Fit fit(Packet packet, Lanes& lanes) {
    const bool fits = packet.length() <= outgoing_.fitting && !outgoing_.sa->is_transport();
    return fits ? Fit::fits : fit_closely(packet, lanes);
  }
  [[nodiscard]] Fit fit_closely(Packet packet, Lanes& lanes);
  void split_before(Packet packet, Lanes& lanes);
  // TCP's MSS in a packet that an SA is about to carry.
  void clamp_mss(Packet packet) const {
    if (!outgoing_.sa->is_transport() && may_be_tcp_syn(packet)) clamp_syn(packet, outgoing_);
  }
  // The same in one that an SA carried, where the answers will go through one.
  void clamp_answers(Packet packet) const {
    if (may_be_tcp_syn(packet)) clamp_syn_for_answers(packet);
  }
  void clamp_syn(Packet packet, const Outgoing& outgoing) const;
  void clamp_syn_for_answers(Packet packet) const;
  void send_pieces(const Candidate& candidate, Lanes& lanes);
  void admit(Packet packet, std::uint32_t split_mtu);
  void send_keepalive(Packet packet, const Sa& sa, Lanes& lanes);
  [[nodiscard]] Outgoing outgoing_by(const Sa& sa, const PolicyEntry* policy, std::uint8_t place,
                                     std::uint64_t now_ns) const;
  [[nodiscard]] std::uint8_t place_of(Packet packet, const PolicyEntry& policy) const;
  [[nodiscard]] Outgoing outgoing_of(const PolicyEntry& policy, std::uint8_t place,
                                     std::uint64_t now_ns) const;
  void take_sequence_numbers();
  void prepare(std::size_t i);
  [[nodiscard]] std::byte* put_ip_header(const Candidate& candidate, const InnerTraits& inner,
                                         const OwnHeader& own);
  [[nodiscard]] NextHop next_hop_of(AdjacencyIndex index) const;
  void find_next_hop(AdjacencyIndex index) {
    if (next_hop_.index != index) next_hop_ = next_hop_of(index);
  }
  void to_next_hop(Packet packet, AdjacencyIndex index, Lanes& lanes);

  Context context_;
  std::array<Candidate, kBurst> candidates_;
  std::array<CryptoJob, kBurst> jobs_;
  std::size_t candidate_count_ = 0;
  Outgoing outgoing_;  // of the last packet
  // Outgoing::place of what was split last. Its pieces come next, before anything else is split.
  std::uint8_t split_place_ = 0;
  NextHop next_hop_;  // of the last packet
  PolicyCounts policy_counts_;
  SaGroups groups_;
};

}  // namespace culvert
