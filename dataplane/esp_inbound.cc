// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/esp_inbound.h"

#include <algorithm>
#include <cstring>

#include "dataplane/net/ethernet.h"
#include "dataplane/net/ip_parse.h"

namespace culvert {
namespace {

constexpr std::size_t kIvBytes = 8;  // of every transform carried so far

// RFC 4303 2.4: 1, 2, 3, ... `padding` ends before the pad length.
bool is_monotonic(std::span<const std::byte> padding) {
  for (std::size_t i = 0; i < padding.size(); ++i) {
    if (padding[i] != std::byte{esp_pad_byte(i)}) return false;
  }
  return true;
}

ReplayWindow window_of(const Sa& sa) {
  return {sa.state->sequence, *sa.window, sa.replay_window};
}

// Selectors as XFRM has them (RFC 4301 4.4.1.1), for an IPv4 packet.
bool covers_prefix(const IpAddress& prefix, std::uint8_t bits, Be32 address) {
  if (bits == 0) return true;
  return ((prefix.v4().host() ^ address.host()) >> (32 - bits)) == 0;
}

bool covers(const Selector& selector, const Ipv4Header& header, TransportPorts ports) {
  const auto matches = [](Be16 port, Be16 mask, std::uint16_t seen) {
    return ((port.host() ^ seen) & mask.host()) == 0;
  };
  return covers_prefix(selector.src, selector.src_prefix_bits, header.source) &&
         covers_prefix(selector.dst, selector.dst_prefix_bits, header.destination) &&
         (selector.protocol == 0 ||
          selector.protocol == static_cast<std::uint8_t>(header.protocol)) &&
         matches(selector.src_port, selector.src_port_mask, ports.source) &&
         matches(selector.dst_port, selector.dst_port_mask, ports.destination);
}

}  // namespace

void EspInbound::operator()(Lane<Packet>& lane, Lanes& lanes) {
  const auto packets = lane.packets();
  for (std::size_t done = 0; done < packets.size(); done += kBurst) {
    open_burst(packets.subspan(done, std::min(kBurst, packets.size() - done)), lanes);
  }
  lane.clear();
}

// 1. There must be an ESP header with a usable SPI (RFC 4303 2.1).
// 2. Find the SA by destination and SPI (RFC 4303 3.4.2).
// 3. UDP encapsulation must be what the SA says (RFC 3948 2.1), and the length must fit.
// 4. Infer the sequence number and look whether it may be new (RFC 4303 3.4.3, A2).
// 5. Check the ICV and decrypt (RFC 4303 3.4.4).
// 6. Enter the numbers of those that were authentic into their windows (RFC 4303 3.4.3).
// 7. Take trailer and outer header off; the inner packet must be whole and fit its SA (RFC 4303
//    3.4.4.1, RFC 4301 5.2, RFC 6040 4.2).
void EspInbound::open_burst(std::span<Packet> packets, Lanes& lanes) {
  candidate_count_ = 0;
  groups_.reset();
  packets = packets.first(read_headers(packets));
  find_sas(packets, lanes);
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (sas_[i] != nullptr) check(packets[i], *sas_[i]);
  }
  engine_->open(std::span(jobs_).first(candidate_count_),
                std::span(verdicts_).first(candidate_count_));
  commit_windows();
  for (std::size_t i = 0; i < candidate_count_; ++i) {
    if (replay_verdicts_[i] == ReplayVerdict::fresh) finish(candidates_[i], lanes);
  }
  for (const SaGroups::Group& group : groups_.groups()) group.count();
}

// Step 1. Those that pass move to the front; returns how many.
std::size_t EspInbound::read_headers(std::span<Packet> packets) {
  std::size_t count = 0;
  for (const Packet packet : packets) {
    const auto* esp = packet.header<EspHeader>(packet.meta().esp_offset);
    if (esp == nullptr) {
      drops_->drop(packet, DropReason::esp_in_runt);
      continue;
    }
    if (esp->spi == Be32{}) {
      drops_->drop(packet, DropReason::esp_in_zero_spi);
      continue;
    }
    const auto* ip = packet.header<Ipv4Header>(0);
    // The rest of the key is the same for all of IPv4.
    SaKey& key = keys_[count];
    std::memcpy(key.destination.bytes.data(), &ip->destination, sizeof ip->destination);
    key.spi = esp->host_spi();
    packets[count++] = packet;
  }
  return count;
}

