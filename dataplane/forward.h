// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <span>

#include "dataplane/fib.h"
#include "dataplane/flow_cache.h"
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
  struct Context {
    FlowCache& flow_cache;
    const Sad& sad;
    const Fib& fib;
    std::span<PolicyState> policy_states;
    Writers writers;
    const DefaultPolicy& default_policy;
    IcmpErrors& icmp_errors;
    DropSink& drops;
  };
  explicit Forward(const Context& context)
      : context_(context), policy_counts_(context.policy_states, context.writers) {}

  // Lane inner -> clear, punt.
  void ipv4(Lane<Packet>& lane, Lanes& lanes) { forward(lane, flows_, lanes); }
  // Lane inner6 -> clear, punt.
  void ipv6(Lane<Packet>& lane, Lanes& lanes) { forward(lane, flows6_, lanes); }

 private:
  template <FamilyWords Words>
  using Flows = std::array<Words, kBurst>;

  template <FamilyWords Words>
  void forward(Lane<Packet>& lane, Flows<Words>& flows, Lanes& lanes);
  template <FamilyWords Words>
  void forward_burst(std::span<Packet> packets, Flows<Words>& flows, Lanes& lanes);
  [[nodiscard]] bool is_admitted(Packet packet, const PolicyEntry* policy);
  [[nodiscard]] bool is_admitted_opened(Packet packet, const PolicyEntry* policy);
  template <typename Header>
  void route(Packet packet, Header& header, const FlowVerdict& verdict, Lanes& lanes);
  void punt(Packet packet, std::uint16_t port, Lanes& lanes);

  Context context_;
  PolicyCounts policy_counts_;

  // What an SA carried and a policy let through last, as long as this burst lasts.
  const PolicyEntry* admitting_policy_ = nullptr;
  std::uint32_t admitted_sa_ = kNoSa.raw();

  Flows<FlowWords> flows_;
  Flows<FlowWords6> flows6_;
  std::array<FlowVerdict, kBurst> verdicts_;
};

}  // namespace culvert
