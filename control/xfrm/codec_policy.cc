// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/codec_policy.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <bit>
#include <cstring>
#include <string>

namespace culvert::xfrm {
namespace {

Error invalid(std::string text) {
  return {EINVAL, std::move(text)};
}

constexpr std::uint32_t kDirectionBits = 7;  // of a policy's index

bool is_direction(std::uint8_t direction) {
  return direction < kPolicyDirections;
}

Result<void> check(const xfrm_userpolicy_info& info) {
  if (info.share > XFRM_SHARE_UNIQUE) return invalid("Invalid policy share");
  if (info.action != XFRM_POLICY_ALLOW && info.action != XFRM_POLICY_BLOCK) {
    return invalid("Invalid policy action");
  }
  if (info.sel.family != AF_INET && info.sel.family != AF_INET6) {
    return invalid("Invalid selector family");
  }
  const bool is_v4 = info.sel.family == AF_INET;
  const unsigned longest = is_v4 ? 32 : 128;
  if (info.sel.prefixlen_d > longest || info.sel.prefixlen_s > longest) {
    return invalid(is_v4 ? "Invalid prefix length in selector (must be <= 32 for IPv4)"
                         : "Invalid prefix length in selector (must be <= 128 for IPv6)");
  }
  if (!is_direction(info.dir)) return invalid("Invalid policy direction");
  if (info.index != 0 && (info.index & kDirectionBits) != info.dir) {
    return invalid("Policy index doesn't match direction");
  }
  return {};
}

bool is_known_protocol(std::uint8_t protocol) {
  return protocol == IPPROTO_AH || protocol == IPPROTO_ESP || protocol == IPPROTO_COMP ||
         protocol == IPPROTO_ROUTING || protocol == IPPROTO_DSTOPTS;
}

// Checks one template; `inner` is the family of what goes into it, and becomes what comes out of
// it.
Result<Template> template_of(const xfrm_user_tmpl& wire, Family& inner, PolicyDirection direction) {
  const auto family = wire.family == AF_UNSPEC ? std::optional(inner) : family_of(wire.family);
  switch (wire.mode) {
    case XFRM_MODE_TUNNEL:
    case XFRM_MODE_BEET:
      if (wire.optional != 0 && direction == PolicyDirection::out) {
        return invalid("Mode in optional template not allowed in outbound policy");
      }
      break;
    default:
      if (family != inner) return invalid("Mode in template doesn't support a family change");
  }
  if (wire.mode >= XFRM_MODE_MAX) return invalid("Mode in template must be < XFRM_MODE_MAX (5)");
  if (!family) return invalid("Invalid family in template");
  if (!is_known_protocol(wire.id.proto)) return invalid("Invalid XFRM protocol in template");
  inner = *family;
  return Template{.family = *family,
                  .dst = address_of(wire.id.daddr, *family),
                  .src = address_of(wire.saddr, *family),
                  .spi = Spi{std::bit_cast<Be32>(wire.id.spi).host()},
                  .protocol = wire.id.proto,
                  .mode = static_cast<XfrmMode>(wire.mode),
                  .reqid = wire.reqid,
                  .share = wire.share,
                  .is_optional = wire.optional != 0,
                  .auth_algorithms = wire.aalgos,
                  .crypt_algorithms = wire.ealgos,
                  .comp_algorithms = wire.calgos};
}

Result<void> parse_templates(Bytes bytes, Policy& policy) {
  const std::size_t count = bytes.size() / sizeof(xfrm_user_tmpl);
  if (count > kMaxTemplates) return invalid("Template count must be <= XFRM_MAX_DEPTH (6)");
  Family inner = policy.family;
  for (std::size_t i = 0; i < count; ++i) {
    const auto wire = read_struct<xfrm_user_tmpl>(bytes.subspan(i * sizeof(xfrm_user_tmpl)));
    auto parsed = template_of(*wire, inner, policy.direction);
    if (!parsed) return parsed.error();
    policy.templates.push_back(*parsed);
  }
  return {};
}

xfrm_userpolicy_info info_of(const PolicyView& view) {
  const Policy& policy = view.policy;
  xfrm_userpolicy_info info{};
  info.sel = wire_selector(policy.selector, policy.family, policy.selector_interface,
                           policy.selector_user);
  info.lft = wire_lifetimes(policy.lifetimes);
  info.curlft.bytes = view.figures.bytes;
  info.curlft.packets = view.figures.packets;
  info.curlft.add_time = policy.add_time_seconds;
  info.curlft.use_time = view.figures.last_used_ns / kNanosecondsPerSecond;
  info.priority = policy.priority;
  info.index = policy.index;
  info.dir = static_cast<std::uint8_t>(policy.direction);
  info.action = static_cast<std::uint8_t>(policy.verdict);
  info.flags = policy.flags;
  info.share = XFRM_SHARE_ANY;  // as the kernel, whatever was asked
  return info;
}

xfrm_user_tmpl wire_template(const Template& wanted) {
  xfrm_user_tmpl wire{};
  wire.id.daddr = wire_address(wanted.dst);
  wire.id.spi = std::bit_cast<std::uint32_t>(Be32{wanted.spi.raw()});
  wire.id.proto = wanted.protocol;
  wire.family = wire_family(wanted.family);
  wire.saddr = wire_address(wanted.src);
  wire.reqid = wanted.reqid;
  wire.mode = static_cast<std::uint8_t>(wanted.mode);
  wire.share = wanted.share;
  wire.optional = wanted.is_optional ? 1 : 0;
  wire.aalgos = wanted.auth_algorithms;
  wire.ealgos = wanted.crypt_algorithms;
  wire.calgos = wanted.comp_algorithms;
  return wire;
}

void write_attributes(MessageWriter& writer, const Policy& policy) {
  std::array<xfrm_user_tmpl, kMaxTemplates> templates{};
  const std::size_t count = std::min(policy.templates.size(), templates.size());
  for (std::size_t i = 0; i < count; ++i) templates[i] = wire_template(policy.templates[i]);
  if (count != 0) {
    writer.attribute(XFRMA_TMPL, std::as_bytes(std::span(templates).first(count)));
  }
  write_policy_type(writer, policy.type);
  write_mark(writer, policy.mark);
  if (policy.if_id != 0) writer.struct_attribute(XFRMA_IF_ID, policy.if_id);
}

}  // namespace

Result<std::uint8_t> policy_type_of(const Attributes& attributes) {
  const auto wire = attributes.get<xfrm_userpolicy_type>(XFRMA_POLICY_TYPE);
  const std::uint8_t type = wire ? wire->type : kPolicyTypeMain;
  if (type != XFRM_POLICY_TYPE_MAIN && type != XFRM_POLICY_TYPE_SUB) {
    return invalid("Invalid policy type");
  }
  return type;
}

Result<Policy> parse_policy(const NetlinkMessage& message) {
  const auto request = read_request<xfrm_userpolicy_info>(message);
  if (!request) return request.error();
  const auto& [info, attributes] = *request;
  if (auto checked = check(info); !checked) return checked.error();
  const auto type = policy_type_of(attributes);
  if (!type) return type.error();
  Policy policy;
  policy.direction = static_cast<PolicyDirection>(info.dir);
  policy.family = family_of(info.sel.family).value_or(Family::none);
  policy.selector = selector_of(info.sel, policy.family);
  policy.selector_interface = info.sel.ifindex;
  policy.selector_user = info.sel.user;
  policy.mark = mark_of(attributes);
  policy.if_id = attributes.get<std::uint32_t>(XFRMA_IF_ID).value_or(0);
  policy.type = *type;
  policy.priority = info.priority;
  policy.verdict = static_cast<PolicyVerdict>(info.action);
  policy.flags = info.flags;
  policy.share = info.share;
  policy.lifetimes = lifetimes_of(info.lft);
  policy.index = info.index;
  if (auto parsed = parse_templates(attributes.bytes(XFRMA_TMPL), policy); !parsed) {
    return parsed.error();
  }
  return policy;
}

Result<PolicyName> parse_policy_name(const NetlinkMessage& message) {
  const auto request = read_request<xfrm_userpolicy_id>(message);
  if (!request) return request.error();
  const auto& [wire, attributes] = *request;
  const auto type = policy_type_of(attributes);
  if (!type) return type.error();
  if (!is_direction(wire.dir)) return invalid("Invalid policy direction");
  const auto direction = static_cast<PolicyDirection>(wire.dir);
  const std::uint32_t if_id = attributes.get<std::uint32_t>(XFRMA_IF_ID).value_or(0);
  if (wire.index != 0) {
    return PolicyName(PolicyIndex{.direction = direction,
                                  .index = wire.index,
                                  .mark = mark_of(attributes),
                                  .if_id = if_id,
                                  .type = *type});
  }
  const Family family = family_of(wire.sel.family).value_or(Family::none);
  return PolicyName(PolicyId{.direction = direction,
                             .selector = selector_of(wire.sel, family),
                             .selector_interface = wire.sel.ifindex,
                             .selector_user = wire.sel.user,
                             .mark = mark_of(attributes),
                             .if_id = if_id,
                             .type = *type});
}

Result<std::uint8_t> parse_policy_type(const NetlinkMessage& message) {
  const auto attributes = read_attributes(message, 0);
  if (!attributes) return attributes.error();
  return policy_type_of(*attributes);
}

void write_policy(MessageWriter& writer, const PolicyView& view) {
  writer.fixed(info_of(view));
  write_attributes(writer, view.policy);
}

void write_policy_deletion(MessageWriter& writer, const PolicyView& view) {
  xfrm_userpolicy_id id{};
  id.sel = wire_selector(view.policy.selector, view.policy.family, view.policy.selector_interface,
                         view.policy.selector_user);
  id.dir = static_cast<std::uint8_t>(view.policy.direction);
  writer.fixed(id);
  writer.struct_attribute(XFRMA_POLICY, info_of(view));
  write_attributes(writer, view.policy);
}

void write_policy_type(MessageWriter& writer, std::uint8_t type) {
  xfrm_userpolicy_type wire{};
  wire.type = type;
  writer.struct_attribute(XFRMA_POLICY_TYPE, wire);
}

}  // namespace culvert::xfrm
