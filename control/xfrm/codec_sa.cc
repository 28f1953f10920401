// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/codec_sa.h"

#include <errno.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

namespace culvert::xfrm {
namespace {

constexpr std::uint8_t kProtocolAny = 255;  // IPSEC_PROTO_ANY
constexpr std::uint32_t kWordBits = 32;

bool has_auth(const Attributes& attributes) {
  return attributes.has(XFRMA_ALG_AUTH) || attributes.has(XFRMA_ALG_AUTH_TRUNC);
}

Error invalid(std::string text) {
  return {EINVAL, std::move(text)};
}

Result<void> check_selector(const xfrm_usersa_info& info) {
  const bool says_any = info.sel.family == AF_UNSPEC;
  const auto family = family_of(info.sel.family);
  if (!family) return invalid("Invalid address family in selector");
  if (says_any && (info.flags & XFRM_STATE_AF_UNSPEC) != 0) return {};
  const bool is_v4 = says_any ? info.family == AF_INET : *family == Family::v4;
  const unsigned longest = is_v4 ? 32 : 128;
  if (info.sel.prefixlen_d > longest || info.sel.prefixlen_s > longest) {
    return invalid(is_v4 ? "Invalid prefix length in selector (must be <= 32 for IPv4)"
                         : "Invalid prefix length in selector (must be <= 128 for IPv6)");
  }
  return {};
}

Result<void> check_protocol(const xfrm_usersa_info& info, const Attributes& attributes) {
  if (info.id.proto == IPPROTO_COMP || attributes.has(XFRMA_ALG_COMP)) {
    return Error{EOPNOTSUPP, "IPComp is not supported, only ESP"};
  }
  if (info.id.proto == IPPROTO_AH) {
    return Error{EPROTONOSUPPORT, "AH is not supported, only ESP"};
  }
  if (info.id.proto != IPPROTO_ESP) return invalid("Unsupported protocol");
  const bool has_crypt = attributes.has(XFRMA_ALG_CRYPT);
  const bool has_aead = attributes.has(XFRMA_ALG_AEAD);
  if (!has_auth(attributes) && !has_crypt && !has_aead) {
    return invalid(
        "Missing required attribute for ESP: at least one of AUTH, AUTH_TRUNC, CRYPT, AEAD");
  }
  if (has_aead && (has_auth(attributes) || has_crypt)) {
    return invalid(
        "Invalid attribute combination for ESP: AEAD can't be used with AUTH, AUTH_TRUNC, CRYPT");
  }
  if (attributes.has(XFRMA_TFCPAD) && info.mode != XFRM_MODE_TUNNEL) {
    return invalid("TFC padding can only be used in tunnel mode");
  }
  if (attributes.has(XFRMA_OFFLOAD_DEV)) {
    return Error{EOPNOTSUPP, "offload to a network device is not supported"};
  }
  return {};
}

Result<void> check_replay(const xfrm_usersa_info& info, const Attributes& attributes) {
  xfrm_replay_state_esn esn{};
  if (!copy_struct(attributes.bytes(XFRMA_REPLAY_ESN_VAL), esn)) {
    if ((info.flags & XFRM_STATE_ESN) != 0) return invalid("Missing required attribute for ESN");
    return {};
  }
  if (esn.bmp_len > XFRMA_REPLAY_ESN_MAX / kWordBits) {
    return invalid("ESN bitmap length must be <= 128");
  }
  const std::size_t size = attributes.bytes(XFRMA_REPLAY_ESN_VAL).size();
  if (size < sizeof(esn) + esn.bmp_len * sizeof(std::uint32_t) && size != sizeof(esn)) {
    return invalid("ESN attribute is too short to fit the full bitmap length");
  }
  if (info.replay_window != 0) return invalid("ESN not compatible with legacy replay_window");
  return {};
}

Result<void> check(const xfrm_usersa_info& info, const Attributes& attributes) {
  if (info.family != AF_INET && info.family != AF_INET6) return invalid("Invalid address family");
  if (auto result = check_selector(info); !result) return result;
  if (auto result = check_protocol(info, attributes); !result) return result;
  return check_replay(info, attributes);
}

// Collects keys one behind the other; what it holds is wiped at the end.
class KeyCollector {
 public:
  KeyCollector() = default;
  KeyCollector(const KeyCollector&) = delete;
  KeyCollector& operator=(const KeyCollector&) = delete;
  ~KeyCollector() { sodium_memzero(bytes_.data(), bytes_.size()); }

