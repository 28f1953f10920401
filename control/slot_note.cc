// SPDX-License-Identifier: BSD-3-Clause
#include "control/slot_note.h"

#include <algorithm>
#include <utility>

#include "control/sa_algorithms.h"

namespace culvert {
namespace {

PolicyAction action_of(const Policy& policy) {
  if (policy.verdict == PolicyVerdict::block) return PolicyAction::discard;
  return policy.templates.empty() ? PolicyAction::bypass : PolicyAction::protect;
}

std::uint16_t given_attributes(const Sa& sa) {
  std::uint16_t given = 0;
  const auto note = [&given](bool is_given, std::uint16_t bit) {
    if (is_given) given = static_cast<std::uint16_t>(given | bit);
  };
  note(sa.direction.has_value(), kGivenDirection);
  note(sa.replay.has_value(), kGivenReplay);
  note(sa.replay && sa.replay->is_esn_struct, kGivenEsnStruct);
  note(sa.encap.has_value(), kGivenEncap);
  note(sa.coaddr.has_value(), kGivenCoaddr);
  note(sa.tfcpad.has_value(), kGivenTfcpad);
  note(sa.nat_keepalive_seconds.has_value(), kGivenNatKeepalive);
  note(sa.set_mark.has_value(), kGivenSetMark);
  note(sa.mtimer_thresh.has_value(), kGivenMtimerThresh);
  note(sa.auth.has_value(), kGivenAuth);
  return given;
}

void describe_replay(const ReplayAsked& replay, SaRecord& record) {
  record.replay_window = replay.window;
  record.bitmap_words = replay.bitmap_words;
  record.seq = replay.seq;
  record.oseq = replay.oseq;
  record.seq_hi = replay.seq_hi;
  record.oseq_hi = replay.oseq_hi;
}

ReplayAsked replay_from(const SaRecord& record) {
  return {.is_esn_struct = (record.given & kGivenEsnStruct) != 0,
          .window = record.replay_window,
          .bitmap_words = record.bitmap_words,
          .seq = record.seq,
          .oseq = record.oseq,
          .seq_hi = record.seq_hi,
          .oseq_hi = record.oseq_hi};
}

}  // namespace

void describe(const Sa& sa, SaRecord& record) {
  record.given = given_attributes(sa);
  record.origin = sa.origin;
  record.flags = sa.flags;
  record.info_window = sa.info_window;
  record.lifetimes = sa.lifetimes;
  describe_replay(sa.replay.value_or(ReplayAsked{}), record);
  record.encap_type = sa.encap ? sa.encap->type : std::uint16_t{0};
  record.encap_original_address = sa.encap ? sa.encap->original_address : IpAddress{};
  record.coaddr = sa.coaddr.value_or(IpAddress{});
  record.tfcpad = sa.tfcpad.value_or(0);
  record.nat_keepalive_seconds = sa.nat_keepalive_seconds.value_or(0);
  record.set_mark = sa.set_mark.value_or(Mark{});
  record.mtimer_thresh = sa.mtimer_thresh.value_or(0);
  record.selector_interface = sa.selector_interface;
  record.selector_user = sa.selector_user;
  record.extra_flags = sa.extra_flags;
  record.acquire_sequence = sa.acquire_sequence;
  record.mode = sa.mode;
  record.direction = sa.direction.value_or(SaDirection::in);
}

void describe(const Sa& sa, SaSpec& spec) {
  spec.mode = sa.mode == XfrmMode::transport ? SaMode::transport : SaMode::tunnel;
  spec.family = sa.id.family;
  spec.spi = sa.id.spi.raw();
  spec.reqid = sa.reqid;
  spec.mark_value = sa.id.mark.value;
  spec.mark_mask = sa.id.mark.mask;
  spec.if_id = sa.if_id;
  spec.encap_src_port = sa.encap ? sa.encap->src_port : Be16{};
  spec.encap_dst_port = sa.encap ? sa.encap->dst_port : Be16{};
  spec.src = sa.src;
  spec.dst = sa.id.dst;
  spec.selector = sa.selector;
  spec.tfc_bytes = std::min(sa.tfcpad.value_or(0), kMaxTfcBytes);
  const Mark set_mark = sa.set_mark.value_or(Mark{});
  spec.set_mark_value = set_mark.value;
  spec.set_mark_mask = set_mark.mask;
  spec.soft_bytes = sa.lifetimes.soft_bytes;
  spec.hard_bytes = sa.lifetimes.hard_bytes;
  spec.soft_packets = sa.lifetimes.soft_packets;
  spec.hard_packets = sa.lifetimes.hard_packets;
}

Sa sa_from(const SaSpec& spec, const SaRecord& record, SaIndex index) {
  Sa sa;
  sa.id = {.family = spec.family,
           .dst = spec.dst,
           .spi = Spi{spec.spi},
           .protocol = kProtocolEsp,
           .mark = {spec.mark_value, spec.mark_mask}};
  sa.src = spec.src;
  sa.mode = record.mode;
  sa.reqid = spec.reqid;
  sa.if_id = spec.if_id;
  sa.selector = spec.selector;
  sa.selector_interface = record.selector_interface;
  sa.selector_user = record.selector_user;
  sa.flags = record.flags;
  sa.extra_flags = record.extra_flags;
  sa.info_window = record.info_window;
  const auto is_given = [&record](std::uint16_t bit) { return (record.given & bit) != 0; };
  if (is_given(kGivenDirection)) sa.direction = record.direction;
  if (is_given(kGivenReplay)) sa.replay = replay_from(record);
  if (is_given(kGivenEncap)) {
    sa.encap = Encap{record.encap_type, spec.encap_src_port, spec.encap_dst_port,
                     record.encap_original_address};
  }
  if (is_given(kGivenCoaddr)) sa.coaddr = record.coaddr;
  if (is_given(kGivenTfcpad)) sa.tfcpad = record.tfcpad;
  if (is_given(kGivenNatKeepalive)) sa.nat_keepalive_seconds = record.nat_keepalive_seconds;
  if (is_given(kGivenSetMark)) sa.set_mark = record.set_mark;
  if (is_given(kGivenMtimerThresh)) sa.mtimer_thresh = record.mtimer_thresh;
  // None for a larval SA.
  SaAlgorithms algorithms = algorithms_of(
      static_cast<TransformId>(spec.transform),
      is_given(kGivenAuth) ? NoIntegrityForm::digest_null : NoIntegrityForm::no_algorithm);
  sa.aead = std::move(algorithms.aead);
  sa.crypt = std::move(algorithms.crypt);
  sa.auth = std::move(algorithms.auth);
  sa.lifetimes = record.lifetimes;
  sa.acquire_sequence = record.acquire_sequence;
  sa.origin = record.origin;
  sa.add_time_seconds = record.add_time_seconds;
  sa.is_larval = record.state == SlotState::larval;
  sa.index = index;
  sa.generation = spec.generation;
  return sa;
}

void describe(const Policy& policy, PolicyRecord& record) {
  record.direction = policy.direction;
  record.verdict = policy.verdict;
  record.flags = policy.flags;
  record.share = policy.share;
  record.type = policy.type;
  record.template_count = static_cast<std::uint8_t>(policy.templates.size());
  record.origin = policy.origin;
  record.spreads = policy.spreads ? 1 : 0;
  record.is_from_batch = policy.is_from_batch ? 1 : 0;
  record.index = policy.index;
  record.if_id = policy.if_id;
  record.policy_mark = policy.mark;
  record.selector_interface = policy.selector_interface;
  record.selector_user = policy.selector_user;
  record.lifetimes = policy.lifetimes;
  record.templates = {};
  std::copy(policy.templates.begin(), policy.templates.end(), record.templates.begin());
}

void describe(const Policy& policy, PolicySpec& spec) {
  const bool is_out = policy.direction == PolicyDirection::out;
  spec.direction = is_out ? Direction::out : Direction::in;
  spec.action = action_of(policy);
  spec.priority = policy.priority;
  spec.selector = policy.selector;
  spec.ranges = policy.ranges;
  const Template wanted = policy.templates.empty() ? Template{} : policy.templates.front();
  spec.is_optional = wanted.is_optional ? 1 : 0;
  spec.reqid = is_out ? 0 : wanted.reqid;
  // As in net/xfrm: in transport mode the packet's own addresses count.
  const bool is_transport = wanted.mode == XfrmMode::transport;
  spec.template_src = is_transport ? IpAddress{} : wanted.src;
  spec.template_dst = is_transport ? IpAddress{} : wanted.dst;
  const bool has_inbound_template = !is_out && !policy.templates.empty();
  const SaMode mode = is_transport ? SaMode::transport : SaMode::tunnel;
  spec.template_mode = has_inbound_template ? static_cast<std::uint8_t>(1 + static_cast<int>(mode)) : 0;
  spec.template_spi = has_inbound_template ? wanted.spi.raw() : 0;
  // Packets have neither here.
  spec.is_dormant = policy.if_id != 0 || policy.mark.value != 0 ? 1 : 0;
}

Policy policy_from(const PolicySpec& spec, const PolicyRecord& record, std::uint32_t slot) {
  Policy policy;
  policy.direction = record.direction;
  policy.family = spec.selector.family;
  policy.selector = spec.selector;
  policy.ranges = spec.ranges;
  policy.origin = record.origin;
  policy.is_from_batch = record.is_from_batch != 0;
  policy.spreads = record.spreads != 0;
  policy.selector_interface = record.selector_interface;
  policy.selector_user = record.selector_user;
  policy.mark = record.policy_mark;
  policy.if_id = record.if_id;
  policy.type = record.type;
  policy.priority = spec.priority;
  policy.verdict = record.verdict;
  policy.flags = record.flags;
  policy.share = record.share;
  policy.lifetimes = record.lifetimes;
  const std::size_t count = std::min<std::size_t>(record.template_count, kMaxTemplates);
  policy.templates.assign(record.templates.begin(),
                          record.templates.begin() + static_cast<std::ptrdiff_t>(count));
  policy.index = record.index;
  policy.add_time_seconds = record.add_time_seconds;
  policy.slot = slot;
  return policy;
}

}  // namespace culvert
