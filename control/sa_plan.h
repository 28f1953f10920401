// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "control/policy.h"
#include "control/result.h"
#include "control/sa.h"
#include "control/sa_manager_options.h"
#include "crypto/key.h"
#include "crypto/transform.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// How the dataplane is to carry an SA.
struct SaPlan {
  TransformId transform = TransformId::none;
  Direction direction = Direction::none;
  std::uint32_t flags = 0;               // kSaEsn ...
  std::uint32_t replay_window = 0;       // effective
  std::uint64_t sequence = 0;            // as asked: last used, or highest accepted
  std::uint16_t keepalive_seconds = 0;   // outbound; see SaSpec
  std::uint16_t dummies_per_second = 0;  // the same
};

// Checks a NEWSA or UPDSA in the order and with the errno values of net/xfrm's verify_newsa_info
// and xfrm_state_construct, and decides what they leave open. What net/xfrm could carry and this
// dataplane cannot is refused as net/xfrm refuses what its kernel was built without.
[[nodiscard]] Result<SaPlan> plan_sa(const Sa& sa, const Key& key, const SaManagerOptions& options);

// The checks that an ALLOCSPI needs: family, protocol, mode, and the range.
[[nodiscard]] Result<void> check_spi_request(const SpiRequest& request);

// NEWPOLICY and UPDPOLICY, as verify_newpolicy_info and validate_tmpl do.
[[nodiscard]] Result<void> check_policy(const Policy& policy);

// The mark test of net/xfrm: does a packet or request with this mark find an SA that has that one?
[[nodiscard]] constexpr bool mark_finds(const Mark& wanted, const Mark& had) {
  return (wanted.value & wanted.mask & had.mask) == had.value;
}

}  // namespace culvert