// Step 2. ESP that is not for one of our addresses passes through like any other packet.
void EspInbound::find_sas(std::span<Packet> packets, Lanes& lanes) {
  sad_->table().find_burst(std::span(keys_).first(packets.size()),
                           std::span(indices_).first(packets.size()));
  for (std::size_t i = 0; i < packets.size(); ++i) {
    sas_[i] = indices_[i] == kNoSa ? nullptr : sad_->sa(indices_[i]);
    if (sas_[i] != nullptr) {
      __builtin_prefetch(sas_[i]);
      __builtin_prefetch(&sad_->state(indices_[i]), 1);
    }
  }
  const Sa* prefetched = nullptr;  // its key is on its way for packets of `prefetched_bytes`
  std::uint32_t prefetched_bytes = 0;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (sas_[i] != nullptr) {
      if (sas_[i] == prefetched && packets[i].length() <= prefetched_bytes) continue;
      prefetched = sas_[i];
      prefetched_bytes = packets[i].length();
      engine_->prefetch_key(*sas_[i]->key, sas_[i]->transform, packets[i].length());
    } else if (fib_->is_local(Ipv4Address{keys_[i].destination.v4().host()})) {
      drops_->drop(packets[i], DropReason::esp_in_no_sa);
    } else {
      lanes.inner.push(packets[i]);
    }
  }
}

// Steps 3 and 4, and the job for step 5.
void EspInbound::check(Packet packet, const Sa& sa) {
  SaState& state = *sa.state;
  const PacketMeta& meta = packet.meta();
  if ((meta.is_udp_encapsulated != 0) != sa.is_udp_encapsulated()) {
    return drops_->drop(packet, DropReason::esp_in_nat_t_mismatch, state);
  }
  const std::uint32_t payload_offset =
      meta.esp_offset + static_cast<std::uint32_t>(sizeof(EspHeader)) + sa.iv_bytes;
  const std::uint32_t around = payload_offset + sa.icv_bytes;
  if (packet.length() < around + sizeof(EspTrailer) ||
      ((packet.length() - around) & (sa.pad_alignment - 1u)) != 0) {
    return drops_->drop(packet, DropReason::esp_in_runt);
  }

  const auto* esp = packet.header<EspHeader>(meta.esp_offset);
  const ReplayWindow window = window_of(sa);
  const std::uint32_t wire_low = esp->sequence.host();
  const SeqNum sequence = sa.has_esn() ? window.infer_esn(wire_low) : SeqNum{wire_low};
  if (sequence.raw() == 0) return drops_->drop(packet, DropReason::esp_in_seq_zero, state);
  const ReplayVerdict verdict = window.pre_check(sequence);
  if (verdict != ReplayVerdict::fresh) {
    return drops_->drop(
        packet,
        verdict == ReplayVerdict::replay ? DropReason::esp_in_replay : DropReason::esp_in_too_old,
        state);
  }

  CryptoJob& job = jobs_[candidate_count_];
  job.key = sa.key;
  job.payload = packet.data() + payload_offset;
  job.payload_bytes = packet.length() - around;
  job.icv = job.payload + job.payload_bytes;
  set_nonce(job, std::span<const std::byte, kIvBytes>(
                     packet.data() + meta.esp_offset + sizeof(EspHeader), kIvBytes));
  set_aad(job, sa, sequence);
  SaGroups::Group& group = groups_.of(&sa);
  const auto self = static_cast<std::uint16_t>(candidate_count_);
  (group.head == SaGroups::kEndOfList ? group.head : candidates_[group.tail].next) = self;
  group.tail = self;
  candidates_[candidate_count_++] = {packet,
                                     &sa,
                                     sequence,
                                     payload_offset,
                                     static_cast<std::uint16_t>(groups_.last_index()),
                                     SaGroups::kEndOfList};
}

