// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "control/sa.h"
#include "dataplane/net/types.h"
#include "dataplane/shm/messages.h"

// A policy as XFRM gives it and wants it back. Numbers are in host byte order unless their type
// says otherwise.

namespace culvert {

// XFRM_POLICY_IN, OUT, FWD. The dataplane knows in and out: fwd is `in` there, because both are
// what comes in; here they stay apart, as the kernel keeps them.
enum class PolicyDirection : std::uint8_t { in = 0, out = 1, fwd = 2 };
inline constexpr std::size_t kPolicyDirections = 3;

// XFRM_POLICY_ALLOW, BLOCK.
enum class PolicyVerdict : std::uint8_t { allow = 0, block = 1 };

// Who asked for a policy. XFRM clients see, count and flush their own only.
enum class PolicyOrigin : std::uint8_t {
  xfrm = 0,
  configuration = 1,  // [[policy.entry]]
  command = 2,        // `culvert policy add`, or the API
};

inline constexpr std::uint8_t kPolicyTypeMain = 0;  // XFRM_POLICY_TYPE_MAIN
inline constexpr std::size_t kMaxTemplates = 6;     // XFRM_MAX_DEPTH

// xfrm_user_tmpl: which SA a policy wants. A zero address matches any, a zero reqid or SPI too.
struct Template {
  Family family = Family::none;
  IpAddress dst;
  IpAddress src;
  Spi spi;
  std::uint8_t protocol = kProtocolEsp;
  XfrmMode mode = XfrmMode::tunnel;
  std::uint32_t reqid = 0;
  std::uint8_t share = 0;
  bool is_optional = false;  // level "use"
  std::uint32_t auth_algorithms = ~0u;
  std::uint32_t crypt_algorithms = ~0u;
  std::uint32_t comp_algorithms = ~0u;
  friend constexpr bool operator==(const Template&, const Template&) = default;
};

struct Policy {
  PolicyDirection direction = PolicyDirection::out;
  Family family = Family::none;  // xfrm_userpolicy_info.sel.family
  Selector selector;
  SelectorRanges ranges;  // none of XFRM's
  std::int32_t selector_interface = 0;
  std::uint32_t selector_user = 0;
  Mark mark;
  std::uint32_t if_id = 0;
  std::uint8_t type = kPolicyTypeMain;
  PolicyOrigin origin = PolicyOrigin::xfrm;
  bool is_from_batch = false;  // of XFRM's: a batch file of the configuration brought it
  bool spreads = false;  // its flows over all its SAs, rather than all packets over the newest
  std::uint32_t priority = 0;  // lower is tried first
  PolicyVerdict verdict = PolicyVerdict::allow;
  std::uint8_t flags = 0;
  std::uint8_t share = 0;
  Lifetimes lifetimes;
  std::vector<Template> templates;
  std::uint32_t index = 0;  // XFRM's number; 0 when given: the SA manager chooses

  // Filled in by the SA manager; ignored in what is given to it.
  std::uint64_t add_time_seconds = 0;  // CLOCK_REALTIME
  std::uint32_t slot = 0;              // policy index of the dataplane

  friend bool operator==(const Policy&, const Policy&) = default;
};

// Names a policy by what it selects.
struct PolicyId {
  PolicyDirection direction = PolicyDirection::out;
  Selector selector;
  SelectorRanges ranges;
  std::int32_t selector_interface = 0;
  std::uint32_t selector_user = 0;
  Mark mark;
  std::uint32_t if_id = 0;
  std::uint8_t type = kPolicyTypeMain;
  PolicyOrigin origin = PolicyOrigin::xfrm;
};

// Does a prefix of this length name one address?
constexpr bool is_one_address(Family family, std::uint8_t prefix_bits) {
  return prefix_bits == (family == Family::v6 ? 128 : 32);
}

// What the dataplane has counted for a policy.
struct PolicyFigures {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t last_used_ns = 0;  // CLOCK_REALTIME; 0: never
};

}  // namespace culvert
