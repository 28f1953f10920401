// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <variant>

#include "control/policy.h"
#include "control/result.h"
#include "control/sa_move.h"
#include "control/xfrm/codec_common.h"
#include "control/xfrm/netlink.h"

// Policies as XFRM netlink writes them. Parsing checks what net/xfrm/xfrm_user.c checks, with its
// error numbers and texts.

namespace culvert::xfrm {

// NEWPOLICY, UPDPOLICY. EINVAL, ERANGE: the message is malformed or inconsistent.
[[nodiscard]] Result<Policy> parse_policy(const NetlinkMessage& message);

// GETPOLICY, DELPOLICY: a policy named by its index, or by what it selects.
struct PolicyIndex {
  PolicyDirection direction = PolicyDirection::out;
  std::uint32_t index = 0;
  Mark mark;
  std::uint32_t if_id = 0;
  std::uint8_t type = kPolicyTypeMain;
};
using PolicyName = std::variant<PolicyIndex, PolicyId>;
[[nodiscard]] Result<PolicyName> parse_policy_name(const NetlinkMessage& message);

// MIGRATE.
[[nodiscard]] Result<Migration> parse_migration(const NetlinkMessage& message);
// Behind `writer.begin`: all of the notification.
void write_migration(MessageWriter& writer, const Migration& migration);

// XFRMA_POLICY_TYPE, main where it is missing. EINVAL: neither main nor sub.
[[nodiscard]] Result<std::uint8_t> policy_type_of(const Attributes& attributes);

// FLUSHPOLICY.
[[nodiscard]] Result<std::uint8_t> parse_policy_type(const NetlinkMessage& message);

struct PolicyView {
  const Policy& policy;
  PolicyFigures figures;
};

// Behind `writer.begin`: the fixed part of NEWPOLICY, and all attributes.
void write_policy(MessageWriter& writer, const PolicyView& view);
// The fixed part of DELPOLICY, XFRMA_POLICY, and all attributes: the notification that it went.
void write_policy_deletion(MessageWriter& writer, const PolicyView& view);
// XFRMA_POLICY_TYPE.
void write_policy_type(MessageWriter& writer, std::uint8_t type);

}  // namespace culvert::xfrm
