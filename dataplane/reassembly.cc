// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/reassembly.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "dataplane/net/checksum.h"
#include "dataplane/net/ipv6_parse.h"
#include "dataplane/net/udp.h"

namespace culvert {
namespace {

constexpr std::uint32_t kMaxDatagramBytes = 65535;
constexpr std::size_t kShare = 4;  // one source may have a quarter

// Of a datagram whose fragments were marked so (RFC 3168 5.3): congestion is never forgotten, and
// never told to a sender that may not understand it; nothing: both cannot be had. Where only
// ECN-capable and other fragments are mixed, which the RFC leaves open, nobody is told.
std::optional<Ecn> merged_ecn(std::uint8_t seen, Ecn first) {
  const auto has = [seen](Ecn ecn) { return (seen >> static_cast<unsigned>(ecn) & 1) != 0; };
  if (has(Ecn::ce)) return has(Ecn::not_ect) ? std::nullopt : std::optional(Ecn::ce);
  return has(Ecn::not_ect) ? Ecn::not_ect : first;
}

// Whether a first fragment's UDP carries ESP: the port says so, and no IKE marker speaks against it
// (RFC 3948 2.2). One too short to show the marker is taken for ESP; whole it will show.
bool is_esp_in_udp(std::span<const std::byte> payload) {
  const auto* udp = header_at<UdpHeader>(payload, 0);
  if (udp == nullptr || udp->destination_port.host() != kNatTPort) return false;
  const auto* marker = header_at<Be32>(payload, sizeof(UdpHeader));
  return marker == nullptr || *marker != Be32{};
}

// Takes out the fragment header that ends at `header_bytes` (RFC 8200 4.5). Lengths are the
// caller's to set.
void remove_fragment_header(Packet packet, std::size_t header_bytes) {
  const std::size_t fragment_at = header_bytes - sizeof(Ipv6FragmentHeader);
  std::size_t name_at = Ipv6Chain::kIpv6NextHeaderOffset;
  for (std::size_t at = sizeof(Ipv6Header); at < fragment_at;) {
    name_at = at;
    at += packet.header<Ipv6Extension>(at)->length_bytes();
  }
  *packet.header<IpProtocol>(name_at) = packet.header<Ipv6FragmentHeader>(fragment_at)->next_header;
  std::memmove(packet.data() + fragment_at, packet.data() + header_bytes,
               packet.length() - header_bytes);
  packet.truncate(packet.length() - static_cast<std::uint32_t>(sizeof(Ipv6FragmentHeader)));
}

void finish_ipv4(Packet packet, std::size_t header_bytes, Ecn ecn) {
  auto& header = *packet.header<Ipv4Header>(0);
  header.set_dscp_and_ecn(header.dscp(), ecn);
  header.total_length = Be16(static_cast<std::uint16_t>(packet.length()));
  header.flags_and_fragment_offset = Be16{};
  header.checksum = Be16{};
  header.checksum = internet_checksum(packet.bytes().first(header_bytes));
}

void finish_ipv6(Packet packet, Ecn ecn) {
  auto& header = *packet.header<Ipv6Header>(0);
  header.set_dscp_and_ecn(header.dscp(), ecn);
  header.payload_length = Be16(static_cast<std::uint16_t>(packet.length() - sizeof header));
}

std::span<const std::byte> payload_of(const WaitingFragment& fragment) {
  return fragment.packet.bytes().subspan(fragment.header_bytes);
}

}  // namespace

Reassembly::Reassembly(const Limits& limits, std::uint64_t secret, DropSink& drops)
    : limits_(limits), drops_(&drops), table_(secret), handed_on_(limits.buffers) {
  assert(limits.buffers >= kMinBuffers);
}

Reassembly::~Reassembly() {
  while (!table_.is_empty()) {
    for (const WaitingFragment& fragment : table_.fragments(table_.oldest())) {
      rte_pktmbuf_free(fragment.packet.mbuf());
    }
    table_.remove(table_.oldest());
  }
  for (; handed_on_count_ != 0; --handed_on_count_) {
    rte_pktmbuf_free(handed_on_[handed_on_first_].mbuf());
    handed_on_first_ = (handed_on_first_ + 1) % handed_on_.size();
  }
}

bool Reassembly::takes_ipv6(Packet packet, const Ipv6Chain& chain) {
  if (!chain.has_fragment_header()) return false;
  return takes(packet.header<Ipv6FragmentHeader>(chain.fragment_header_offset)->next_header);
}

std::optional<Packet> Reassembly::add_ipv4(Packet fragment) {
  const auto& header = *fragment.header<Ipv4Header>(0);
  if (!header.is_fragment()) return fragment;
  Arrival arrival{.packet = fragment,
                  .begin = static_cast<std::uint32_t>(header.fragment_offset_bytes()),
                  .header_bytes = static_cast<std::uint16_t>(header.header_length_bytes()),
                  .ecn = header.ecn(),
                  .is_last = !header.more_fragments()};
  arrival.end = arrival.begin + fragment.length() - arrival.header_bytes;
  return add({.source = IpAddress::v4(header.source),
              .destination = IpAddress::v4(header.destination),
              .identification = header.identification.host(),
              .protocol = header.protocol,
              .family = Family::v4},
             arrival);
}

std::optional<Packet> Reassembly::add_ipv6(Packet fragment, const Ipv6Chain& chain) {
  const auto& header = *fragment.header<Ipv6Header>(0);
  const std::size_t header_bytes = chain.fragment_header_offset + sizeof(Ipv6FragmentHeader);
  if (!chain.is_fragment()) {
    remove_fragment_header(fragment, header_bytes);
    finish_ipv6(fragment, header.ecn());
    return fragment;
  }
  const auto& piece = *fragment.header<Ipv6FragmentHeader>(chain.fragment_header_offset);
  Arrival arrival{.packet = fragment,
                  .begin = static_cast<std::uint32_t>(piece.offset_bytes()),
                  .header_bytes = static_cast<std::uint16_t>(header_bytes),
                  .ecn = header.ecn(),
                  .is_last = !piece.more_fragments()};
  arrival.end = arrival.begin + fragment.length() - arrival.header_bytes;
  return add({.source = {header.source},
              .destination = {header.destination},
              .identification = piece.identification.host(),
              .protocol = piece.next_header,
              .family = Family::v6},
             arrival);
}

// 1. The fragment for itself (RFC 8200 4.5).
// 2. Its datagram, known or new.
// 3. What speaks against it beside the datagram's other fragments.
// 4. Of UDP the first fragment decides what becomes of the datagram.
// 5. It waits, unless it was the last that was missing.
std::optional<Packet> Reassembly::add(const DatagramKey& key, Arrival arrival) {
  const Packet packet = arrival.packet;
  const std::uint64_t now_ns = packet.meta().time_ns;
  expire(now_ns);
  if (!is_well_formed(arrival)) {
    drops_->drop(packet, DropReason::fragment_malformed);
    return std::nullopt;
  }
  const std::uint16_t index = datagram_for(key, now_ns);
  Datagram& datagram = table_[index];
  if (const auto reason = objection(index, arrival); reason) {
    drops_->drop(packet, *reason);
    return std::nullopt;
  }
  if (datagram.fate == DatagramFate::undecided && arrival.begin == 0) decide(index, arrival);
  if (datagram.fate == DatagramFate::handed_on) {
    pass(index, arrival);
    return std::nullopt;
  }
  const std::uint32_t room = packet.mbuf()->buf_len - std::uint32_t{packet.mbuf()->data_off};
  const std::uint32_t highest_end = std::max(datagram.highest_end, arrival.end);
  const std::size_t most =
      std::min<std::size_t>(FragmentTable::kMaxFragments, limits_.buffers / kShare);
  std::optional<DropReason> reason;
  if (datagram.fate == DatagramFate::reassembled && arrival.header_bytes + highest_end > room) {
    reason = DropReason::fragment_too_long;
  } else if (datagram.fragment_count == most) {
    reason = DropReason::fragment_limit;
  }
  if (reason) {
    give_up(index, *reason);
    drops_->drop(packet, *reason);
    return std::nullopt;
  }
  if (!make_room(index)) {
    drops_->drop(packet, DropReason::fragment_limit);
    return std::nullopt;
  }
  drops_->counters().held_in.add(1);
  table_.add_fragment(index, {.packet = packet,
                              .begin = static_cast<std::uint16_t>(arrival.begin),
                              .end = static_cast<std::uint16_t>(arrival.end),
                              .header_bytes = arrival.header_bytes});
  note(datagram, arrival);
  if (datagram.total_bytes == 0 || datagram.received_bytes != datagram.total_bytes) {
    return std::nullopt;
  }
  return assemble(index, packet.meta());
}

// Step 1.
bool Reassembly::is_well_formed(const Arrival& arrival) {
  if (arrival.end <= arrival.begin) return false;
  if (!arrival.is_last && (arrival.end - arrival.begin) % 8 != 0) return false;
  return arrival.end + arrival.header_bytes <= kMaxDatagramBytes;
}

// Step 2. The record of a datagram that begins pushes out its source's oldest, or the oldest.
std::uint16_t Reassembly::datagram_for(const DatagramKey& key, std::uint64_t now_ns) {
  if (const std::uint16_t found = table_.find(key); found != kNoDatagram) return found;
  if (table_.datagrams_of_source(key) == FragmentTable::kMaxDatagrams / kShare) {
    remove(table_.oldest_of_source(key), DropReason::fragment_limit);
  } else if (table_.is_full()) {
    remove(table_.oldest(), DropReason::fragment_limit);
  }
  const std::uint16_t index = table_.add(key, now_ns);
  if (key.protocol == IpProtocol::esp) table_[index].fate = DatagramFate::reassembled;
  return index;
}

// Step 3. Why the fragment cannot be one of the datagram's, which may be given up by it.
std::optional<DropReason> Reassembly::objection(std::uint16_t index, const Arrival& arrival) {
  const Datagram& datagram = table_[index];
  if (datagram.fate == DatagramFate::given_up) return datagram.reason;
  bool contradicts = arrival.is_last
                         ? datagram.total_bytes != 0 || datagram.highest_end > arrival.end
                         : datagram.total_bytes != 0 && datagram.total_bytes <= arrival.end;
  for (const WaitingFragment& other : table_.fragments(index)) {
    if (other.begin == arrival.begin && other.end == arrival.end &&
        std::ranges::equal(payload_of(other),
                           arrival.packet.bytes().subspan(arrival.header_bytes))) {
      return DropReason::fragment_duplicate;
    }
    contradicts |= other.begin < arrival.end && arrival.begin < other.end;
  }
  // Those that were handed on are Linux' to judge.
  if (!contradicts || datagram.fate == DatagramFate::handed_on) return std::nullopt;
  give_up(index, DropReason::fragment_overlap);
  return DropReason::fragment_overlap;
}

// Step 4.
void Reassembly::decide(std::uint16_t index, const Arrival& arrival) {
  Datagram& datagram = table_[index];
  if (is_esp_in_udp(arrival.packet.bytes().subspan(arrival.header_bytes))) {
    datagram.fate = DatagramFate::reassembled;
    return;
  }
  datagram.fate = DatagramFate::handed_on;
  for (const WaitingFragment& fragment : table_.fragments(index)) {
    handed_on_[(handed_on_first_ + handed_on_count_++) % handed_on_.size()] = fragment.packet;
  }
  table_.forget_fragments(index);
}

// The record stays until all bytes went by, or its time is over. Limit: one that comes twice
// counts twice, and what comes after may find the record gone and wait in vain.
void Reassembly::pass(std::uint16_t index, const Arrival& arrival) {
  if (!make_room(index)) return drops_->drop(arrival.packet, DropReason::fragment_limit);
  drops_->counters().held_in.add(1);
  handed_on_[(handed_on_first_ + handed_on_count_++) % handed_on_.size()] = arrival.packet;
  Datagram& datagram = table_[index];
  note(datagram, arrival);
  if (datagram.total_bytes != 0 && datagram.received_bytes >= datagram.total_bytes) {
    table_.remove(index);
  }
}

// Step 5. A buffer for one more fragment of this datagram: its source's oldest datagram goes, or
// the oldest, never this one. False: there is none to go.
bool Reassembly::make_room(std::uint16_t index) {
  while (table_.fragments_of_source(index) >= limits_.buffers / kShare) {
    const std::uint16_t victim = table_.oldest_of_source_but(index);
    if (victim == kNoDatagram) return false;
    remove(victim, DropReason::fragment_limit);
  }
  while (held() >= limits_.buffers) {
    const std::uint16_t victim = table_.oldest_but(index);
    if (victim == kNoDatagram) return false;
    remove(victim, DropReason::fragment_limit);
  }
  return true;
}

void Reassembly::note(Datagram& datagram, const Arrival& arrival) {
  datagram.received_bytes += arrival.end - arrival.begin;
  datagram.highest_end = std::max(datagram.highest_end, arrival.end);
  if (arrival.is_last) datagram.total_bytes = arrival.end;
  datagram.ecn_seen =
      static_cast<std::uint8_t>(datagram.ecn_seen | 1u << static_cast<unsigned>(arrival.ecn));
}

// All bytes are there, and none twice. `last` is the completing fragment's.
std::optional<Packet> Reassembly::assemble(std::uint16_t index, const PacketMeta& last) {
  const Datagram& datagram = table_[index];
  const bool is_ipv6 = datagram.key.family == Family::v6;
  const auto fragments = table_.fragments(index);
  const WaitingFragment first = *std::ranges::find(fragments, 0, &WaitingFragment::begin);
  const Packet result = first.packet;
  const Ecn first_ecn =
      is_ipv6 ? result.header<Ipv6Header>(0)->ecn() : result.header<Ipv4Header>(0)->ecn();
  const auto ecn = merged_ecn(datagram.ecn_seen, first_ecn);
  const std::uint32_t missing = datagram.total_bytes - first.end;
  if (!ecn || missing > rte_pktmbuf_tailroom(result.mbuf())) {
    remove(index, ecn ? DropReason::fragment_too_long : DropReason::fragment_ecn);
    return std::nullopt;
  }

  const PacketMeta completed_by = last;
  std::size_t header_bytes = first.header_bytes;
  if (is_ipv6) {
    remove_fragment_header(result, header_bytes);
    header_bytes -= sizeof(Ipv6FragmentHeader);
  }
  static_cast<void>(result.push_back(static_cast<std::uint16_t>(missing)));
  for (const WaitingFragment& fragment : fragments) {
    if (fragment.begin == 0) continue;
    const auto payload = payload_of(fragment);
    std::memcpy(result.data() + header_bytes + fragment.begin, payload.data(), payload.size());
    rte_pktmbuf_free(fragment.packet.mbuf());
  }
  is_ipv6 ? finish_ipv6(result, *ecn) : finish_ipv4(result, header_bytes, *ecn);
  result.meta().time_ns = completed_by.time_ns;
  result.meta().arrival = completed_by.arrival;
  WorkerCounters& counters = drops_->counters();
  counters.held_out.add(fragments.size());
  counters.merged.add(fragments.size() - 1);
  counters.reassembled.add(1);
  table_.remove(index);
  return result;
}

void Reassembly::hand_on(Lanes& lanes, std::size_t most) {
  const std::size_t count = std::min(most, handed_on_count_);
  for (std::size_t i = 0; i < count; ++i) {
    lanes.onward(handed_on_[handed_on_first_]);
    handed_on_first_ = (handed_on_first_ + 1) % handed_on_.size();
  }
  handed_on_count_ -= count;
  drops_->counters().held_out.add(count);
}

// The oldest is the one that waits longest, unless the clock was set back: then it begins anew.
void Reassembly::expire(std::uint64_t now_ns) {
  while (!table_.is_empty()) {
    const std::uint16_t index = table_.oldest();
    Datagram& datagram = table_[index];
    datagram.since_ns = std::min(datagram.since_ns, now_ns);
    if (now_ns - datagram.since_ns < limits_.patience_ns) return;
    remove(index, DropReason::fragment_timeout);
  }
}

void Reassembly::clear(DropReason reason) {
  while (!table_.is_empty()) remove(table_.oldest(), reason);
  for (; handed_on_count_ != 0; --handed_on_count_) {
    drops_->counters().held_out.add(1);
    drops_->drop(handed_on_[handed_on_first_], reason);
    handed_on_first_ = (handed_on_first_ + 1) % handed_on_.size();
  }
  drops_->flush();
}

// The record stays, so that fragments still to come meet the same end.
void Reassembly::give_up(std::uint16_t index, DropReason reason) {
  drop_fragments(index, reason);
  table_[index].fate = DatagramFate::given_up;
  table_[index].reason = reason;
}

void Reassembly::drop_fragments(std::uint16_t index, DropReason reason) {
  for (const WaitingFragment& fragment : table_.fragments(index)) {
    drops_->counters().held_out.add(1);
    drops_->drop(fragment.packet, reason);
  }
  table_.forget_fragments(index);
}

void Reassembly::remove(std::uint16_t index, DropReason reason) {
  drop_fragments(index, reason);
  table_.remove(index);
}

}  // namespace culvert
