// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <span>

#include "dataplane/fib.h"
#include "dataplane/icmp_error.h"
#include "dataplane/lanes.h"
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
        policy_states_(policy_states),
        default_policy_(&default_policy),
        icmp_errors_(&icmp_errors),
        drops_(&drops) {}

  // Lane inner -> clear, punt.
  void operator()(Lane<Packet>& lane, Lanes& lanes);

 private:
  void forward_burst(std::span<Packet> packets, Lanes& lanes);
  [[nodiscard]] bool is_admitted(Packet packet, const FlowKey& flow, const PolicyEntry* policy);
  [[nodiscard]] bool is_admitted_opened(Packet packet, const PolicyEntry* policy);
  void route(Packet packet, const Adjacency& adjacency, Lanes& lanes);
  void punt(Packet packet, std::uint16_t port, Lanes& lanes);

  const Spd* spd_;
  const Sad* sad_;
  const Fib* fib_;
  std::span<PolicyState> policy_states_;
  const DefaultPolicy* default_policy_;
  IcmpErrors* icmp_errors_;
  DropSink* drops_;

  std::array<FlowKey, kBurst> flows_;
  std::array<const PolicyEntry*, kBurst> policies_;
  std::array<Ipv4Address, kBurst> destinations_;
  std::array<AdjacencyIndex, kBurst> adjacencies_;
};

// The flow of an IPv4 packet whose header was checked; data at the IP header.
[[nodiscard]] FlowKey flow_of(Packet packet);

// Notes in the policy's record that it was used.
void count_policy(PolicyState& state, Packet packet);

}  // namespace culvert
