// SPDX-License-Identifier: BSD-3-Clause
#include "control/push_queue.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace culvert {

bool PushQueue::empty() const {
  return !default_action_ && sa_changes_.empty() && policy_sets_.empty() &&
         policy_removals_.empty() && sa_removals_.empty();
}

void PushQueue::clear() {
  default_action_.reset();
  sa_changes_.clear();
  policy_sets_.clear();
  policy_removals_.clear();
  sa_removals_.clear();
}

PushQueue::Outcome PushQueue::hand_over(RequestChannel& channel) {
  Outcome outcome;
  const auto push = [&](const Request& request) {
    const Result<std::uint64_t> sequence = channel.push(request);
    if (!sequence) {
      outcome.failure = sequence.error();
      return false;
    }
    if (outcome.first_sequence == 0) outcome.first_sequence = *sequence;
    outcome.last_sequence = *sequence;
    if (request.op == RequestOp::policy_set || request.op == RequestOp::policy_delete) {
      if (outcome.policies.empty()) outcome.first_policy_sequence = *sequence;
      outcome.policies.push_back(request.index);
    }
    return true;
  };
  const auto push_all = [&push](const std::vector<Request>& requests) {
    return std::all_of(requests.begin(), requests.end(), push);
  };
  const auto push_default = [&] {
    return !default_action_ ||
           push(Request{.op = RequestOp::policy_default, .action = *default_action_});
  };
  const auto push_policies = [&push](const std::vector<PolicyChange>& changes) {
    return std::ranges::all_of(changes, push, &PolicyChange::request);
  };
  std::ranges::stable_sort(policy_sets_, std::ranges::less{}, &PolicyChange::strength);
  std::ranges::stable_sort(policy_removals_, std::ranges::greater{}, &PolicyChange::strength);
  outcome.is_handed_over = push_all(sa_changes_) && push_policies(policy_sets_) && push_default() &&
                           push_policies(policy_removals_) && push_all(sa_removals_);
  outcome.sa_changes = std::move(sa_changes_);
  clear();
  channel.kick();
  return outcome;
}

PushQueue::Outcome PushQueue::send(RequestChannel& channel) {
  Outcome outcome = hand_over(channel);
  if (outcome.first_sequence == 0) return outcome;
  Result<std::vector<Refused>> answers = channel.finish(outcome.first_sequence);
  if (answers) {
    outcome.refused = *std::move(answers);
  } else if (!outcome.failure) {
    outcome.failure = answers.error();
  }
  return outcome;
}

}  // namespace culvert
