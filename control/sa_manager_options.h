// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "control/df_bit.h"
#include "control/policy.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// Where the floors of manual counter-mode keys are kept.
enum class FloorStorage : std::uint8_t {
  file,       // floor_file; survives restarts, which is the point
  in_memory,  // `culvert replay`: a private gateway that nobody else hears
  read_only,  // `--check`: what the file says, and nothing is written
};

struct SaManagerOptions {
  std::uint32_t window_floor = kMinReplayWindow;  // [esp] replay_window
  // False in `culvert replay`, where the captures' time is the only clock: what the dataplane does
  // at a limit is all that happens.
  bool watches_lifetimes = true;
  bool follows_peers = false;                // [esp] follow_peers: whose NAT changed its mapping
  std::uint64_t idle_seconds = 0;            // [esp] idle_timeout; 0: SAs may stay idle
  DfBit df = DfBit::copy;                    // [esp] df: of outer IPv4 headers
  std::uint16_t keepalive_seconds = 0;       // [esp] nat_keepalive, where an SA names none; 0: none
  std::uint16_t dummies_per_second = 0;      // [esp] dummies
  std::uint8_t allowed = 0;                  // [esp] allow; kNeeds... of crypto/transform.h
  std::chrono::seconds acquire_expires{30};  // net.core.xfrm_acq_expires
  FloorStorage floor_storage = FloorStorage::file;
  std::string floor_file;                                // for example /var/lib/culvert/NAME/floors
  PolicyVerdict default_verdict = PolicyVerdict::block;  // [policy] default
  bool spreads_xfrm_policies = false;                    // [xfrm] spread
  bool says_first_sequences = true;                      // of new manual keys, to the log
  // Is this address one of ours (a port's)? For SAs whose direction was not given.
  std::function<bool(Family, const IpAddress&)> is_our_address;
  // For tests; the system's real-time clock when empty.
  std::function<std::chrono::nanoseconds()> now;
};

}  // namespace culvert
