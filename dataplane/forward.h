// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <span>

#include "dataplane/fib.h"
#include "dataplane/icmp_error.h"
#include "dataplane/lanes.h"
#include "dataplane/net/ip_parse.h"
#include "dataplane/policy_counts.h"
#include "dataplane/sa_groups.h"
#include "dataplane/sad.h"
#include "dataplane/spd.h"

namespace culvert {

// What applies to a packet that no policy matches: discard or bypass. Written by the housekeeper;
// relaxed, as policies come and go one by one anyway.
using DefaultPolicy = std::atomic<PolicyAction>;

// Checks what came in against the inbound policies and finds its next hop. One per worker.
class Forward {
 public:
  Forward(const Spd& spd, const Sad& sad, const Fib& fib, std::span<PolicyState> policy_states,
          const DefaultPolicy& default_policy, IcmpErrors& icmp_errors, DropSink& drops)
      : spd_(&spd),
        sad_(&sad),
        fib_(&fib),
        policy_counts_(policy_states),
        default_policy_(&default_policy),
        icmp_errors_(&icmp_errors),
        drops_(&drops) {}

  // Lane inner -> clear, punt.
  void operator()(Lane<Packet>& lane, Lanes& lanes);

 private:
  void forward_burst(std::span<Packet> packets, Lanes& lanes);
  [[nodiscard]] bool is_admitted(Packet packet, const FlowKey& flow, const PolicyEntry* policy);
  [[nodiscard]] bool is_admitted_opened(Packet packet, const PolicyEntry* policy);
  [[nodiscard]] bool has_outbound_policy(Packet packet);
  void route(Packet packet, PackedAdjacency adjacency, Lanes& lanes);
  void punt(Packet packet, std::uint16_t port, Lanes& lanes);

  const Spd* spd_;
  const Sad* sad_;
  const Fib* fib_;
  PolicyCounts policy_counts_;
  const DefaultPolicy* default_policy_;
  IcmpErrors* icmp_errors_;
  DropSink* drops_;

  std::array<FlowKey, kBurst> flows_;
  std::array<const PolicyEntry*, kBurst> policies_;
  std::array<Ipv4Address, kBurst> destinations_;
  std::array<AdjacencyIndex, kBurst> adjacencies_;
};

// The flow of an IPv4 packet whose header was checked; data at the IP header. Written field by
// field where it stays: a copy of what was just stored in parts would wait for the stores.
inline void read_flow(Packet packet, FlowKey& flow) {
  const auto& header = *packet.header<Ipv4Header>(0);
  const TransportPorts ports =
      transport_ports(header, packet.bytes().subspan(header.header_length_bytes()));
  flow.src = host_address(header.source);
  flow.dst = host_address(header.destination);
  flow.src_port = ports.source;
  flow.dst_port = ports.destination;
  flow.protocol = header.protocol;
}

}  // namespace culvert
