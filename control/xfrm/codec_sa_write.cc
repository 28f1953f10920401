// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "control/xfrm/codec_sa.h"

namespace culvert::xfrm {
namespace {

constexpr std::uint32_t kWordBits = 32;

xfrm_lifetime_cur lifetime_of(const SaView& view) {
  xfrm_lifetime_cur current{};
  current.bytes = view.figures.bytes;
  current.packets = view.figures.packets;
  current.add_time = view.sa.add_time_seconds;
  current.use_time = view.figures.first_used_ns / kNanosecondsPerSecond;
  return current;
}

std::uint32_t drops_of(const SaView& view, DropReason reason) {
  return static_cast<std::uint32_t>(view.figures.drops[index_of(reason)]);
}

xfrm_usersa_info info_of(const SaView& view) {
  const Sa& sa = view.sa;
  xfrm_usersa_info info{};
  info.sel =
      wire_selector(sa.selector, sa.selector.family, sa.selector_interface, sa.selector_user);
  info.id.daddr = wire_address(sa.id.dst);
  info.id.spi = std::bit_cast<std::uint32_t>(Be32{sa.id.spi.raw()});
  info.id.proto = sa.id.protocol;
  info.saddr = wire_address(sa.src);
  info.lft = wire_lifetimes(sa.lifetimes);
  info.curlft = lifetime_of(view);
  info.stats.replay_window = drops_of(view, DropReason::esp_in_too_old);
  info.stats.replay = drops_of(view, DropReason::esp_in_replay);
  info.stats.integrity_failed = drops_of(view, DropReason::esp_in_icv);
  info.seq = sa.acquire_sequence;
  info.reqid = sa.reqid;
  info.family = wire_family(sa.id.family);
  info.mode = static_cast<std::uint8_t>(sa.mode);
  info.replay_window = sa.info_window;
  info.flags = sa.flags;
  return info;
}

std::size_t key_bytes_of(const Algorithm& algorithm) {
  return (std::size_t{algorithm.key_bits} + 7) / 8;
}

template <typename Wire>
Wire algorithm_head(const Algorithm& algorithm) {
  Wire wire{};
  const std::size_t length = std::min(algorithm.name.size(), sizeof(wire.alg_name) - 1);
  std::memcpy(wire.alg_name, algorithm.name.data(), length);
  wire.alg_key_len = algorithm.key_bits;
  return wire;
}

void write_algorithms(MessageWriter& writer, const SaView& view) {
  const Sa& sa = view.sa;
  const auto& cipher = sa.aead ? sa.aead : sa.crypt;
  const std::size_t cipher_bytes = cipher ? key_bytes_of(*cipher) : 0;
  const std::size_t auth_bytes = sa.auth ? key_bytes_of(*sa.auth) : 0;
  // Without its key the lengths stay right and the key is zero, as in a kernel that redacts keys.
  SecretBytes keys(view.key.begin(), view.key.end());
  keys.resize(cipher_bytes + auth_bytes);
  const Bytes cipher_key = Bytes(keys).first(cipher_bytes);
  const Bytes auth_key = Bytes(keys).subspan(cipher_bytes);
  if (sa.aead) {
    auto head = algorithm_head<xfrm_algo_aead>(*sa.aead);
    head.alg_icv_len = sa.aead->icv_bits;
    writer.attribute_with_tail(XFRMA_ALG_AEAD, head, cipher_key);
  }
  if (sa.auth) {
    writer.attribute_with_tail(XFRMA_ALG_AUTH, algorithm_head<xfrm_algo>(*sa.auth), auth_key);
    auto head = algorithm_head<xfrm_algo_auth>(*sa.auth);
    head.alg_trunc_len = sa.auth->icv_bits;
    writer.attribute_with_tail(XFRMA_ALG_AUTH_TRUNC, head, auth_key);
  }
  if (sa.crypt) {
    writer.attribute_with_tail(XFRMA_ALG_CRYPT, algorithm_head<xfrm_algo>(*sa.crypt), cipher_key);
  }
}

// Was the number `age` below the top seen? 0 is no number.
bool was_seen(const SaView& view, std::uint64_t age) {
  if (age >= view.figures.sequence || age / kWordBits >= view.replay_bitmap.size()) return false;
  return ((view.replay_bitmap[age / kWordBits] >> (age % kWordBits)) & 1) != 0;
}

// As the attributes have it. Numbers that an SA without ESN could not give out any more say that it
// is used up, not that it begins again.
std::uint64_t last_sequence(const SaView& view) {
  const bool has_high_half = (view.sa.flags & kStateEsn) != 0;
  return has_high_half ? view.figures.sequence
                       : std::min<std::uint64_t>(view.figures.sequence, 0xffffffff);
}

void write_esn_replay(MessageWriter& writer, const SaView& view, const ReplayAsked& asked) {
  xfrm_replay_state_esn state{};
  state.bmp_len = asked.bitmap_words;
  state.replay_window = asked.window;
  const auto low = static_cast<std::uint32_t>(last_sequence(view));
  const auto high = static_cast<std::uint32_t>(last_sequence(view) >> 32);
  state.oseq = view.is_outbound ? low : asked.oseq;
  state.oseq_hi = view.is_outbound ? high : asked.oseq_hi;
  state.seq = view.is_outbound ? asked.seq : low;
  state.seq_hi = view.is_outbound ? asked.seq_hi : high;
  // The kernel's ring: number n has bit (n - 1) mod window.
  std::array<std::uint32_t, XFRMA_REPLAY_ESN_MAX / kWordBits> bitmap{};
  const std::size_t words = std::min<std::size_t>(asked.bitmap_words, bitmap.size());
  const std::uint64_t window = std::min<std::uint64_t>(asked.window, words * kWordBits);
  for (std::uint64_t age = 0; age < window && !view.is_outbound; ++age) {
    if (!was_seen(view, age)) continue;
    const std::uint64_t bit = (view.figures.sequence - 1 + window - age) % window;
    bitmap[bit / kWordBits] |= 1u << (bit % kWordBits);
  }
  writer.attribute_with_tail(XFRMA_REPLAY_ESN_VAL, state,
                             std::as_bytes(std::span(bitmap).first(words)));
}

void write_replay(MessageWriter& writer, const SaView& view) {
  const ReplayAsked asked = view.sa.replay.value_or(ReplayAsked{});
  if (asked.is_esn_struct) return write_esn_replay(writer, view, asked);
  xfrm_replay_state state{};
  const auto low = static_cast<std::uint32_t>(last_sequence(view));
  state.oseq = view.is_outbound ? low : asked.oseq;
  state.seq = view.is_outbound ? asked.seq : low;
  const std::uint32_t window = std::min<std::uint32_t>(view.sa.info_window, kWordBits);
  for (std::uint32_t age = 0; age < window && !view.is_outbound; ++age) {
    if (was_seen(view, age)) state.bitmap |= 1u << age;
  }
  writer.struct_attribute(XFRMA_REPLAY_VAL, state);
}

// In the order of copy_to_user_state_extra.
void write_attributes(MessageWriter& writer, const SaView& view) {
  const Sa& sa = view.sa;
  if (sa.extra_flags != 0) writer.struct_attribute(XFRMA_SA_EXTRA_FLAGS, sa.extra_flags);
  if (sa.coaddr) writer.struct_attribute(XFRMA_COADDR, wire_address(*sa.coaddr));
  if (view.figures.last_used_ns != 0) {
    writer.struct_attribute(XFRMA_LASTUSED, view.figures.last_used_ns / kNanosecondsPerSecond);
  }
  write_algorithms(writer, view);
  if (sa.encap) writer.struct_attribute(XFRMA_ENCAP, wire_encap(*sa.encap));
  if (sa.tfcpad.value_or(0) != 0) writer.struct_attribute(XFRMA_TFCPAD, *sa.tfcpad);
  if (sa.nat_keepalive_seconds.value_or(0) != 0) {
    writer.struct_attribute(kAttributeNatKeepalive, *sa.nat_keepalive_seconds);
  }
  write_mark(writer, sa.id.mark);
  if (sa.set_mark && *sa.set_mark != Mark{}) {
    writer.struct_attribute(XFRMA_SET_MARK, sa.set_mark->value);
    writer.struct_attribute(XFRMA_SET_MARK_MASK, sa.set_mark->mask);
  }
  write_replay(writer, view);
  if (sa.if_id != 0) writer.struct_attribute(XFRMA_IF_ID, sa.if_id);
  if (sa.mtimer_thresh.value_or(0) != 0)
    writer.struct_attribute(XFRMA_MTIMER_THRESH, *sa.mtimer_thresh);
  if (sa.direction)
    writer.struct_attribute(kAttributeSaDir, static_cast<std::uint8_t>(*sa.direction));
}

xfrm_usersa_id id_of(const Sa& sa) {
  xfrm_usersa_id id{};
  id.daddr = wire_address(sa.id.dst);
  id.spi = std::bit_cast<std::uint32_t>(Be32{sa.id.spi.raw()});
  id.family = wire_family(sa.id.family);
  id.proto = sa.id.protocol;
  return id;
}

}  // namespace

void write_sa(MessageWriter& writer, const SaView& view) {
  writer.fixed(info_of(view));
  write_attributes(writer, view);
}

void write_sa_deletion(MessageWriter& writer, const SaView& view) {
  writer.fixed(id_of(view.sa));
  writer.struct_attribute(XFRMA_SA, info_of(view));
  write_attributes(writer, view);
}

void write_sa_expiry(MessageWriter& writer, const SaView& view, SaExpiry expiry) {
  xfrm_user_expire expire{};
  expire.state = info_of(view);
  expire.hard = static_cast<std::uint8_t>(expiry);
  writer.fixed(expire);
  write_mark(writer, view.sa.id.mark);
  if (view.sa.if_id != 0) writer.struct_attribute(XFRMA_IF_ID, view.sa.if_id);
}

void write_sa_mapping(MessageWriter& writer, const Sa& sa, const PeerEndpoint& peer) {
  xfrm_user_mapping mapping{};
  mapping.id = id_of(sa);
  mapping.reqid = sa.reqid;
  mapping.old_saddr = wire_address(sa.src);
  mapping.new_saddr = wire_address(peer.address);
  mapping.old_sport = std::bit_cast<std::uint16_t>(sa.encap ? sa.encap->src_port : Be16{});
  mapping.new_sport = std::bit_cast<std::uint16_t>(peer.port);
  writer.fixed(mapping);
}

void write_ae(MessageWriter& writer, const SaView& view, std::uint32_t flags) {
  xfrm_aevent_id id{};
  id.sa_id = id_of(view.sa);
  id.saddr = wire_address(view.sa.src);
  id.flags = flags;
  id.reqid = view.sa.reqid;
  writer.fixed(id);
  write_replay(writer, view);
  writer.struct_attribute(XFRMA_LTIME_VAL, lifetime_of(view));
  // The kernel's defaults: aevents are not sent for these, the thresholds are stored nowhere.
  if ((flags & XFRM_AE_RTHR) != 0) writer.struct_attribute(XFRMA_REPLAY_THRESH, std::uint32_t{2});
  if ((flags & XFRM_AE_ETHR) != 0) writer.struct_attribute(XFRMA_ETIMER_THRESH, std::uint32_t{10});
  write_mark(writer, view.sa.id.mark);
  if (view.sa.if_id != 0) writer.struct_attribute(XFRMA_IF_ID, view.sa.if_id);
}

}  // namespace culvert::xfrm
