// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/keyed_hash.h"
#include "dataplane/sad.h"
#include "dataplane/spd.h"
#include "dataplane/spread_hash.h"

// How a policy's flows are spread over its SAs: each SA has a weight for each flow, and the
// heaviest that is installed takes it (highest random weight). So a flow stays where it is while
// the set does; an SA that comes takes an equal share from all others, and of one that goes only
// its own flows move. All workers, and a culvertd that was started anew, choose alike.

namespace culvert {

// The place in the policy's set of the SA that takes the flow; 0 when none is installed.
[[nodiscard]] inline std::uint8_t spread_place(const PolicyEntry& policy, const Sad& sad,
                                               std::uint64_t flow_hash) {
  std::uint8_t chosen = 0;
  std::uint64_t heaviest = 0;
  for (std::uint8_t place = 0; place < policy.sa_count; ++place) {
    const SaIndex index = policy.sas[place];
    const Sa* const sa = sad.sa(index);
    if (sa == nullptr || sa->direction != Direction::out) continue;
    const std::uint64_t weight =
        multiply_and_fold(flow_hash ^ kHashSalt[0], (index.raw() + 1) * kHashSalt[2]) | 1;
    if (weight <= heaviest) continue;
    heaviest = weight;
    chosen = place;
  }
  return chosen;
}

}  // namespace culvert
