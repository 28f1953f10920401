// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "dataplane/sa.h"
#include "dataplane/worker_events.h"

namespace culvert {

// The lifetime of an SA (RFC 4301 4.4.2.1) as far as the dataplane measures it: bytes, packets and
// sequence numbers. Control measures time.

// Without ESN an outbound SA asks to be replaced when half of its numbers are used: at 10 million
// packets a second the other half lasts 3.5 minutes.
inline constexpr std::uint64_t kSoftSequence = std::uint64_t{1} << 31;

// Marks what the SA has come to, once each, and reports it; of both at once the hard one. For an SA
// with limits, after its counters were raised.
[[gnu::noinline, gnu::cold]] void check_limits(const Sa& sa, std::uint64_t now_ns,
                                               WorkerEvents& events);

// Marks and reports the soft limit, once.
[[gnu::noinline, gnu::cold]] void reach_soft_limit(const Sa& sa, std::uint64_t now_ns,
                                                   WorkerEvents& events);

// Whether the SA has carried all it may, what this burst has of it so far included. With one worker
// this is exact; several may each let through what they have in hand when the limit is met.
inline bool is_past_hard_limit(const Sa& sa, std::uint64_t burst_packets,
                               std::uint64_t burst_bytes) {
  if (sa.has_limits == 0) return false;
  return sa.state->packets.get() + burst_packets >= sa.hard_packets ||
         sa.state->bytes.get() + burst_bytes >= sa.hard_bytes;
}

}  // namespace culvert
