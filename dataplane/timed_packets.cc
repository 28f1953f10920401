// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/timed_packets.h"

#include <algorithm>

namespace culvert {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kMostLateNs = kSecondNs / 10;

// 0: it does not send such packets.
std::uint64_t interval_ns(const Sa& sa, TimedPackets::Kind kind) {
  if (kind == TimedPackets::Kind::keepalive) return sa.keepalive_seconds * kSecondNs;
  return sa.dummies_per_second == 0 ? 0 : kSecondNs / sa.dummies_per_second;
}

std::uint64_t key_of(SaIndex index, TimedPackets::Kind kind) {
  return std::uint64_t{index.raw()} << 1 | static_cast<std::uint64_t>(kind);
}

}  // namespace

void TimedPackets::watch(SaIndex index, std::uint64_t now_ns) {
  const Sa* const sa = sad_->sa(index);
  if (sa == nullptr) return;
  for (const Kind kind : {Kind::keepalive, Kind::dummy}) {
    const std::uint64_t interval = interval_ns(*sa, kind);
    if (interval == 0) continue;
    latest_[key_of(index, kind)] = ++last_number_;
    entries_.push({now_ns + interval, last_number_, sa->state->generation, index, kind});
  }
}

std::optional<std::uint64_t> TimedPackets::interval_of(const Entry& entry) const {
  const auto latest = latest_.find(key_of(entry.sa, entry.kind));
  if (latest == latest_.end() || latest->second != entry.number) return std::nullopt;
  const Sa* const sa = sad_->sa(entry.sa);
  if (sa == nullptr || sa->state->generation != entry.generation) return std::nullopt;
  const std::uint64_t interval = interval_ns(*sa, entry.kind);
  return interval == 0 ? std::nullopt : std::optional(interval);
}

std::size_t TimedPackets::take_due(std::uint64_t now_ns, std::span<Due> due) {
  std::size_t count = 0;
  while (count < due.size() && !entries_.empty() && entries_.top().at_ns <= now_ns) {
    Entry entry = entries_.top();
    entries_.pop();
    const auto interval = interval_of(entry);
    if (!interval) {
      const auto latest = latest_.find(key_of(entry.sa, entry.kind));
      if (latest != latest_.end() && latest->second == entry.number) latest_.erase(latest);
      continue;
    }
    if (entry.kind == Kind::keepalive) {
      // What the SA has sent meanwhile kept the mapping alive too.
      const std::uint64_t last_used_ns = sad_->sa(entry.sa)->state->last_used_ns.get();
      entry.at_ns = last_used_ns + *interval;
      if (entry.at_ns > now_ns) {
        entries_.push(entry);
        continue;
      }
      entry.at_ns = now_ns + *interval;
    } else {
      entry.at_ns = std::max(entry.at_ns, now_ns - kMostLateNs) + *interval;
    }
    due[count++] = {entry.sa, entry.kind};
    entries_.push(entry);
  }
  return count;
}

}  // namespace culvert