  [[nodiscard]] bool add(Bytes key) {
    if (key.size() > bytes_.size() - used_) return false;
    std::memcpy(bytes_.data() + used_, key.data(), key.size());
    used_ += key.size();
    return true;
  }
  [[nodiscard]] Bytes bytes() const { return Bytes(bytes_).first(used_); }

 private:
  std::array<std::byte, Key::kCapacityBytes> bytes_{};
  std::size_t used_ = 0;
};

// One algorithm attribute; its key goes to `keys`. `Wire` is the struct that precedes the key.
template <typename Wire>
Result<Algorithm> parse_algorithm(Bytes bytes, AlgorithmKind kind, const char* name,
                                  KeyCollector& keys) {
  Wire wire{};
  const bool has_head = copy_struct(bytes, wire);
  const std::uint64_t key_bytes = (std::uint64_t{wire.alg_key_len} + 7) / 8;
  if (!has_head || bytes.size() - sizeof(Wire) < key_bytes) {
    return invalid(std::string("Invalid ") + name + " attribute length");
  }
  Algorithm algorithm;
  algorithm.kind = kind;
  algorithm.name.assign(wire.alg_name, strnlen(wire.alg_name, sizeof(wire.alg_name) - 1));
  algorithm.key_bits = wire.alg_key_len;
  if constexpr (requires { wire.alg_icv_len; }) algorithm.icv_bits = wire.alg_icv_len;
  if constexpr (requires { wire.alg_trunc_len; }) algorithm.icv_bits = wire.alg_trunc_len;
  if (!keys.add(bytes.subspan(sizeof(Wire), key_bytes))) {
    return invalid("key of " + std::to_string(wire.alg_key_len) + " bits for " + name +
                   ": all keys of an SA must fit " + std::to_string(Key::kCapacityBytes) +
                   " bytes");
  }
  return algorithm;
}

Result<void> parse_algorithms(const Attributes& attributes, SaRequest& request) {
  KeyCollector keys;
  const auto take = [](Result<Algorithm> parsed, std::optional<Algorithm>& to) -> Result<void> {
    if (!parsed) return parsed.error();
    to = *std::move(parsed);
    return {};
  };
  if (attributes.has(XFRMA_ALG_AEAD)) {
    auto result = take(parse_algorithm<xfrm_algo_aead>(attributes.bytes(XFRMA_ALG_AEAD),
                                                       AlgorithmKind::aead, "AEAD", keys),
                       request.sa.aead);
    if (!result) return result;
  }
  if (attributes.has(XFRMA_ALG_CRYPT)) {
    auto result = take(parse_algorithm<xfrm_algo>(attributes.bytes(XFRMA_ALG_CRYPT),
                                                  AlgorithmKind::crypt, "CRYPT", keys),
                       request.sa.crypt);
    if (!result) return result;
  }
  // AUTH_TRUNC goes before AUTH where both are there.
  if (attributes.has(XFRMA_ALG_AUTH_TRUNC)) {
    auto result =
        take(parse_algorithm<xfrm_algo_auth>(attributes.bytes(XFRMA_ALG_AUTH_TRUNC),
                                             AlgorithmKind::auth_trunc, "AUTH_TRUNC", keys),
             request.sa.auth);
    if (!result) return result;
  } else if (attributes.has(XFRMA_ALG_AUTH)) {
    auto result = take(parse_algorithm<xfrm_algo>(attributes.bytes(XFRMA_ALG_AUTH),
                                                  AlgorithmKind::auth, "AUTH", keys),
                       request.sa.auth);
    if (!result) return result;
  }
  if (!request.key.assign(keys.bytes())) return invalid("the keys are too long");
  return {};
}

std::optional<ReplayAsked> parse_replay(const Attributes& attributes) {
  ReplayAsked asked;
  if (xfrm_replay_state_esn esn{}; copy_struct(attributes.bytes(XFRMA_REPLAY_ESN_VAL), esn)) {
    asked = {.is_esn_struct = true,
             .window = esn.replay_window,
             .bitmap_words = esn.bmp_len,
             .seq = esn.seq,
             .oseq = esn.oseq,
             .seq_hi = esn.seq_hi,
             .oseq_hi = esn.oseq_hi};
    return asked;
  }
  if (const auto legacy = attributes.get<xfrm_replay_state>(XFRMA_REPLAY_VAL)) {
    asked.seq = legacy->seq;
    asked.oseq = legacy->oseq;
    return asked;
  }
  return std::nullopt;
}

void parse_optional(const Attributes& attributes, Family family, Sa& sa) {
  sa.id.mark = mark_of(attributes);
  sa.if_id = attributes.get<std::uint32_t>(XFRMA_IF_ID).value_or(0);
  sa.extra_flags = attributes.get<std::uint32_t>(XFRMA_SA_EXTRA_FLAGS).value_or(0);
  sa.tfcpad = attributes.get<std::uint32_t>(XFRMA_TFCPAD);
  sa.nat_keepalive_seconds = attributes.get<std::uint32_t>(kAttributeNatKeepalive);
  sa.mtimer_thresh = attributes.get<std::uint32_t>(XFRMA_MTIMER_THRESH);
  if (const auto encap = attributes.get<xfrm_encap_tmpl>(XFRMA_ENCAP)) {
    sa.encap = encap_of(*encap, family);
  }
  if (const auto address = attributes.get<xfrm_address_t>(XFRMA_COADDR)) {
    sa.coaddr = address_of(*address, family);
  }
  if (const auto value = attributes.get<std::uint32_t>(XFRMA_SET_MARK)) {
    sa.set_mark =
        Mark{*value, attributes.get<std::uint32_t>(XFRMA_SET_MARK_MASK).value_or(0xffffffff)};
  }
}

// What the fixed part says. The family must have been checked.
Sa sa_of(const xfrm_usersa_info& info) {
  Sa sa;
  const Family family = family_of(info.family).value_or(Family::none);
  sa.id.family = family;
  sa.id.dst = address_of(info.id.daddr, family);
  sa.id.spi = Spi{std::bit_cast<Be32>(info.id.spi).host()};
  sa.id.protocol = info.id.proto;
  sa.src = address_of(info.saddr, family);
  sa.mode = static_cast<XfrmMode>(info.mode);
  sa.reqid = info.reqid;
  // A selector without a family is one of the SA's family, unless the flag says that it is both.
  const bool takes_own_family =
      info.sel.family == AF_UNSPEC && (info.flags & XFRM_STATE_AF_UNSPEC) == 0;
  const Family selector_family =
      takes_own_family ? family : family_of(info.sel.family).value_or(Family::none);
  sa.selector = selector_of(info.sel, selector_family);
  sa.selector_interface = info.sel.ifindex;
  sa.selector_user = info.sel.user;
  sa.flags = info.flags;
  sa.info_window = info.replay_window;
  sa.lifetimes = lifetimes_of(info.lft);
  sa.acquire_sequence = info.seq;
  return sa;
}

Result<SaId> id_of(const xfrm_usersa_id& wire, const Attributes& attributes) {
  const auto family = family_of(wire.family);
  // The kernel finds nothing under a family it does not know.
  if (!family || *family == Family::none) return Error{ESRCH, ""};
  return SaId{.family = *family,
              .dst = address_of(wire.daddr, *family),
              .spi = Spi{std::bit_cast<Be32>(wire.spi).host()},
              .protocol = wire.proto,
              .mark = mark_of(attributes)};
}

bool in_prefix(const IpAddress& address, const IpAddress& prefix, std::uint8_t bits) {
  for (std::size_t i = 0; i < address.bytes.size() && i * 8 < bits; ++i) {
    const unsigned in_byte = std::min<unsigned>(8, bits - static_cast<unsigned>(i) * 8);
    const unsigned mask = 0xff00u >> in_byte;
    if (((address.bytes[i] ^ prefix.bytes[i]) & mask & 0xff) != 0) return false;
  }
  return true;
}

}  // namespace

Result<SaRequest> parse_sa(const NetlinkMessage& message) {
  auto request = read_request<xfrm_usersa_info>(message);
  if (!request) return request.error();
  const auto& [info, attributes] = *request;
  if (auto checked = check(info, attributes); !checked) return checked.error();
  SaRequest result;
  result.sa = sa_of(info);
  if (auto parsed = parse_algorithms(attributes, result); !parsed) return parsed.error();
  parse_optional(attributes, result.sa.id.family, result.sa);
  result.sa.replay = parse_replay(attributes);
  if (const auto direction = attributes.get<std::uint8_t>(kAttributeSaDir)) {
    if (*direction != 1 && *direction != 2) return Error{ERANGE, "integer out of range"};
    result.sa.direction = static_cast<SaDirection>(*direction);
  }
  return result;
}

Result<SaId> parse_sa_id(const NetlinkMessage& message) {
  const auto request = read_request<xfrm_usersa_id>(message);
  if (!request) return request.error();
  return id_of(request->fixed, request->attributes);
}

Result<AeRequest> parse_get_ae(const NetlinkMessage& message) {
  const auto request = read_request<xfrm_aevent_id>(message);
  if (!request) return request.error();
  const auto id = id_of(request->fixed.sa_id, request->attributes);
  if (!id) return id.error();
  return AeRequest{*id, request->fixed.flags};
}

Result<AeUpdate> parse_new_ae(const NetlinkMessage& message) {
  const auto request = read_request<xfrm_aevent_id>(message);
  if (!request) return request.error();
  const Attributes& attributes = request->attributes;
  const bool has_any = attributes.has(XFRMA_LTIME_VAL) || attributes.has(XFRMA_REPLAY_VAL) ||
                       attributes.has(XFRMA_REPLAY_ESN_VAL) ||
                       attributes.has(XFRMA_ETIMER_THRESH) || attributes.has(XFRMA_REPLAY_THRESH);
  if (!has_any) return invalid("Missing required attribute for AE");
  if ((message.header.nlmsg_flags & NLM_F_REPLACE) == 0) {
    return invalid("NLM_F_REPLACE flag is required");
  }
  const auto id = id_of(request->fixed.sa_id, attributes);
  if (!id) return id.error();
  return AeUpdate{*id, parse_replay(attributes)};
}

Result<SpiRange> parse_allocate_spi(const NetlinkMessage& message) {
  const auto request = read_request<xfrm_userspi_info>(message);
  if (!request) return request.error();
  const auto& [wire, attributes] = *request;
  switch (wire.info.id.proto) {
    case IPPROTO_AH:
    case IPPROTO_ESP:
      break;
    case IPPROTO_COMP:
      if (wire.max >= 0x10000) return invalid("IPCOMP SPI must be <= 65535");
      break;
    default:
      return invalid("Invalid protocol, must be one of AH, ESP, IPCOMP");
  }
  if (wire.min > wire.max) return invalid("Invalid SPI range: min > max");
  if (wire.info.family != AF_INET && wire.info.family != AF_INET6) {
    return Error{ENOENT, "Target ACQUIRE not found"};
  }
  if (wire.info.id.proto != IPPROTO_ESP) {
    return Error{EPROTONOSUPPORT, "AH and IPComp are not supported, only ESP"};
  }
  SpiRange range{.larval = sa_of(wire.info), .min = wire.min, .max = wire.max};
  parse_optional(attributes, range.larval.id.family, range.larval);
  range.larval.lifetimes = {};  // of the SA that it becomes
  return range;
}

Result<SaFilter> parse_sa_filter(const NetlinkMessage& message) {
  // iproute2 sends no fixed part with a dump: attributes follow the header at once. Others send
  // xfrm_usersa_id; the kernel reads neither.
  const auto attributes = read_attributes(message, 0);
  if (!attributes) return attributes.error();
  SaFilter filter;
  filter.protocol = attributes->get<std::uint8_t>(XFRMA_PROTO).value_or(0);
  if (const auto wire = attributes->get<xfrm_address_filter>(XFRMA_ADDRESS_FILTER)) {
    filter.has_addresses = true;
    filter.family = family_of(wire->family).value_or(Family::none);
    const unsigned longest = wire->family == AF_INET ? 32 : 128;
    if (wire->splen > longest || wire->dplen > longest) return invalid("Invalid prefix length");
    filter.src_prefix_bits = wire->splen;
    filter.dst_prefix_bits = wire->dplen;
    filter.src = address_of(wire->saddr, filter.family);
    filter.dst = address_of(wire->daddr, filter.family);
  }
  return filter;
}

bool SaFilter::matches(const Sa& sa) const {
  if (protocol != 0 && protocol != kProtocolAny && protocol != sa.id.protocol) return false;
  if (!has_addresses) return true;
  if (family != Family::none && family != sa.id.family) return false;
  return in_prefix(sa.src, src, src_prefix_bits) && in_prefix(sa.id.dst, dst, dst_prefix_bits);
}

}  // namespace culvert::xfrm
