// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/sa_limits.h"

namespace culvert {
namespace {

void reach(const Sa& sa, std::uint32_t limits, std::uint64_t now_ns, WorkerEvents& events) {
  // Relaxed: the atomic alone decides which worker reports.
  const std::uint32_t before = sa.state->life.fetch_or(limits, std::memory_order_relaxed);
  const std::uint32_t fresh = limits & ~before;
  if (fresh == 0) return;
  const bool is_hard = (fresh & kHardLimitReached) != 0;
  events.post({.type = is_hard ? EventType::sa_hard_limit : EventType::sa_soft_limit,
               .time_ns = now_ns,
               .sa_index = sa.index,
               .spi = sa.spi.raw()});
}

}  // namespace

void check_limits(const Sa& sa, std::uint64_t now_ns, WorkerEvents& events) {
  const std::uint64_t bytes = sa.state->bytes.get();
  const std::uint64_t packets = sa.state->packets.get();
  std::uint32_t limits = 0;
  if (bytes >= sa.soft_bytes || packets >= sa.soft_packets) limits |= kSoftLimitReached;
  if (bytes >= sa.hard_bytes || packets >= sa.hard_packets) limits |= kHardLimitReached;
  if (limits != 0) reach(sa, limits, now_ns, events);
}

void reach_soft_limit(const Sa& sa, std::uint64_t now_ns, WorkerEvents& events) {
  if ((sa.state->life.load(std::memory_order_relaxed) & kSoftLimitReached) != 0) return;
  reach(sa, kSoftLimitReached, now_ns, events);
}

}  // namespace culvert
