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
  void operator()(Lane<Packet>& lane, Lanes& lanes);

 private:
  void forward_burst(std::span<Packet> packets, Lanes& lanes);
  [[nodiscard]] bool is_admitted(Packet packet, const PolicyEntry* policy);
  [[nodiscard]] bool is_admitted_opened(Packet packet, const PolicyEntry* policy);
  void route(Packet packet, const FlowVerdict& verdict, Lanes& lanes);
  void punt(Packet packet, std::uint16_t port, Lanes& lanes);

  Context context_;
  PolicyCounts policy_counts_;

  // What an SA carried and a policy let through last, as long as this burst lasts.
  const PolicyEntry* admitting_policy_ = nullptr;
  std::uint32_t admitted_sa_ = kNoSa.raw();

  std::array<FlowWords, kBurst> flows_;
  std::array<FlowVerdict, kBurst> verdicts_;
};

}  // namespace culvert
