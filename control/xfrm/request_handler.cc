// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/request_handler.h"

#include <errno.h>

#include <algorithm>
#include <string>
#include <utility>

namespace culvert::xfrm {
namespace {

// What the kernel offers a dump by default.
constexpr std::size_t kDumpDatagramBytes = 16384;
constexpr std::size_t kLargestMessageBytes = 4096;

// For errors about which the kernel says nothing but the number.
Error without_text(const Error& error) {
  return {error.code, ""};
}

// "finds no more" for dump_one.
constexpr std::uint32_t kDumpEnd = 0xffffffff;

std::uint8_t wire_default(PolicyVerdict verdict) {
  return verdict == PolicyVerdict::block ? XFRM_USERPOLICY_BLOCK : XFRM_USERPOLICY_ACCEPT;
}

}  // namespace

SaView view_of(const SaManager& manager, const Sa& sa) {
  SaView view{.sa = sa, .figures = {}, .is_outbound = false, .replay_bitmap = {}, .key = {}};
  if (sa.is_larval || sa.index == kNoSa) return view;
  view.figures = manager.figures(sa.index);
  view.is_outbound = manager.direction_of(sa.index) == Direction::out;
  view.replay_bitmap = manager.replay_bitmap(sa.index);
  view.key = manager.key_of(sa.index);
  return view;
}

void write_default(MessageWriter& writer, const DefaultVerdicts& verdicts) {
  xfrm_userpolicy_default wire{};
  wire.in = wire_default(verdicts[static_cast<std::size_t>(PolicyDirection::in)]);
  wire.fwd = wire_default(verdicts[static_cast<std::size_t>(PolicyDirection::fwd)]);
  wire.out = wire_default(verdicts[static_cast<std::size_t>(PolicyDirection::out)]);
  writer.fixed(wire);
}

Result<void> RequestHandler::handle(const NetlinkMessage& message, SaOrigin origin, Reply& reply) {
  origin_ = origin;
  cause_ = {message.header.nlmsg_seq, message.header.nlmsg_pid};
  auto result = dispatch(message, reply);
  cause_ = {};
  if (!result) ++refused_count_;
  return result;
}

Result<void> RequestHandler::dispatch(const NetlinkMessage& message, Reply& reply) {
  const std::uint16_t type = message.header.nlmsg_type;
  const bool is_dump = (message.header.nlmsg_flags & NLM_F_DUMP) != 0;
  switch (type) {
    case XFRM_MSG_GETSA:
      return is_dump ? start_dump(message, reply) : get_sa(message, reply);
    case XFRM_MSG_GETPOLICY:
      return is_dump ? start_dump(message, reply) : get_policy(message, reply);
    case XFRM_MSG_NEWSA:
    case XFRM_MSG_UPDSA:
      return new_sa(message, reply);
    case XFRM_MSG_DELSA:
      return delete_sa(message, reply);
    case XFRM_MSG_ALLOCSPI:
      return allocate_spi(message, reply);
    case XFRM_MSG_FLUSHSA:
      return flush_sas(message, reply);
    case XFRM_MSG_GETAE:
      return get_ae(message, reply);
    case XFRM_MSG_NEWAE:
      return new_ae(message);
    case XFRM_MSG_GETSADINFO:
      return get_sad_info(message, reply);
    case XFRM_MSG_NEWPOLICY:
    case XFRM_MSG_UPDPOLICY:
      return new_policy(message, reply);
    case XFRM_MSG_DELPOLICY:
      return delete_policy(message, reply);
    case XFRM_MSG_FLUSHPOLICY:
      return flush_policies(message, reply);
    case XFRM_MSG_MIGRATE:
      return migrate(message);
    case XFRM_MSG_GETSPDINFO:
      return get_spd_info(message, reply);
    case XFRM_MSG_NEWSPDINFO:
      return set_spd_info(message, reply);
    case XFRM_MSG_SETDEFAULT:
      return set_default(message, reply);
    case XFRM_MSG_GETDEFAULT:
      return get_default(message, reply);
    case XFRM_MSG_ACQUIRE:
    case XFRM_MSG_EXPIRE:
    case XFRM_MSG_POLEXPIRE:
      return Error{EOPNOTSUPP, "XFRM message type " + std::to_string(type) + " is not supported"};
    default:
      return Error{EINVAL, ""};
  }
}

Result<void> RequestHandler::start_dump(const NetlinkMessage& message, Reply& reply) {
  Dump dump;
  dump.sequence = message.header.nlmsg_seq;
  if (message.header.nlmsg_type == XFRM_MSG_GETPOLICY) {
    dump.kind = Dump::Kind::policies;
  } else {
    auto filter = parse_sa_filter(message);
    if (!filter) return filter.error();
    dump.filter = *filter;
  }
  reply.dump = dump;
  return {};
}

// Writes the next entry and returns where to go on, or kDumpEnd.
std::uint32_t RequestHandler::dump_one(Dump& dump, MessageWriter& writer, std::uint32_t port_id) {
  if (dump.kind == Dump::Kind::policies) {
    auto policy = manager_.next_policy(dump.next);
    while (policy && policy->origin != PolicyOrigin::xfrm) {
      policy = manager_.next_policy(policy->slot + 1);
    }
    if (!policy) return kDumpEnd;
    writer.begin(XFRM_MSG_NEWPOLICY, NLM_F_MULTI, dump.sequence, port_id);
    write_policy(writer, {*policy, manager_.policy_figures(policy->slot)});
    writer.end();
    return policy->slot + 1;
  }
  const auto sa = manager_.next_sa(SaIndex{dump.next});
  if (!sa) return kDumpEnd;
  if (dump.filter.matches(*sa)) {
    writer.begin(XFRM_MSG_NEWSA, NLM_F_MULTI, dump.sequence, port_id);
    write_sa(writer, view_of(manager_, *sa));
    writer.end();
  }
  return sa->index.raw() + 1;
}

bool RequestHandler::continue_dump(Dump& dump, std::uint32_t port_id, SecretBytes& datagram) {
  datagram.reserve(kDumpDatagramBytes + kLargestMessageBytes);
  MessageWriter writer(datagram);
  while (datagram.size() < kDumpDatagramBytes) {
    const std::uint32_t next = dump_one(dump, writer, port_id);
    if (next == kDumpEnd) {
      writer.begin(NLMSG_DONE, NLM_F_MULTI, dump.sequence, port_id);
      writer.fixed(std::int32_t{0});
      writer.end();
      return true;
    }
    dump.next = next;
  }
  return false;
}

void RequestHandler::answer_sa(const Sa& sa, std::uint32_t sequence, Reply& reply) const {
  MessageWriter writer(reply.datagrams.emplace_back());
  writer.begin(XFRM_MSG_NEWSA, 0, sequence, reply.port_id);
  write_sa(writer, view_of(manager_, sa));
  writer.end();
}

Result<void> RequestHandler::new_sa(const NetlinkMessage& message, Reply&) {
  auto request = parse_sa(message);
  if (!request) return request.error();
  request->sa.origin = origin_;
  if (message.header.nlmsg_type == XFRM_MSG_UPDSA) {
    const auto updated = manager_.update(request->sa, request->key);
    if (updated) return {};
    return updated.error().code == ESRCH ? without_text(updated.error()) : updated.error();
  }
  // EEXIST without a text is the kernel's "File exists"; a key that is in use says so.
  const bool is_taken = manager_.find(request->sa.id).has_value();
  const auto added = manager_.add(request->sa, request->key);
  if (added) return {};
  return added.error().code == EEXIST && is_taken ? without_text(added.error()) : added.error();
}

Result<void> RequestHandler::delete_sa(const NetlinkMessage& message, Reply&) {
  const auto id = parse_sa_id(message);
  if (!id) return id.error();
  const auto removed = manager_.remove(*id);
  if (removed || removed.error().code != ESRCH) return removed;
  return without_text(removed.error());
}

Result<void> RequestHandler::get_sa(const NetlinkMessage& message, Reply& reply) {
  const auto id = parse_sa_id(message);
  if (!id) return id.error();
  const auto sa = manager_.find(*id);
  if (!sa) return Error{ESRCH, ""};
  answer_sa(*sa, message.header.nlmsg_seq, reply);
  return {};
}

Result<void> RequestHandler::allocate_spi(const NetlinkMessage& message, Reply& reply) {
  auto range = parse_allocate_spi(message);
  if (!range) return range.error();
  const auto larval = manager_.allocate_spi(
      {.larval = std::move(range->larval), .min = range->min, .max = range->max});
  if (!larval) return larval.error();
  answer_sa(*larval, message.header.nlmsg_seq, reply);
  return {};
}

Result<void> RequestHandler::flush_sas(const NetlinkMessage& message, Reply&) {
  const auto request = read_request<xfrm_usersa_flush>(message);
  if (!request) return request.error();
  const auto flushed = manager_.flush_sas(request->fixed.proto);
  if (!flushed) return flushed.error();
  return {};
}

// A hand-over: the state of an SA that was used elsewhere. Counters and thresholds are passed over.
Result<void> RequestHandler::new_ae(const NetlinkMessage& message) {
  const auto update = parse_new_ae(message);
  if (!update) return update.error();
  const auto sa = manager_.find(update->id);
  if (!sa) return Error{ESRCH, ""};
  if (sa->is_larval) return Error{EINVAL, "SA must be in VALID state"};
  if (!update->replay) return {};
  const bool is_out = manager_.direction_of(sa->index) == Direction::out;
  const ReplayAsked& asked = *update->replay;
  if (asked.is_esn_struct && asked.bitmap_words * 32 > kMaxReplayWindow) {
    return Error{EINVAL, "replay window too long"};
  }
  const std::uint64_t low = is_out ? asked.oseq : asked.seq;
  const bool has_esn = (sa->flags & kStateEsn) != 0;
  const std::uint64_t high = !has_esn ? 0 : is_out ? asked.oseq_hi : asked.seq_hi;
  return manager_.advance(update->id, high << 32 | low);
}

Result<void> RequestHandler::get_ae(const NetlinkMessage& message, Reply& reply) {
  const auto request = parse_get_ae(message);
  if (!request) return request.error();
  const auto sa = manager_.find(request->id);
  if (!sa) return Error{ESRCH, ""};
  MessageWriter writer(reply.datagrams.emplace_back());
  // As build_aevent: the port id is the one in the request's header.
  writer.begin(XFRM_MSG_NEWAE, 0, message.header.nlmsg_seq, message.header.nlmsg_pid);
  write_ae(writer, view_of(manager_, *sa), request->flags);
  writer.end();
  return {};
}

Result<void> RequestHandler::get_sad_info(const NetlinkMessage& message, Reply& reply) {
  const auto request = read_request<std::uint32_t>(message);
  if (!request) return request.error();
  const SadCounts counts = manager_.sad_counts();
  MessageWriter writer(reply.datagrams.emplace_back());
  writer.begin(XFRM_MSG_NEWSADINFO, 0, message.header.nlmsg_seq, reply.port_id);
  writer.fixed(request->fixed);
  writer.struct_attribute(XFRMA_SAD_CNT, counts.sas);
  writer.struct_attribute(XFRMA_SAD_HINFO, xfrmu_sadhinfo{counts.buckets, counts.max_sas});
  writer.end();
  return {};
}

Result<void> RequestHandler::new_policy(const NetlinkMessage& message, Reply&) {
  auto policy = parse_policy(message);
  if (!policy) return policy.error();
  policy->is_from_batch = origin_ == SaOrigin::manual;
  const bool is_update = message.header.nlmsg_type == XFRM_MSG_UPDPOLICY;
  const auto stored = is_update ? manager_.update_policy(*policy) : manager_.add_policy(*policy);
  if (stored) return {};
  return stored.error().code == EEXIST ? without_text(stored.error()) : stored.error();
}

Result<Policy> RequestHandler::find_named(const PolicyName& name) const {
  std::optional<Policy> policy;
  if (const auto* id = std::get_if<PolicyId>(&name)) {
    policy = manager_.find_policy(*id);
  } else if (const auto* number = std::get_if<PolicyIndex>(&name)) {
    policy = manager_.find_policy(number->direction, number->index);
    const bool is_same = policy && policy->origin == PolicyOrigin::xfrm &&
                         policy->type == number->type && policy->mark == number->mark &&
                         policy->if_id == number->if_id;
    if (!is_same) policy.reset();
  }
  if (!policy) return Error{ENOENT, ""};
  return *policy;
}

Result<void> RequestHandler::delete_policy(const NetlinkMessage& message, Reply&) {
  const auto name = parse_policy_name(message);
  if (!name) return name.error();
  const auto policy = find_named(*name);
  if (!policy) return policy.error();
  const auto removed = manager_.remove_policy(policy->direction, policy->index);
  if (!removed) return removed.error();
  return {};
}

Result<void> RequestHandler::get_policy(const NetlinkMessage& message, Reply& reply) {
  const auto name = parse_policy_name(message);
  if (!name) return name.error();
  const auto policy = find_named(*name);
  if (!policy) return policy.error();
  MessageWriter writer(reply.datagrams.emplace_back());
  writer.begin(XFRM_MSG_NEWPOLICY, 0, message.header.nlmsg_seq, reply.port_id);
  write_policy(writer, {*policy, manager_.policy_figures(policy->slot)});
  writer.end();
  return {};
}

Result<void> RequestHandler::flush_policies(const NetlinkMessage& message, Reply&) {
  const auto type = parse_policy_type(message);
  if (!type) return type.error();
  const auto flushed = manager_.flush_policies(*type);
  if (!flushed) return flushed.error();
  return {};
}

Result<void> RequestHandler::migrate(const NetlinkMessage& message) {
  const auto migration = parse_migration(message);
  if (!migration) return migration.error();
  return manager_.migrate(*migration);
}

Result<void> RequestHandler::get_spd_info(const NetlinkMessage& message, Reply& reply) {
  const auto request = read_request<std::uint32_t>(message);
  if (!request) return request.error();
  const SpdCounts counts = manager_.spd_counts();
  const auto count = [&](PolicyDirection direction) {
    return counts.policies[static_cast<std::size_t>(direction)];
  };
  xfrmu_spdinfo info{};
  info.incnt = count(PolicyDirection::in);
  info.outcnt = count(PolicyDirection::out);
  info.fwdcnt = count(PolicyDirection::fwd);
  MessageWriter writer(reply.datagrams.emplace_back());
  writer.begin(XFRM_MSG_NEWSPDINFO, 0, message.header.nlmsg_seq, reply.port_id);
  writer.fixed(request->fixed);
  writer.struct_attribute(XFRMA_SPD_INFO, info);
  writer.struct_attribute(XFRMA_SPD_HINFO,
                          xfrmu_spdhinfo{counts.max_policies, counts.max_policies});
  writer.struct_attribute(XFRMA_SPD_IPV4_HTHRESH, threshold_v4_);
  writer.struct_attribute(XFRMA_SPD_IPV6_HTHRESH, threshold_v6_);
  writer.end();
  return {};
}

Result<void> RequestHandler::set_spd_info(const NetlinkMessage& message, Reply&) {
  if (message.payload.size() < sizeof(std::uint32_t)) {
    return Error{EINVAL, "Invalid header length"};
  }
  // These attributes are numbered apart from all others.
  const Attributes attributes(message.payload.subspan(sizeof(std::uint32_t)));
  const auto v4 = attributes.get<xfrmu_spdhthresh>(XFRMA_SPD_IPV4_HTHRESH);
  const auto v6 = attributes.get<xfrmu_spdhthresh>(XFRMA_SPD_IPV6_HTHRESH);
  if ((attributes.has(XFRMA_SPD_IPV4_HTHRESH) && !v4) ||
      (attributes.has(XFRMA_SPD_IPV6_HTHRESH) && !v6)) {
    return Error{ERANGE, "Attribute failed policy validation"};
  }
  if (v4 && (v4->lbits > 32 || v4->rbits > 32)) {
    return Error{EINVAL, "Invalid hash threshold (must be <= 32 for IPv4)"};
  }
  if (v6 && (v6->lbits > 128 || v6->rbits > 128)) {
    return Error{EINVAL, "Invalid hash threshold (must be <= 128 for IPv6)"};
  }
  threshold_v4_ = v4.value_or(threshold_v4_);
  threshold_v6_ = v6.value_or(threshold_v6_);
  return {};
}

Result<void> RequestHandler::set_default(const NetlinkMessage& message, Reply&) {
  const auto request = read_request<xfrm_userpolicy_default>(message);
  if (!request) return request.error();
  DefaultVerdicts verdicts = manager_.default_verdicts();
  const auto take = [&](PolicyDirection direction, std::uint8_t asked) {
    PolicyVerdict& verdict = verdicts[static_cast<std::size_t>(direction)];
    if (asked == XFRM_USERPOLICY_BLOCK) verdict = PolicyVerdict::block;
    if (asked == XFRM_USERPOLICY_ACCEPT) verdict = PolicyVerdict::allow;
  };
  take(PolicyDirection::in, request->fixed.in);
  take(PolicyDirection::fwd, request->fixed.fwd);
  take(PolicyDirection::out, request->fixed.out);
  return manager_.set_default_verdicts(verdicts);
}

Result<void> RequestHandler::get_default(const NetlinkMessage& message, Reply& reply) {
  const auto request = read_request<xfrm_userpolicy_default>(message);
  if (!request) return request.error();
  MessageWriter writer(reply.datagrams.emplace_back());
  writer.begin(XFRM_MSG_GETDEFAULT, 0, message.header.nlmsg_seq, reply.port_id);
  write_default(writer, manager_.default_verdicts());
  writer.end();
  return {};
}

}  // namespace culvert::xfrm