// Step 6, once per SA of the burst, in the order of arrival. Afterwards a packet that goes on has
// the replay verdict `fresh`; the others are dropped.
void EspInbound::commit_windows() {
  for (SaGroups::Group& group : groups_.groups()) commit_window(group);
}

void EspInbound::commit_window(SaGroups::Group& group) {
  SaState& state = *group.sa->state;
  std::array<std::uint16_t, kBurst> members;
  std::size_t count = 0;
  for (std::uint16_t i = group.head; i != SaGroups::kEndOfList; i = candidates_[i].next) {
    if (verdicts_[i] == Verdict::refused) {
      replay_verdicts_[i] = ReplayVerdict::replay;
      drops_->drop(candidates_[i].packet, DropReason::esp_in_icv, state);
      continue;
    }
    sequences_[count] = candidates_[i].sequence;
    members[count++] = i;
  }
  if (count == 0) return;
  window_of(*group.sa).commit(std::span(sequences_).first(count),
                              std::span(commit_results_).first(count));
  for (std::size_t m = 0; m < count; ++m) {
    const ReplayVerdict result = commit_results_[m];
    replay_verdicts_[members[m]] = result;
    if (result == ReplayVerdict::fresh) continue;
    drops_->drop(
        candidates_[members[m]].packet,
        result == ReplayVerdict::replay ? DropReason::esp_in_replay : DropReason::esp_in_too_old,
        state);
  }
}

// Step 7.
void EspInbound::finish(const Candidate& candidate, Lanes& lanes) {
  const Packet packet = candidate.packet;
  const Sa& sa = *candidate.sa;
  SaState& state = *sa.state;
  const auto outer = *packet.header<Ipv4Header>(0);

  packet.truncate(packet.length() - sa.icv_bytes);
  packet.pull_front(static_cast<std::uint16_t>(candidate.payload_offset));
  const auto payload = packet.bytes();
  const auto* trailer = header_at<EspTrailer>(payload, payload.size() - sizeof(EspTrailer));
  const std::size_t tail_bytes = sizeof(EspTrailer) + trailer->pad_length;
  if (tail_bytes > payload.size() ||
      !is_monotonic(payload.subspan(payload.size() - tail_bytes, trailer->pad_length))) {
    return drops_->drop(packet, DropReason::esp_in_bad_padding, state);
  }
  if (trailer->next_header != IpProtocol::ipip) {
    return drops_->drop(packet, DropReason::esp_in_next_header, state);
  }
  packet.truncate(static_cast<std::uint32_t>(payload.size() - tail_bytes));
  if (validate_ipv4(packet.bytes()) != Ipv4Validity::ok) {
    return drops_->drop(packet, DropReason::esp_in_inner_header, state);
  }
  auto* inner = packet.header<Ipv4Header>(0);
  packet.truncate(inner->total_length.host());  // the rest was traffic flow padding

  const auto ecn =
      (sa.flags & kSaNoEcn) != 0 ? inner->ecn() : ecn_on_decapsulation(inner->ecn(), outer.ecn());
  if (!ecn) return drops_->drop(packet, DropReason::esp_in_ecn, state);
  const Dscp dscp = (sa.flags & kSaDecapDscp) != 0 ? outer.dscp() : inner->dscp();
  if (*ecn != inner->ecn() || dscp != inner->dscp()) rewrite_dscp_and_ecn(*inner, dscp, *ecn);
  const auto transport = packet.bytes().subspan(inner->header_length_bytes());
  const TransportPorts ports = transport_ports(*inner, transport);
  if (sa.has_selector != 0 && !covers(sa.selector, *inner, ports)) {
    return drops_->drop(packet, DropReason::esp_in_selector_mismatch, state);
  }

  SaGroups::Group& group = groups_.groups()[candidate.group];
  ++group.packets;
  group.bytes += packet.length();
  group.time_ns = packet.meta().time_ns;
  packet.meta().sa = sa.index;
  const bool is_esp_again = inner->protocol == IpProtocol::esp ||
                            (inner->protocol == IpProtocol::udp && ports.destination == kNatTPort);
  (is_esp_again ? lanes.again : lanes.inner).push(packet);
}

}  // namespace culvert
