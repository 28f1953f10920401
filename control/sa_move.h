// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "control/policy.h"
#include "control/sa.h"

namespace culvert {

// xfrm_user_migrate: SAs and templates between the old ends get the new ones; sequence numbers,
// windows and keys stay.
struct SaMove {
  Family family = Family::none;  // of the old ends and the new
  IpAddress old_src;
  IpAddress old_dst;
  IpAddress new_src;
  IpAddress new_dst;
  std::uint8_t protocol = kProtocolEsp;
  XfrmMode mode = XfrmMode::tunnel;
  std::uint32_t reqid = 0;
  std::optional<Encap> encap;  // none: as it was
  friend bool operator==(const SaMove&, const SaMove&) = default;
};

// XFRM_MSG_MIGRATE.
struct Migration {
  PolicyId policy;
  std::vector<SaMove> moves;
};

}  // namespace culvert
