// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/codec_common.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace culvert::xfrm {
namespace {

struct AttributeLength {
  std::uint16_t type;
  std::size_t bytes;
};

// The least length of each attribute.
constexpr std::array kLengths = {
    AttributeLength{XFRMA_ALG_AUTH, sizeof(xfrm_algo)},
    AttributeLength{XFRMA_ALG_CRYPT, sizeof(xfrm_algo)},
    AttributeLength{XFRMA_ALG_COMP, sizeof(xfrm_algo)},
    AttributeLength{XFRMA_ENCAP, sizeof(xfrm_encap_tmpl)},
    AttributeLength{XFRMA_TMPL, sizeof(xfrm_user_tmpl)},
    AttributeLength{XFRMA_SA, sizeof(xfrm_usersa_info)},
    AttributeLength{XFRMA_POLICY, sizeof(xfrm_userpolicy_info)},
    AttributeLength{XFRMA_SEC_CTX, sizeof(xfrm_user_sec_ctx)},
    AttributeLength{XFRMA_LTIME_VAL, sizeof(xfrm_lifetime_cur)},
    AttributeLength{XFRMA_REPLAY_VAL, sizeof(xfrm_replay_state)},
    AttributeLength{XFRMA_REPLAY_THRESH, 4},
    AttributeLength{XFRMA_ETIMER_THRESH, 4},
    AttributeLength{XFRMA_SRCADDR, sizeof(xfrm_address_t)},
    AttributeLength{XFRMA_COADDR, sizeof(xfrm_address_t)},
    AttributeLength{XFRMA_LASTUSED, 8},
    AttributeLength{XFRMA_POLICY_TYPE, sizeof(xfrm_userpolicy_type)},
    AttributeLength{XFRMA_MIGRATE, sizeof(xfrm_user_migrate)},
    AttributeLength{XFRMA_ALG_AEAD, sizeof(xfrm_algo_aead)},
    AttributeLength{XFRMA_KMADDRESS, sizeof(xfrm_user_kmaddress)},
    AttributeLength{XFRMA_ALG_AUTH_TRUNC, sizeof(xfrm_algo_auth)},
    AttributeLength{XFRMA_MARK, sizeof(xfrm_mark)},
    AttributeLength{XFRMA_TFCPAD, 4},
    AttributeLength{XFRMA_REPLAY_ESN_VAL, sizeof(xfrm_replay_state_esn)},
    AttributeLength{XFRMA_SA_EXTRA_FLAGS, 4},
    AttributeLength{XFRMA_PROTO, 1},
    AttributeLength{XFRMA_ADDRESS_FILTER, sizeof(xfrm_address_filter)},
    AttributeLength{XFRMA_OFFLOAD_DEV, sizeof(xfrm_user_offload)},
    AttributeLength{XFRMA_SET_MARK, 4},
    AttributeLength{XFRMA_SET_MARK_MASK, 4},
    AttributeLength{XFRMA_IF_ID, 4},
    AttributeLength{XFRMA_MTIMER_THRESH, 4},
    AttributeLength{kAttributeSaDir, 1},
    AttributeLength{kAttributeNatKeepalive, 4},
};

}  // namespace

std::optional<Family> family_of(std::uint16_t wire) {
  if (wire == AF_UNSPEC) return Family::none;
  if (wire == AF_INET) return Family::v4;
  if (wire == AF_INET6) return Family::v6;
  return std::nullopt;
}

std::uint16_t wire_family(Family family) {
  switch (family) {
    case Family::none:
      return AF_UNSPEC;
    case Family::v4:
      return AF_INET;
    case Family::v6:
      return AF_INET6;
  }
  return AF_UNSPEC;
}

IpAddress address_of(const xfrm_address_t& wire, Family family) {
  IpAddress address;
  const std::size_t bytes = family == Family::v4 ? 4 : sizeof(wire);
  std::memcpy(address.bytes.data(), &wire, bytes);
  return address;
}

xfrm_address_t wire_address(const IpAddress& address) {
  xfrm_address_t wire;
  static_assert(sizeof(wire) == sizeof(address.bytes));
  std::memcpy(&wire, address.bytes.data(), sizeof(wire));
  return wire;
}

