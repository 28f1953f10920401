// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/esp_inbound.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "dataplane/esp_decap.h"
#include "dataplane/ip_packet.h"
#include "dataplane/keyed_hash.h"
#include "dataplane/net/udp.h"

namespace culvert {
namespace {

constexpr std::size_t kIvBytes = 8;  // of the IV's end, which goes into the nonce

// RFC 4303 2.4: 1, 2, 3, ... The padding ends before the trailer and the ICV.
bool is_monotonic(const std::byte* padding, std::size_t pad_bytes, std::size_t icv_bytes) {
  if (pad_bytes <= sizeof(std::uint64_t) &&
      sizeof(EspTrailer) + icv_bytes >= sizeof(std::uint64_t)) {
    // One load, which ends within trailer and ICV at the latest.
    std::uint64_t seen;
    std::memcpy(&seen, padding, sizeof seen);
    const std::uint64_t difference = seen ^ 0x0807060504030201;
    return pad_bytes == 0 || difference << (64 - 8 * pad_bytes) == 0;
  }
  for (std::size_t i = 0; i < pad_bytes; ++i) {
    if (padding[i] != std::byte{esp_pad_byte(i)}) return false;
  }
  return true;
}

ReplayWindow window_of(const Sa& sa) {
  return {sa.state->sequence, *sa.window, sa.replay_window};
}

// Whether what was opened is ESP again. Most packets are told by a look or two.
bool carries_esp(Packet packet) {
  if (!is_ipv6(packet)) {
    const auto& header = *packet.header<Ipv4Header>(0);
    if (header.protocol == IpProtocol::esp) return true;
    if (header.protocol != IpProtocol::udp) return false;
    const auto* udp = packet.header<UdpHeader>(header.header_length_bytes());
    if (udp == nullptr || udp->destination_port != Be16{kNatTPort}) return false;
  }
  const UpperLayer upper = upper_layer(packet);
  return upper.protocol == IpProtocol::esp ||
         (upper.protocol == IpProtocol::udp && upper.ports.destination == kNatTPort);
}

// 48 bits that tell peers' addresses apart: those of IPv4 as they are.
std::uint64_t mark_of(const IpAddress& address) {
  const auto words = std::bit_cast<std::array<std::uint64_t, 2>>(address);
  if (words[1] == 0 && words[0] >> 32 == 0) return address.v4().host();
  return (multiply_and_fold(words[0] ^ kHashSalt[0], words[1]) >> 16) | 1ull << 47;
}

void count_late(SaState& state, SeqNum newest, SeqNum sequence, ReplayVerdict verdict) {
  // A copy of what was accepted says nothing of how late packets come.
  if (verdict == ReplayVerdict::replay) return;
  state.late[lateness_bucket(newest.raw() - sequence.raw())].add(1);
  if (verdict == ReplayVerdict::fresh) state.late_accepted.add(1);
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
[[gnu::flatten]] void EspInbound::open_burst(std::span<Packet> packets, Lanes& lanes) {
  candidate_count_ = 0;
  groups_.reset();
  packets = packets.first(read_headers(packets));
  find_sas();
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (const Sa* sa = sas_[key_of_[i]]; sa != nullptr) {
      check(packets[i], *sa);
    } else {
      refuse(packets[i], lanes);
    }
  }
  // The keys' salts have been fetched by now.
  for (CryptoJob& job : std::span(jobs_).first(candidate_count_)) {
    set_nonce(job, std::span<const std::byte, kIvBytes>(job.payload - kIvBytes, kIvBytes));
  }
  const std::uint16_t kept = keep_for_resync();
  engine_->open(std::span(jobs_).first(candidate_count_),
                std::span(verdicts_).first(candidate_count_));
  if (kept != SaGroups::kEndOfList) resync(kept);
  commit_windows();
  for (std::size_t i = 0; i < candidate_count_; ++i) {
    if (replay_verdicts_[i] == ReplayVerdict::fresh) finish(candidates_[i], lanes);
  }
  for (const SaGroups::Group& group : groups_.groups()) group.count(writers_, *events_);
}

// Step 1. Those that pass move to the front; returns how many.
std::size_t EspInbound::read_headers(std::span<Packet> packets) {
  std::size_t count = 0;
  key_count_ = 0;
  Be32 last_destination;
  Be32 last_spi;  // 0: there was none
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
    if (is_ipv6(packet)) {
      keys_[key_count_++] = {IpAddress{packet.header<Ipv6Header>(0)->destination}, esp->host_spi(),
                             Family::v6};
      last_spi = Be32{};
    } else {
      const Be32 destination = packet.header<Ipv4Header>(0)->destination;
      if (esp->spi != last_spi || destination != last_destination) {
        last_spi = esp->spi;
        last_destination = destination;
        keys_[key_count_++] = {IpAddress::v4(destination), esp->host_spi(), Family::v4};
      }
    }
    key_of_[count] = static_cast<std::uint16_t>(key_count_ - 1);
    packets[count++] = packet;
  }
  return count;
}

// Step 2.
void EspInbound::find_sas() {
  sad_->table().find_burst(std::span(keys_).first(key_count_),
                           std::span(indices_).first(key_count_));
  for (std::size_t i = 0; i < key_count_; ++i) {
    if (indices_[i] != kNoSa) sad_->prefetch(indices_[i]);
  }
  for (std::size_t i = 0; i < key_count_; ++i) {
    sas_[i] = indices_[i] == kNoSa ? nullptr : sad_->sa(indices_[i]);
    if (sas_[i] != nullptr) prefetch(*sas_[i]);
  }
}

// Step 2 for a packet without an SA. ESP that is not for one of our addresses passes through like
// any other packet.
void EspInbound::refuse(Packet packet, Lanes& lanes) {
  if (!is_for_us(*fib_, packet)) return lanes.onward(packet);
  drops_->drop(packet, DropReason::esp_in_no_sa);
}

// Steps 3 and 4, and the job for step 5.
void EspInbound::check(Packet packet, const Sa& sa) {
  const std::uint32_t esp_offset = packet.meta().esp_offset;
  const std::uint32_t length = packet.length();
  if ((packet.meta().is_udp_encapsulated != 0) != sa.is_udp_encapsulated()) {
    return drops_->drop(packet, DropReason::esp_in_nat_t_mismatch, sa);
  }
  const std::uint32_t payload_offset =
      esp_offset + static_cast<std::uint32_t>(sizeof(EspHeader)) + sa.iv_bytes;
  const std::uint32_t around = payload_offset + sa.icv_bytes;
  if (length < around + sizeof(EspTrailer) || ((length - around) & (sa.pad_alignment - 1u)) != 0) {
    return drops_->drop(packet, DropReason::esp_in_runt);
  }

  std::byte* const at = packet.data();
  const auto* esp = packet.header<EspHeader>(esp_offset);
  const ReplayWindow window = window_of(sa);
  const std::uint32_t wire_low = esp->sequence.host();
  const SeqNum sequence = sa.has_esn() ? window.infer_esn(wire_low) : SeqNum{wire_low};
  // Without a window senders may let their numbers come round (RFC 4303 3.3.3).
  const bool has_window = sa.replay_window != 0;
  if (sequence.raw() == 0 && has_window)
    return drops_->drop(packet, DropReason::esp_in_seq_zero, sa);
  const ReplayVerdict verdict = has_window ? window.pre_check(sequence) : ReplayVerdict::fresh;
  if (verdict != ReplayVerdict::fresh) {
    return drops_->drop(
        packet,
        verdict == ReplayVerdict::replay ? DropReason::esp_in_replay : DropReason::esp_in_too_old,
        sa);
  }

  SaGroups::Group& group = groups_.of(&sa);
  CryptoJob& job = jobs_[candidate_count_];
  job.key = sa.key;
  job.payload = at + payload_offset;
  job.payload_bytes = length - around;
  job.icv = at + (length - sa.icv_bytes);
  set_aad(job, sa, sequence);
  candidates_[candidate_count_] = {packet,
                                   &sa,
                                   sequence,
                                   payload_offset,
                                   static_cast<std::uint16_t>(groups_.last_index()),
                                   SaGroups::kEndOfList};
  link(candidate_count_++, group);
}

void EspInbound::link(std::size_t candidate, SaGroups::Group& group) {
  const auto self = static_cast<std::uint16_t>(candidate);
  (group.head == SaGroups::kEndOfList ? group.head : candidates_[group.tail].next) = self;
  group.tail = self;
}

// The first packet of the first SA that seems to be out of step; kEndOfList: none does.
std::uint16_t EspInbound::keep_for_resync() {
  for (const SaGroups::Group& group : groups_.groups()) {
    if (!EsnResync::is_wanted(*group.sa)) continue;
    resync_.keep(jobs_[group.head], *group.sa);
    return group.head;
  }
  return SaGroups::kEndOfList;
}

void EspInbound::resync(std::uint16_t candidate) {
  if (verdicts_[candidate] != Verdict::refused) return;
  Candidate& kept = candidates_[candidate];
  const auto sequence = resync_.try_again(jobs_[candidate], *kept.sa, kept.sequence);
  if (!sequence) return;
  kept.sequence = *sequence;
  verdicts_[candidate] = Verdict::authentic;
}

// Step 6, once per SA of the burst, in the order of arrival. Afterwards a packet that goes on has
// the replay verdict `fresh`; the others are dropped.
void EspInbound::commit_windows() {
  for (SaGroups::Group& group : groups_.groups()) commit_window(group);
}

void EspInbound::commit_window(SaGroups::Group& group) {
  const Sa& sa = *group.sa;
  ReplayWindow window = window_of(sa);
  std::array<std::uint16_t, kBurst> members;
  std::size_t count = 0;
  std::uint32_t refused = 0;
  for (std::uint16_t i = group.head; i != SaGroups::kEndOfList; i = candidates_[i].next) {
    if (verdicts_[i] == Verdict::refused) {
      ++refused;
      replay_verdicts_[i] = ReplayVerdict::replay;
      drops_->drop(candidates_[i].packet, DropReason::esp_in_icv, sa);
      continue;
    }
    sequences_[count] = candidates_[i].sequence;
    members[count++] = i;
  }
  note_verdicts(sa, refused, count != 0);
  if (count == 0) return;
  SeqNum newest = window.top();
  std::uint16_t newest_member = SaGroups::kEndOfList;  // accepted, and ahead of all before it
  const auto results = std::span(commit_results_).first(count);
  if (sa.replay_window != 0) {
    window.commit(std::span(sequences_).first(count), results);
  } else {
    std::ranges::fill(results, ReplayVerdict::fresh);
    sa.state->sequence.store(sequences_[count - 1].raw(), std::memory_order_relaxed);
  }
  for (std::size_t m = 0; m < count; ++m) {
    const ReplayVerdict result = results[m];
    replay_verdicts_[members[m]] = result;
    if (sequences_[m] < newest && sa.replay_window != 0)
      count_late(*sa.state, newest, sequences_[m], result);
    if (sequences_[m] >= newest && result == ReplayVerdict::fresh) newest_member = members[m];
    newest = std::max(newest, sequences_[m]);
    if (result == ReplayVerdict::fresh) continue;
    drops_->drop(
        candidates_[members[m]].packet,
        result == ReplayVerdict::replay ? DropReason::esp_in_replay : DropReason::esp_in_too_old,
        sa);
  }
  if (sa.is_udp_encapsulated() && newest_member != SaGroups::kEndOfList) {
    note_peer(candidates_[newest_member]);
  }
}

// An authentic packet from another end than before says that a NAT changed its mapping (RFC 3948
// 4.1 leaves it to IKE what to do about it). Only the newest packet counts: one that was held back
// on the way, or replayed, must not undo it.
void EspInbound::note_peer(const Candidate& candidate) {
  const Sa& sa = *candidate.sa;
  const Packet packet = candidate.packet;
  const auto& udp = *packet.header<UdpHeader>(packet.meta().esp_offset - sizeof(UdpHeader));
  const bool is_v6 = is_ipv6(packet);
  const IpAddress source = is_v6 ? IpAddress{packet.header<Ipv6Header>(0)->source}
                                 : IpAddress::v4(packet.header<Ipv4Header>(0)->source);
  const std::uint64_t endpoint = mark_of(source) << 16 | udp.source_port.host();
  std::uint64_t known = sa.state->peer_endpoint.load(std::memory_order_relaxed);
  if (known == endpoint) return;
  // Relaxed: whoever exchanges it reports it.
  if (!sa.state->peer_endpoint.compare_exchange_strong(known, endpoint,
                                                       std::memory_order_relaxed)) {
    return;
  }
  const bool is_as_agreed = source == sa.outer_source() && udp.source_port == sa.udp.source_port;
  if (known == 0 && is_as_agreed) return;
  events_->post({.type = EventType::peer_moved,
                 .family = is_v6 ? Family::v6 : Family::v4,
                 .port = udp.source_port.host(),
                 .time_ns = packet.meta().time_ns,
                 .address = source,
                 .sa_index = sa.index,
                 .spi = sa.spi.raw(),
                 .sequence = candidate.sequence.raw()});
}

// Step 7.
void EspInbound::finish(const Candidate& candidate, Lanes& lanes) {
  const Packet packet = candidate.packet;
  const Sa& sa = *candidate.sa;
  const std::uint32_t payload_bytes = packet.length() - candidate.payload_offset - sa.icv_bytes;
  const auto& trailer =
      *packet.header<EspTrailer>(candidate.payload_offset + payload_bytes - sizeof(EspTrailer));
  const auto tail_bytes = static_cast<std::uint32_t>(sizeof(EspTrailer)) + trailer.pad_length;
  if (tail_bytes > payload_bytes ||
      !is_monotonic(packet.data() + candidate.payload_offset + payload_bytes - tail_bytes,
                    trailer.pad_length, sa.icv_bytes)) {
    return drops_->drop(packet, DropReason::esp_in_bad_padding, sa);
  }
  SaGroups::Group& group = groups_.groups()[candidate.group];
  group.time_ns = packet.meta().time_ns;
  packet.meta().sa = sa.index;
  if (trailer.next_header == IpProtocol::no_next_header) {
    sa.state->dummies.add(1);
    return drops_->drop(packet, DropReason::esp_in_dummy);
  }
  const OpenedPacket opened{packet, sa, candidate.payload_offset, payload_bytes - tail_bytes,
                            trailer.next_header};
  const std::optional<DropReason> fault =
      sa.is_transport() ? take_out_transported(opened) : take_out_tunnelled(opened);
  if (fault) return drops_->drop(packet, *fault, sa);

  if (sa.has_selector != 0 && !covers(sa.selector, packet, upper_layer(packet))) {
    return drops_->drop(packet, DropReason::esp_in_selector_mismatch, sa);
  }
  if (is_past_hard_limit(sa, group.packets, group.bytes)) {
    return drops_->drop(packet, DropReason::esp_in_expired, sa);
  }
  ++group.packets;
  group.bytes += packet.length();
  if (carries_esp(packet)) return lanes.again.push(packet);
  lanes.onward(packet);
}

}  // namespace culvert
