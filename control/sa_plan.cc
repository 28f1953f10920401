// SPDX-License-Identifier: BSD-3-Clause
#include "control/sa_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "control/address_text.h"
#include "control/sa_algorithms.h"
#include "dataplane/net/types.h"

namespace culvert {
namespace {

constexpr std::uint8_t kProtocolAh = 51;
constexpr std::uint8_t kProtocolComp = 108;
constexpr std::uint32_t kMaxKeepaliveSeconds = 0xffff;
constexpr std::uint32_t kMaxBitmapWords = kMaxReplayWindow / 32;

// The first Error of a row of checks, or none.
using Complaint = std::optional<Error>;

Complaint check_family(Family family, std::string_view what) {
  if (family == Family::v4 || family == Family::v6) return std::nullopt;
  return Error{EINVAL, fmt::format("{}: family missing, must be IPv4 or IPv6", what)};
}

Complaint check_selector(const Selector& selector) {
  if (selector.family == Family::none) return std::nullopt;
  if (Complaint bad = check_family(selector.family, "selector")) return bad;
  const bool is_v6 = selector.family == Family::v6;
  const unsigned most_bits = is_v6 ? 128 : 32;
  if (selector.src_prefix_bits > most_bits || selector.dst_prefix_bits > most_bits) {
    return Error{EINVAL, fmt::format("selector: prefix lengths {} and {}, at most {} for {}",
                                     selector.src_prefix_bits, selector.dst_prefix_bits, most_bits,
                                     is_v6 ? "IPv6" : "IPv4")};
  }
  return std::nullopt;
}

Complaint check_protocol(std::uint8_t protocol) {
  if (protocol == kProtocolEsp) return std::nullopt;
  if (protocol == kProtocolAh || protocol == kProtocolComp) {
    return Error{EPROTONOSUPPORT, fmt::format("protocol {} ({}): only ESP (50) is carried",
                                              protocol, protocol == kProtocolAh ? "AH" : "IPComp")};
  }
  return Error{EINVAL, fmt::format("protocol {}: must be ESP (50)", protocol)};
}

Complaint check_mode(XfrmMode mode) {
  switch (mode) {
    case XfrmMode::tunnel:
    case XfrmMode::transport:
      return std::nullopt;
    case XfrmMode::beet:
      return Error{EPROTONOSUPPORT, "mode beet: not carried, only tunnel and transport"};
    case XfrmMode::route_optimization:
      return Error{EPROTONOSUPPORT, "mode ro: not carried, only tunnel and transport"};
    case XfrmMode::in_trigger:
      break;
  }
  return Error{EINVAL, fmt::format("mode {}: not known, must be transport (0) or tunnel (1)",
                                   static_cast<unsigned>(mode))};
}

Complaint check_identity(const Sa& sa) {
  if (sa.id.spi.raw() < kFirstUsableSpi) {
    return Error{EINVAL, fmt::format("spi {:#x}: reserved, must be at least 256", sa.id.spi.raw())};
  }
  if (sa.id.dst == IpAddress{}) {
    return Error{EINVAL, fmt::format("dst {}: an SA needs a destination",
                                     address_text(sa.id.family, sa.id.dst))};
  }
  if (sa.src == IpAddress{}) {
    return Error{EINVAL,
                 fmt::format("src {}: an SA needs a source", address_text(sa.id.family, sa.src))};
  }
  return std::nullopt;
}

// verify_replay and xfrm_init_replay.
Complaint check_replay(const Sa& sa) {
  const bool has_esn = (sa.flags & kStateEsn) != 0;
  if (!sa.replay || !sa.replay->is_esn_struct) {
    if (has_esn) return Error{EINVAL, "flag esn: needs a replay window of the long form"};
    return std::nullopt;
  }
  const ReplayAsked& asked = *sa.replay;
  if (asked.window > kMaxReplayWindow || asked.bitmap_words > kMaxBitmapWords) {
    return Error{EINVAL,
                 fmt::format("replay window {}: must be at most {}",
                             std::max(asked.window, asked.bitmap_words * 32), kMaxReplayWindow)};
  }
  if (sa.info_window != 0) {
    return Error{EINVAL, fmt::format("replay window {} in the short form and {} in the long one: "
                                     "only one may be given",
                                     sa.info_window, asked.window)};
  }
  if (asked.window > asked.bitmap_words * 32) {
    return Error{EINVAL, fmt::format("replay window {}: beyond its bitmap of {} bits", asked.window,
                                     asked.bitmap_words * 32)};
  }
  if (has_esn && asked.window == 0 && sa.direction != SaDirection::out) {
    return Error{EINVAL, "replay window 0: must be at least 1 with esn"};
  }
  return std::nullopt;
}

// There is no high half to be covered, and no sequence number that could be believed, without an
// ICV (RFC 4303 2.2.1, 3.4.3).
Complaint check_esn_integrity(const Sa& sa, TransformId transform) {
  if ((sa.flags & kStateEsn) == 0 || transform_info(transform)->icv_bytes != 0) return std::nullopt;
  return Error{EINVAL, "flag esn: needs an integrity algorithm"};
}

Complaint check_encap(const Sa& sa) {
  if (!sa.encap || sa.encap->type == Encap::kEspInUdp) return std::nullopt;
  return Error{EINVAL, fmt::format("encap type {}: must be espinudp (2)", sa.encap->type)};
}

Complaint check_before_algorithms(const Sa& sa) {
  if (Complaint bad = check_family(sa.id.family, "SA")) return bad;
  if (Complaint bad = check_selector(sa.selector)) return bad;
  if (sa.mode == XfrmMode::transport && sa.selector.family != Family::none &&
      sa.selector.family != sa.id.family) {
    return Error{EINVAL, "selector: mode transport carries the SA's own family only"};
  }
  return check_protocol(sa.id.protocol);
}

Complaint check_after_algorithms(const Sa& sa) {
  if (Complaint bad = check_replay(sa)) return bad;
  if (Complaint bad = check_mode(sa.mode)) return bad;
  if (Complaint bad = check_identity(sa)) return bad;
  return check_encap(sa);
}

Result<TransformId> check_transform(const Sa& sa, const Key& key, const SaManagerOptions& options) {
  const Result<TransformId> transform = transform_of(sa);
  if (!transform) return transform.error();
  const std::size_t key_bytes = transform_info(*transform)->material_bytes();
  if (key.size_bytes() != key_bytes) {
    return Error{EINVAL, fmt::format("keys of {} bytes in all: {} needs {}", key.size_bytes(),
                                     transform_info(*transform)->name, key_bytes)};
  }
  if (const Result<void> allowed = check_permissions(*transform, options.allowed); !allowed) {
    return allowed.error();
  }
  return transform;
}

Result<Direction> direction_for(const Sa& sa, const SaManagerOptions& options) {
  if (sa.direction) return *sa.direction == SaDirection::in ? Direction::in : Direction::out;
  const auto is_ours = [&](const IpAddress& address) {
    return options.is_our_address && options.is_our_address(sa.id.family, address);
  };
  const bool src_is_ours = is_ours(sa.src);
  const bool dst_is_ours = is_ours(sa.id.dst);
  if (src_is_ours != dst_is_ours) return src_is_ours ? Direction::out : Direction::in;
  const std::string src = address_text(sa.id.family, sa.src);
  const std::string dst = address_text(sa.id.family, sa.id.dst);
  if (src_is_ours) {
    return Error{EINVAL, fmt::format("src {} and dst {} are both addresses of ours: say which way "
                                     "the SA goes (dir in or dir out)",
                                     src, dst)};
  }
  // Limit: an SA may not come before its address. To keep it until the address comes would hide
  // every mistyped one, and key exchange never adds an SA for an address that is not there.
  return Error{EADDRNOTAVAIL,
               fmt::format("neither src {} nor dst {} is an address of a port: add the address "
                           "first, or say which way the SA goes (dir in or dir out)",
                           src, dst)};
}

// An SA's own flag counts before what the configuration says.
std::uint32_t df_flag(const Sa& sa, DfBit df) {
  if ((sa.flags & kStateNoPathMtu) != 0 || df == DfBit::clear) return kSaNoPathMtu;
  return df == DfBit::set ? kSaSetDf : 0;
}

std::uint32_t flags_for(const Sa& sa, const SaManagerOptions& options) {
  std::uint32_t flags = df_flag(sa, options.df);
  if ((sa.flags & kStateEsn) != 0) flags |= kSaEsn;
  if ((sa.flags & kStateNoEcn) != 0) flags |= kSaNoEcn;
  if ((sa.flags & kStateDecapDscp) != 0) flags |= kSaDecapDscp;
  if ((sa.extra_flags & kExtraDontEncapDscp) != 0) flags |= kSaDontEncapDscp;
  if (sa.encap) flags |= kSaUdpEncap;
  return flags;
}

// As in net/xfrm's __xfrm_init_state.
Complaint check_keepalive(const Sa& sa, Direction direction) {
  const std::uint32_t seconds = sa.nat_keepalive_seconds.value_or(0);
  if (seconds == 0) return std::nullopt;
  if (direction != Direction::out) {
    return Error{EINVAL, "NAT keepalive interval: only outbound SAs send keepalives"};
  }
  if (!sa.encap) return Error{EINVAL, "NAT keepalive interval: needs UDP encapsulation"};
  if (seconds > kMaxKeepaliveSeconds) {
    return Error{EINVAL, fmt::format("NAT keepalive interval {}: must be at most {} seconds",
                                     seconds, kMaxKeepaliveSeconds)};
  }
  return std::nullopt;
}

std::uint16_t keepalive_for(const Sa& sa, const SaManagerOptions& options) {
  if (!sa.encap) return 0;
  return static_cast<std::uint16_t>(sa.nat_keepalive_seconds.value_or(options.keepalive_seconds));
}

std::uint64_t asked_sequence(const Sa& sa, Direction direction) {
  if (!sa.replay) return 0;
  const bool is_out = direction == Direction::out;
  const std::uint64_t low = is_out ? sa.replay->oseq : sa.replay->seq;
  // Without ESN the high half means nothing (RFC 4303 2.2.1).
  if ((sa.flags & kStateEsn) == 0) return low;
  return std::uint64_t{is_out ? sa.replay->oseq_hi : sa.replay->seq_hi} << 32 | low;
}

Complaint check_template(const Template& wanted) {
  if (Complaint bad = check_protocol(wanted.protocol)) return bad;
  if (Complaint bad = check_mode(wanted.mode)) return bad;
  return check_family(wanted.family, "template");
}

// Windows below the least there is are that; without a floor 0 is none.
std::uint32_t window_of(std::uint32_t asked, std::uint32_t floor) {
  if (asked == 0 && floor == 0) return 0;
  return std::max({asked, floor, kMinReplayWindow});
}

}  // namespace

Result<SaPlan> plan_sa(const Sa& sa, const Key& key, const SaManagerOptions& options) {
  if (Complaint bad = check_before_algorithms(sa)) return *bad;
  const Result<TransformId> transform = check_transform(sa, key, options);
  if (!transform) return transform.error();
  if (Complaint bad = check_after_algorithms(sa)) return *bad;
  if (Complaint bad = check_esn_integrity(sa, *transform)) return *bad;
  const Result<Direction> direction = direction_for(sa, options);
  if (!direction) return direction.error();
  if (Complaint bad = check_keepalive(sa, *direction)) return *bad;
  const std::uint32_t asked_window =
      sa.replay && sa.replay->is_esn_struct ? sa.replay->window : sa.info_window;
  const bool has_integrity = transform_info(*transform)->icv_bytes != 0;
  const bool is_out = *direction == Direction::out;
  return SaPlan{
      .transform = *transform,
      .direction = *direction,
      .flags = flags_for(sa, options),
      // No anti-replay without integrity (RFC 4303 3.4.3).
      .replay_window = has_integrity ? window_of(asked_window, options.window_floor) : 0,
      .sequence = asked_sequence(sa, *direction),
      .keepalive_seconds = is_out ? keepalive_for(sa, options) : std::uint16_t{0},
      .dummies_per_second = is_out ? options.dummies_per_second : std::uint16_t{0},
  };
}

Result<void> check_spi_request(const SpiRequest& request) {
  if (Complaint bad = check_protocol(request.larval.id.protocol)) return *bad;
  if (request.min > request.max) {
    return Error{EINVAL, fmt::format("spi range {:#x} to {:#x}: the first must not be above the "
                                     "last",
                                     request.min, request.max)};
  }
  if (request.max < kFirstUsableSpi) {
    return Error{EINVAL, fmt::format("spi range {:#x} to {:#x}: reserved, must reach 256",
                                     request.min, request.max)};
  }
  if (Complaint bad = check_family(request.larval.id.family, "SA")) return *bad;
  if (Complaint bad = check_mode(request.larval.mode)) return *bad;
  if (request.larval.id.dst == IpAddress{}) {
    return Error{EINVAL, fmt::format("dst {}: an SA needs a destination",
                                     address_text(request.larval.id.family, IpAddress{}))};
  }
  return {};
}

Result<void> check_policy(const Policy& policy) {
  if (policy.share > 3) {
    return Error{EINVAL, fmt::format("share {}: must be 0 to 3", policy.share)};
  }
  if (policy.verdict != PolicyVerdict::allow && policy.verdict != PolicyVerdict::block) {
    return Error{EINVAL, fmt::format("action {}: must be allow (0) or block (1)",
                                     static_cast<unsigned>(policy.verdict))};
  }
  // XFRM has no policy for both families.
  if (policy.origin == PolicyOrigin::xfrm) {
    if (Complaint bad = check_family(policy.selector.family, "policy")) return *bad;
  }
  if (Complaint bad = check_selector(policy.selector)) return *bad;
  const auto direction = static_cast<std::uint32_t>(policy.direction);
  if (direction >= kPolicyDirections) {
    return Error{EINVAL, fmt::format("dir {}: must be in (0), out (1) or fwd (2)", direction)};
  }
  if (policy.index != 0 && (policy.index & 7) != direction) {
    return Error{EINVAL, fmt::format("index {}: its last 3 bits must be the direction, {}",
                                     policy.index, direction)};
  }
  if (policy.type != kPolicyTypeMain) {
    return Error{EINVAL, fmt::format("policy type {}: must be main (0)", policy.type)};
  }
  if (policy.templates.size() > kMaxTemplates) {
    return Error{EINVAL,
                 fmt::format("{} templates: at most {}", policy.templates.size(), kMaxTemplates)};
  }
  for (const Template& wanted : policy.templates) {
    if (Complaint bad = check_template(wanted)) return *bad;
  }
  if (policy.templates.size() > 1) {
    return Error{EOPNOTSUPP, fmt::format("{} templates: nested SAs are not carried, at most one",
                                         policy.templates.size())};
  }
  const bool is_transport =
      !policy.templates.empty() && policy.templates.front().mode == XfrmMode::transport;
  if (is_transport && policy.direction == PolicyDirection::out &&
      !is_one_address(policy.selector.family, policy.selector.dst_prefix_bits) &&
      policy.templates.front().dst == IpAddress{}) {
    return Error{EOPNOTSUPP,
                 "mode transport: the selector's dst must be one address (/32), or the "
                 "template must name one"};
  }
  return {};
}

}  // namespace culvert
