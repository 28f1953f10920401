// SPDX-License-Identifier: BSD-3-Clause
// XFRM_MSG_MIGRATE.
#include <errno.h>

#include <bit>
#include <cstring>

#include "control/xfrm/codec_policy.h"

namespace culvert::xfrm {
namespace {

Error invalid(std::string text) {
  return {EINVAL, std::move(text)};
}

Result<SaMove> move_of(const xfrm_user_migrate& wire) {
  const auto old_family = family_of(wire.old_family);
  const auto new_family = family_of(wire.new_family);
  if (!old_family || !new_family || *old_family == Family::none || *new_family == Family::none) {
    return invalid("Invalid address family in the MIGRATE attribute's list");
  }
  if (*old_family != *new_family) {
    return Error{EOPNOTSUPP, "an SA cannot move from one address family to the other"};
  }
  return SaMove{.family = *old_family,
                .old_src = address_of(wire.old_saddr, *old_family),
                .old_dst = address_of(wire.old_daddr, *old_family),
                .new_src = address_of(wire.new_saddr, *new_family),
                .new_dst = address_of(wire.new_daddr, *new_family),
                .protocol = wire.proto,
                .mode = static_cast<XfrmMode>(wire.mode),
                .reqid = wire.reqid};
}

xfrm_user_migrate wire_move(const SaMove& move) {
  xfrm_user_migrate wire{};
  wire.old_daddr = wire_address(move.old_dst);
  wire.old_saddr = wire_address(move.old_src);
  wire.new_daddr = wire_address(move.new_dst);
  wire.new_saddr = wire_address(move.new_src);
  wire.proto = move.protocol;
  wire.mode = static_cast<std::uint8_t>(move.mode);
  wire.reqid = move.reqid;
  wire.old_family = wire_family(move.family);
  wire.new_family = wire_family(move.family);
  return wire;
}

}  // namespace

Result<Migration> parse_migration(const NetlinkMessage& message) {
  const auto request = read_request<xfrm_userpolicy_id>(message);
  if (!request) return request.error();
  const auto& [wire, attributes] = *request;
  if (!attributes.has(XFRMA_MIGRATE)) return invalid("Missing required MIGRATE attribute");
  const auto type = policy_type_of(attributes);
  if (!type) return type.error();
  if (wire.dir >= kPolicyDirections) return invalid("Invalid policy direction");
  Migration migration;
  migration.policy = {
      .direction = static_cast<PolicyDirection>(wire.dir),
      .selector = selector_of(wire.sel, family_of(wire.sel.family).value_or(Family::none)),
      .selector_interface = wire.sel.ifindex,
      .selector_user = wire.sel.user,
      .mark = mark_of(attributes),
      .if_id = attributes.get<std::uint32_t>(XFRMA_IF_ID).value_or(0),
      .type = *type};
  const auto encap = attributes.get<xfrm_encap_tmpl>(XFRMA_ENCAP);
  Bytes list = attributes.bytes(XFRMA_MIGRATE);
  if (list.size() / sizeof(xfrm_user_migrate) > kMaxTemplates) {
    return invalid("Too many entries in the MIGRATE attribute's list");
  }
  for (xfrm_user_migrate entry{}; copy_struct(list, entry); list = list.subspan(sizeof entry)) {
    auto move = move_of(entry);
    if (!move) return move.error();
    if (encap) move->encap = encap_of(*encap, move->family);
    migration.moves.push_back(*move);
  }
  return migration;
}

// As km_migrate's build_migrate.
void write_migration(MessageWriter& writer, const Migration& migration) {
  const PolicyId& policy = migration.policy;
  xfrm_userpolicy_id id{};
  id.sel = wire_selector(policy.selector, policy.selector.family, policy.selector_interface,
                         policy.selector_user);
  id.dir = static_cast<std::uint8_t>(policy.direction);
  writer.fixed(id);
  if (const auto& encap = migration.moves.front().encap) {
    writer.struct_attribute(XFRMA_ENCAP, wire_encap(*encap));
  }
  write_policy_type(writer, policy.type);
  std::vector<xfrm_user_migrate> list;
  for (const SaMove& move : migration.moves) list.push_back(wire_move(move));
  writer.attribute(XFRMA_MIGRATE, std::as_bytes(std::span(list)));
}

}  // namespace culvert::xfrm
