// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "control/request_channel.h"
#include "control/result.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// Priority and, among equal ones, order: the lower is tried first.
struct PolicyStrength {
  std::uint32_t priority = 0;
  std::uint32_t order = 0;
  friend auto operator<=>(const PolicyStrength&, const PolicyStrength&) = default;
};
[[nodiscard]] constexpr PolicyStrength strength_of(const PolicySpec& spec) {
  return {spec.priority, spec.order};
}

// What the dataplane is to be told, kept until it is sent in an order in which no packet falls
// between two requests: new SAs before the policies that lead to them, new policies before the
// default and before those that go, and these before the SAs they led to. The stronger of two
// policies is set first and removed last: so each packet meets at any moment the policy that was
// for it before, or the one that is after, and never a weaker one that is to lose against it.
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
  void set_policy(std::uint32_t slot, const PolicySpec& spec) {
    policy_sets_.push_back(
        {about(RequestOp::policy_set, slot, spec.generation), strength_of(spec)});
  }
  // A policy that was stronger until now: the place of the old one counts.
  void weaken_policy(std::uint32_t slot, const PolicySpec& spec, const PolicyStrength& before) {
    policy_removals_.push_back({about(RequestOp::policy_set, slot, spec.generation), before});
  }
  void remove_policy(std::uint32_t slot, const PolicySpec& spec) {
    remove_policy(slot, spec.generation, strength_of(spec));
  }
  // Of a policy whose spec may be another's by now.
  void remove_policy(std::uint32_t slot, std::uint32_t generation) {
    remove_policy(slot, generation, kWeakest);
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
    std::vector<Request> sa_changes;  // added and updated: the first requests
    bool is_handed_over = false;      // all of it
  };
  // The slot of the policy that a refused request was about, if it was about one.
  [[nodiscard]] static std::optional<std::uint32_t> policy_of(const Outcome& outcome,
                                                              const Refused& refused) {
    if (refused.sequence < outcome.first_policy_sequence) return std::nullopt;
    const std::uint64_t place = refused.sequence - outcome.first_policy_sequence;
    if (place >= outcome.policies.size()) return std::nullopt;
    return outcome.policies[place];
  }
  // The same of an SA that was to be added or updated.
  [[nodiscard]] static std::optional<std::uint32_t> sa_of(const Outcome& outcome,
                                                          const Refused& refused) {
    if (refused.sequence < outcome.first_sequence) return std::nullopt;
    const std::uint64_t place = refused.sequence - outcome.first_sequence;
    if (place >= outcome.sa_changes.size()) return std::nullopt;
    return outcome.sa_changes[place].index;
  }
  // Sends everything, waits for the answers, and is empty again.
  [[nodiscard]] Outcome send(RequestChannel& channel);
  // The same without waiting for answers.
  [[nodiscard]] Outcome hand_over(RequestChannel& channel);

 private:
  static constexpr PolicyStrength kWeakest{~0u, ~0u};
  struct PolicyChange {
    Request request;
    PolicyStrength strength;
  };

  void remove_policy(std::uint32_t slot, std::uint32_t generation, const PolicyStrength& strength) {
    policy_removals_.push_back({about(RequestOp::policy_delete, slot, generation), strength});
  }
  [[nodiscard]] static Request about(RequestOp op, std::uint32_t slot, std::uint32_t generation) {
    return {.op = op, .index = slot, .generation = generation};
  }

  std::optional<PolicyAction> default_action_;
  std::vector<Request> sa_changes_;
  std::vector<PolicyChange> policy_sets_;
  std::vector<PolicyChange> policy_removals_;
  std::vector<Request> sa_removals_;
};

}  // namespace culvert
