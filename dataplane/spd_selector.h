// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "dataplane/flow_key.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// What flows a policy with ranges is for, besides what its mask says: each address and port lies
// between these, both included. IPv4 uses the words that FlowWords has, which lie in one cache
// line. `rest` holds ports only.
struct FlowBounds {
  FlowWords6 low{};
  FlowWords6 high{};

  friend constexpr bool operator==(const FlowBounds&, const FlowBounds&) = default;
};

[[nodiscard]] bool is_within(const FlowBounds& bounds, const FlowWords& flow);
[[nodiscard]] bool is_within(const FlowBounds& bounds, const FlowWords6& flow);

// A policy's selector as the SPD has it; of IPv4 or no family in the words of widened().
struct SelectorWords {
  FlowWords6 mask{};   // of the smallest prefix around each range
  FlowWords6 match{};  // what a flow under the mask must be
  FlowBounds bounds;
  bool has_ranges = false;  // a range is not all of its prefix: bounds count
};

// Of a policy that validate() found right.
[[nodiscard]] SelectorWords selector_words(const PolicySpec& spec);

// bad_enum (direction, action, range fields), bad_family, bad_prefix, bad_range, bad_sa_set.
[[nodiscard]] Refusal validate(const PolicySpec& spec);

}  // namespace culvert
