// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "control/request_channel.h"
#include "control/result.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// What the dataplane is to be told, kept until it is sent in an order in which no packet falls
// between two requests: new SAs before the policies that lead to them, policies before the removal
// of the SAs they led to before.
class PushQueue {
 public:
  void add_sa(std::uint32_t slot, std::uint32_t generation) {
    sa_changes_.push_back(about(RequestOp::sa_add, slot, generation));
  }
  void update_sa(std::uint32_t slot, std::uint32_t generation) {
    sa_changes_.push_back(about(RequestOp::sa_update, slot, generation));
  }
  void remove_sa(std::uint32_t slot, std::uint32_t generation) {
    sa_removals_.push_back(about(RequestOp::sa_delete, slot, generation));
  }
  void set_policy(std::uint32_t slot, std::uint32_t generation) {
    policy_changes_.push_back(about(RequestOp::policy_set, slot, generation));
  }
  void remove_policy(std::uint32_t slot, std::uint32_t generation) {
    policy_changes_.push_back(about(RequestOp::policy_delete, slot, generation));
  }
  void set_default(PolicyAction action) { default_action_ = action; }

  [[nodiscard]] bool has_sa_removals() const { return !sa_removals_.empty(); }
  [[nodiscard]] bool empty() const;
  void clear();

  struct Outcome {
    std::optional<Error> failure;  // not all was handed over, or not all was answered
    std::vector<Refused> refused;
    std::uint64_t first_sequence = 0;  // of what was handed over; 0: nothing
    std::uint64_t last_sequence = 0;
    // Of policies set or removed, by slot, in the order of their requests from that number on.
    std::uint64_t first_policy_sequence = 0;
    std::vector<std::uint32_t> policies;
    bool is_handed_over = false;  // all of it
  };
  // The slot of the policy that a refused request was about, if it was about one.
  [[nodiscard]] static std::optional<std::uint32_t> policy_of(const Outcome& outcome,
                                                              const Refused& refused) {
    if (refused.sequence < outcome.first_policy_sequence) return std::nullopt;
    const std::uint64_t place = refused.sequence - outcome.first_policy_sequence;
    if (place >= outcome.policies.size()) return std::nullopt;
    return outcome.policies[place];
  }
  // Sends everything, waits for the answers, and is empty again.
  [[nodiscard]] Outcome send(RequestChannel& channel);
  // The same without waiting for answers.
  [[nodiscard]] Outcome hand_over(RequestChannel& channel);

 private:
  [[nodiscard]] static Request about(RequestOp op, std::uint32_t slot, std::uint32_t generation) {
    return {.op = op, .index = slot, .generation = generation};
  }

  std::optional<PolicyAction> default_action_;
  std::vector<Request> sa_changes_;
  std::vector<Request> policy_changes_;
  std::vector<Request> sa_removals_;
};

}  // namespace culvert