Selector selector_of(const xfrm_selector& wire, Family family) {
  Selector selector;
  selector.family = family;
  selector.protocol = wire.proto;
  selector.src_prefix_bits = wire.prefixlen_s;
  selector.dst_prefix_bits = wire.prefixlen_d;
  selector.src_port = std::bit_cast<Be16>(wire.sport);
  selector.src_port_mask = std::bit_cast<Be16>(wire.sport_mask);
  selector.dst_port = std::bit_cast<Be16>(wire.dport);
  selector.dst_port_mask = std::bit_cast<Be16>(wire.dport_mask);
  selector.src = address_of(wire.saddr, family);
  selector.dst = address_of(wire.daddr, family);
  return selector;
}

xfrm_selector wire_selector(const Selector& selector, Family family, std::int32_t interface_index,
                            std::uint32_t user) {
  xfrm_selector wire{};
  wire.daddr = wire_address(selector.dst);
  wire.saddr = wire_address(selector.src);
  wire.dport = std::bit_cast<std::uint16_t>(selector.dst_port);
  wire.dport_mask = std::bit_cast<std::uint16_t>(selector.dst_port_mask);
  wire.sport = std::bit_cast<std::uint16_t>(selector.src_port);
  wire.sport_mask = std::bit_cast<std::uint16_t>(selector.src_port_mask);
  wire.family = wire_family(family);
  wire.prefixlen_d = selector.dst_prefix_bits;
  wire.prefixlen_s = selector.src_prefix_bits;
  wire.proto = selector.protocol;
  wire.ifindex = interface_index;
  wire.user = user;
  return wire;
}

Lifetimes lifetimes_of(const xfrm_lifetime_cfg& wire) {
  return {.soft_bytes = wire.soft_byte_limit,
          .hard_bytes = wire.hard_byte_limit,
          .soft_packets = wire.soft_packet_limit,
          .hard_packets = wire.hard_packet_limit,
          .soft_add_expires_seconds = wire.soft_add_expires_seconds,
          .hard_add_expires_seconds = wire.hard_add_expires_seconds,
          .soft_use_expires_seconds = wire.soft_use_expires_seconds,
          .hard_use_expires_seconds = wire.hard_use_expires_seconds};
}

xfrm_lifetime_cfg wire_lifetimes(const Lifetimes& lifetimes) {
  xfrm_lifetime_cfg wire{};
  wire.soft_byte_limit = lifetimes.soft_bytes;
  wire.hard_byte_limit = lifetimes.hard_bytes;
  wire.soft_packet_limit = lifetimes.soft_packets;
  wire.hard_packet_limit = lifetimes.hard_packets;
  wire.soft_add_expires_seconds = lifetimes.soft_add_expires_seconds;
  wire.hard_add_expires_seconds = lifetimes.hard_add_expires_seconds;
  wire.soft_use_expires_seconds = lifetimes.soft_use_expires_seconds;
  wire.hard_use_expires_seconds = lifetimes.hard_use_expires_seconds;
  return wire;
}

Encap encap_of(const xfrm_encap_tmpl& wire, Family family) {
  return {.type = wire.encap_type,
          .src_port = std::bit_cast<Be16>(wire.encap_sport),
          .dst_port = std::bit_cast<Be16>(wire.encap_dport),
          .original_address = address_of(wire.encap_oa, family)};
}

xfrm_encap_tmpl wire_encap(const Encap& encap) {
  xfrm_encap_tmpl wire{};
  wire.encap_type = encap.type;
  wire.encap_sport = std::bit_cast<std::uint16_t>(encap.src_port);
  wire.encap_dport = std::bit_cast<std::uint16_t>(encap.dst_port);
  wire.encap_oa = wire_address(encap.original_address);
  return wire;
}

Mark mark_of(const Attributes& attributes) {
  const auto wire = attributes.get<xfrm_mark>(XFRMA_MARK);
  return wire ? Mark{wire->v, wire->m} : Mark{};
}

void write_mark(MessageWriter& writer, const Mark& mark) {
  if (mark == Mark{}) return;
  writer.struct_attribute(XFRMA_MARK, xfrm_mark{mark.value, mark.mask});
}

Result<Attributes> read_attributes(const NetlinkMessage& message, std::size_t fixed_bytes) {
  if (message.payload.size() < fixed_bytes) return Error{EINVAL, "Invalid header length"};
  const std::size_t start = std::min(NLMSG_ALIGN(fixed_bytes), message.payload.size());
  Attributes attributes(message.payload.subspan(start));
  for (const AttributeLength& length : kLengths) {
    if (attributes.has(length.type) && attributes.bytes(length.type).size() < length.bytes) {
      return Error{ERANGE, "Attribute failed policy validation"};
    }
  }
  return attributes;
}

}  // namespace culvert::xfrm
