// SPDX-License-Identifier: BSD-3-Clause
// Lifetimes (RFC 4301 4.4.2.1). The dataplane counts bytes and packets and says when a limit is
// met; time is measured here. What the soft limit asks of a key exchange is asked once for both
// directions: the two SAs of a pair reach it at about the same moment.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "control/sa_manager.h"

namespace culvert {
namespace {

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
// Slots per poll whose record is looked at for limits that were met unheard.
constexpr std::uint32_t kSweep = 4096;

// `from` plus a limit in seconds, of which 0 is none.
std::uint64_t end_of(std::uint64_t from, std::uint64_t seconds) {
  return seconds == 0 || seconds > kNever - from ? kNever : from + seconds;
}

}  // namespace

// The pair is what goes the other way between the same ends under the same reqid; where there are
// several, as during a rekey, the one that was made at about the same time.
std::uint32_t SaManager::pair_of_sa(std::uint32_t slot) const {
  const SaSpec& spec = sas_.spec(slot);
  const std::uint64_t age = sas_.record(slot).age;
  std::uint32_t nearest = kNoSlot;
  std::uint64_t least = kNever;
  sas_.for_each_of({spec.src, spec.reqid}, [&](std::uint32_t other) {
    const SaSpec& other_spec = sas_.spec(other);
    if (other_spec.src != spec.dst || other_spec.direction == spec.direction) return true;
    const std::uint64_t other_age = sas_.record(other).age;
    const std::uint64_t distance = std::max(age, other_age) - std::min(age, other_age);
    if (distance < least) {
      least = distance;
      nearest = other;
    }
    return true;
  });
  return nearest;
}

// The moment in seconds at which idle time makes the SA expire: neither it nor its pair was used.
std::uint64_t SaManager::idle_end(std::uint32_t slot) const {
  if (options_.idle_seconds == 0) return kNever;
  const auto last_use = [this](std::uint32_t of) {
    const std::uint64_t used_ns = figures(SaIndex{of}).last_used_ns;
    return std::max(used_ns / kNsPerSecond, sas_.record(of).add_time_seconds);
  };
  std::uint64_t last = last_use(slot);
  if (const std::uint32_t other = pair_of_sa(slot); other != kNoSlot) {
    last = std::max(last, last_use(other));
  }
  return end_of(last, options_.idle_seconds);
}

SaManager::TimeLimits SaManager::time_limits(std::uint32_t slot) const {
  const SaRecord record = sas_.record(slot);
  const Lifetimes& limits = record.lifetimes;
  TimeLimits ends{.soft = end_of(record.add_time_seconds, limits.soft_add_expires_seconds),
                  .hard = end_of(record.add_time_seconds, limits.hard_add_expires_seconds)};
  const std::uint64_t first_used_ns = figures(SaIndex{slot}).first_used_ns;
  if (first_used_ns != 0) {
    const std::uint64_t first_used = first_used_ns / kNsPerSecond;
    ends.soft = std::min(ends.soft, end_of(first_used, limits.soft_use_expires_seconds));
    ends.hard = std::min(ends.hard, end_of(first_used, limits.hard_use_expires_seconds));
  } else {
    // It may be used from now on: not due before then, to be looked at again.
    const std::uint64_t present = now_seconds();
    ends.look_again = std::min(end_of(present, limits.soft_use_expires_seconds),
                               end_of(present, limits.hard_use_expires_seconds));
  }
  ends.hard = std::min(ends.hard, idle_end(slot));
  if (record.soft_limit_raised != 0) ends.soft = kNever;
  return ends;
}

void SaManager::set_timer(std::uint32_t slot) {
  const Lifetimes limits = sas_.record(slot).lifetimes;
  const bool has_time_limit =
      options_.idle_seconds != 0 ||
      (limits.soft_add_expires_seconds | limits.hard_add_expires_seconds |
       limits.soft_use_expires_seconds | limits.hard_use_expires_seconds) != 0;
  if (!has_time_limit) return;
  const TimeLimits ends = time_limits(slot);
  const std::uint64_t due = std::min({ends.soft, ends.hard, ends.look_again});
  if (due != kNever) timers_.set({due, slot, sas_.spec(slot).generation});
}

void SaManager::set_esp_options(const SaManagerOptions& wanted) {
  options_.window_floor = wanted.window_floor;
  options_.allowed = wanted.allowed;
  options_.df = wanted.df;
  options_.keepalive_seconds = wanted.keepalive_seconds;
  options_.dummies_per_second = wanted.dummies_per_second;
  options_.follows_peers = wanted.follows_peers;
  const std::uint64_t before = std::exchange(options_.idle_seconds, wanted.idle_seconds);
  if (before == wanted.idle_seconds) return;
  for (std::uint32_t slot = sas_.next_listed(0); slot != kNoSlot;
       slot = sas_.next_listed(slot + 1)) {
    set_timer(slot);
  }
}

void SaManager::raise_soft_limit(std::uint32_t slot) {
  SaRecord record = sas_.record(slot);
  if (record.soft_limit_raised != 0) return;
  record.soft_limit_raised = 1;
  sas_.set_record(slot, record);
  if (const std::uint32_t other = pair_of_sa(slot); other != kNoSlot) {
    SaRecord other_record = sas_.record(other);
    other_record.soft_limit_raised = 1;
    sas_.set_record(other, other_record);
  }
  const Sa sa = sas_.sa(slot);
  spdlog::info("spi {:#x}: soft limit reached, wants a new SA", sa.id.spi.raw());
  for (SaListener* listener : listeners_) listener->on_sa_expired(sa, SaExpiry::soft);
}

// The SA goes, as in the kernel.
void SaManager::expire(std::uint32_t slot) {
  const Sa sa = sas_.sa(slot);
  const auto done = atomically<Result<void>>([&]() -> Result<void> {
    remove_within(slot);
    transaction_.events.emplace_back(
        [sa](SaListener& to) { to.on_sa_expired(sa, SaExpiry::hard); });
    return {};
  });
  if (done) {
    spdlog::info("spi {:#x}: {}", sa.id.spi.raw(),
                 sa.is_larval ? "nobody completed it" : "hard limit reached, removed");
  } else {
    spdlog::warn("spi {:#x}: {}", sa.id.spi.raw(), done.error().message);
  }
}

bool SaManager::is_live(std::uint32_t slot, std::uint32_t generation) const {
  return sas_.is_listed(slot) && sas_.spec(slot).generation == generation &&
         sas_.record(slot).state == SlotState::live;
}

// What the dataplane's record says of bytes, packets and sequence numbers.
void SaManager::take_up_limits(std::uint32_t slot) {
  const SaState& state = regions_.sa_states()[slot];
  if (state.generation != sas_.spec(slot).generation) return;
  const std::uint32_t life = state.life.load(std::memory_order_relaxed);
  if ((life & kHardLimitReached) != 0) return expire(slot);
  if ((life & kSoftLimitReached) != 0) raise_soft_limit(slot);
}

void SaManager::on_event(const Event& event) {
  if (!options_.watches_lifetimes) return;
  switch (event.type) {
    case EventType::sa_soft_limit:
    case EventType::sa_hard_limit:
    case EventType::peer_moved:
      if (event.sa_index < sas_.capacity()) heard_.push_back(event);
      break;
    case EventType::none:
    case EventType::neighbor_wanted:
    case EventType::neighbor_in_use:
    case EventType::link_change:
    case EventType::audit:
      break;
  }
}

// RFC 3948 leaves it to key exchange what to do: the SA moves only when that says so, or the
// configuration.
void SaManager::report_moved_peer(const Event& event) {
  const Sa sa = sas_.sa(event.sa_index);
  if (!sa.encap || event.family != sa.id.family) return;
  const PeerEndpoint peer{event.address, Be16{event.port}};
  for (SaListener* listener : listeners_) listener->on_sa_peer_moved(sa, peer);
  if (options_.follows_peers) follow_peer(sa, peer);
}

void SaManager::watch_lifetimes() {
  for (const Event& event : std::exchange(heard_, {})) {
    const std::uint32_t slot = event.sa_index;
    if (!sas_.is_listed(slot) || sas_.spec(slot).spi != event.spi) continue;
    if (!is_live(slot, sas_.spec(slot).generation)) continue;
    if (event.type == EventType::peer_moved) {
      report_moved_peer(event);
    } else {
      take_up_limits(slot);
    }
  }
  const std::uint64_t present = now_seconds();
  while (const auto timer = timers_.take_due(present)) {
    if (!is_live(timer->slot, timer->generation)) continue;
    const TimeLimits ends = time_limits(timer->slot);
    if (ends.hard <= present) {
      expire(timer->slot);
      continue;
    }
    if (ends.soft <= present) raise_soft_limit(timer->slot);
    set_timer(timer->slot);
  }
  // Events may have been lost while control was away, or in a full ring.
  for (std::uint32_t i = 0; i < std::min(kSweep, sas_.capacity()); ++i) {
    swept_slot_ = swept_slot_ + 1 < sas_.capacity() ? swept_slot_ + 1 : 0;
    if (is_live(swept_slot_, sas_.spec(swept_slot_).generation)) take_up_limits(swept_slot_);
  }
}

}  // namespace culvert
