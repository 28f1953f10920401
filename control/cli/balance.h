// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>

#include "control/api/protocol.h"
#include "control/result.h"

// `culvert show balance`: every packet that came in is accounted for.

namespace culvert {

// The balance of a gateway that runs, from several readings of its counters.
struct BalanceVerdict {
  Json terms;                  // of the last reading: received, from_linux, ...
  std::int64_t under_way = 0;  // packets in minus packets out of the reading that says most
  std::uint32_t readings = 0;
  bool is_ok = false;
  bool is_settled = false;  // no counter moved while that reading was taken
};

// Packets in minus packets out of one reading.
[[nodiscard]] std::int64_t imbalance(const Json& terms);

// Reads until both sides are equal, or until the counters stand still and are not, or traffic never
// paused: then the fewest packets under way that any reading showed must be as few as queues hold.
// `read` gives a reading, `pause` waits until the next one.
[[nodiscard]] Result<BalanceVerdict> judge_balance(const std::function<Result<Json>()>& read,
                                                   const std::function<void()>& pause);

[[nodiscard]] std::string balance_text(const BalanceVerdict& verdict);
[[nodiscard]] Json balance_json(const BalanceVerdict& verdict);

}  // namespace culvert
