// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/sad.h"

#include <sys/mman.h>

#include <algorithm>
#include <ctime>

#include "dataplane/net/checksum.h"
#include "dataplane/replay_window.h"
#include "dataplane/spread_hash.h"

namespace culvert {
namespace {

// Sa objects beyond max_sas, for changes and removals that wait for quiescence.
constexpr std::uint32_t kSpareSas = 4096;
constexpr std::uint8_t kOuterHopLimit = 64;

std::uint64_t wall_clock_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u +
         static_cast<std::uint64_t>(now.tv_nsec);
}

bool is_any(const Selector& selector) {
  return selector == Selector{.family = selector.family};
}

Refusal check_selector(const Selector& selector) {
  if (selector.family == Family::none) {
    return is_any(selector) ? Refusal::none : Refusal::bad_selector;
  }
  if (selector.family != Family::v4 && selector.family != Family::v6) return Refusal::bad_family;
  const std::uint8_t most_bits = selector.family == Family::v4 ? 32 : 128;
  const bool fits = selector.src_prefix_bits <= most_bits && selector.dst_prefix_bits <= most_bits;
  return fits ? Refusal::none : Refusal::bad_selector;
}

// 0 is none, which numbers of 64 bits cannot do without (RFC 4303 A2).
bool is_window(const SaSpec& spec) {
  if (spec.replay_window == 0) return (spec.flags & kSaEsn) == 0;
  return spec.replay_window >= kMinReplayWindow && spec.replay_window <= kMaxReplayWindow;
}

// Moves the sequence number or the window's top up to what is asked; they never go back.
void advance(const Sa& sa, SeqNum sequence) {
  if (sa.direction == Direction::in && sa.replay_window != 0) {
    return ReplayWindow(sa.state->sequence, *sa.window, sa.replay_window).advance(sequence);
  }
  std::atomic<std::uint64_t>& number = sa.state->sequence;
  std::uint64_t current = number.load(std::memory_order_relaxed);
  while (current < sequence.raw() &&
         !number.compare_exchange_weak(current, sequence.raw(), std::memory_order_relaxed)) {
  }
}

// Of the outer header, for the choice among several next hops: all packets of an SA go one way, and
// so do all SAs behind one UDP header, which a NAT tells apart by nothing else.
std::uint64_t outer_hash(const Sa& sa) {
  const auto spi = sa.spi.raw();
  FlowKey6 flow{.src_port = static_cast<std::uint16_t>(spi >> 16),
                .dst_port = static_cast<std::uint16_t>(spi),
                .protocol = IpProtocol::esp};
  if (sa.is_udp_encapsulated()) {
    flow.src_port = sa.udp.source_port.host();
    flow.dst_port = sa.udp.destination_port.host();
    flow.protocol = IpProtocol::udp;
  }
  if (sa.family == Family::v6) {
    flow.src = sa.outer_ipv6.source;
    flow.dst = sa.outer_ipv6.destination;
    return spread_hash(words_of(flow));
  }
  return spread_hash(words_of(FlowKey{.src = host_address(sa.outer.source),
                                      .dst = host_address(sa.outer.destination),
                                      .src_port = flow.src_port,
                                      .dst_port = flow.dst_port,
                                      .protocol = flow.protocol}));
}

// What was reached of the old limits says nothing of the new ones.
bool has_other_limits(const Sa& left, const Sa& right) {
  return left.soft_bytes != right.soft_bytes || left.hard_bytes != right.hard_bytes ||
         left.soft_packets != right.soft_packets || left.hard_packets != right.hard_packets;
}

// The outer headers as they are before a packet's own values come in; the other family's addresses
// stay 0.
void fill_outer_headers(Sa& sa, const SaSpec& spec) {
  const IpProtocol protocol = sa.is_udp_encapsulated() ? IpProtocol::udp : IpProtocol::esp;
  sa.outer = Ipv4Header{};
  sa.outer.ttl = kOuterHopLimit;
  sa.outer.protocol = protocol;
  sa.outer_ipv6 = Ipv6Header{};
  sa.outer_ipv6.hop_limit = kOuterHopLimit;
  sa.outer_ipv6.next_header = protocol;
  if (spec.family == Family::v6) {
    sa.outer_ipv6.source = spec.src.bytes;
    sa.outer_ipv6.destination = spec.dst.bytes;
  } else {
    sa.outer.source = spec.src.v4();
    sa.outer.destination = spec.dst.v4();
  }
  sa.outer.checksum = ipv4_header_checksum(sa.outer);
}

void reset_counters(SaState& state) {
  for (SharedCounter* counter :
       {&state.packets, &state.bytes, &state.first_used_ns, &state.last_used_ns}) {
    counter->set(0);
  }
  for (SharedCounter& drop : state.drops) drop.set(0);
  for (SharedCounter32& late : state.late) late.set(0);
  for (SharedCounter32* counter : {&state.late_accepted, &state.dummies, &state.keepalives}) {
    counter->set(0);
  }
  state.refused_in_a_row.store(0, std::memory_order_relaxed);
  state.peer_endpoint.store(0, std::memory_order_relaxed);
  state.path_mtu.store(0, std::memory_order_relaxed);
  state.media_mtu.store(0, std::memory_order_relaxed);
  state.life.store(0, std::memory_order_relaxed);
}

}  // namespace

std::unique_ptr<Sad> Sad::create(const Regions& regions, Engine& engine, std::uint64_t secret,
                                 Quiescence& quiescence, std::string& error) {
  std::unique_ptr<Sad> sad(new Sad(regions, engine, quiescence));
  sad->table_ = SaTable::create(regions.sizes().max_sas, secret);
  sad->outbound_table_ = SaTable::create(regions.sizes().max_sas, secret);
  if (sad->table_ == nullptr || sad->outbound_table_ == nullptr || !sad->by_index_.is_reserved() ||
      !sad->slots_.is_reserved() || !sad->uses_.is_reserved() || !sad->spares_.is_reserved()) {
    error = "not enough memory for max_sas = " + std::to_string(regions.sizes().max_sas);
    return nullptr;
  }
  const std::size_t slot_bytes = sad->max_sas_ * sizeof(Slot);
  if (madvise(sad->slots_.data(), slot_bytes, MADV_DONTDUMP) != 0) {
    error = "cannot keep expanded keys out of core dumps";
    return nullptr;
  }
  mlock2(sad->slots_.data(), slot_bytes, MLOCK_ONFAULT);
  for (const SaState& state : sad->states_) {
    if (state.generation != 0 && state.window_slots > kInlineWindowSlots) {
      sad->window_memory_.mark_used(state.window_offset, state.window_slots);
    }
  }
  return sad;
}

Sad::Sad(const Regions& regions, Engine& engine, Quiescence& quiescence)
    : engine_(&engine),
      quiescence_(&quiescence),
      max_sas_(regions.sizes().max_sas),
      states_(regions.sa_states()),
      windows_(regions.windows()),
      by_index_(max_sas_),
      slots_(max_sas_),
      uses_(max_sas_),
      spares_(max_sas_ + kSpareSas),
      window_memory_(regions.windows().size()) {}

Sad::~Sad() {
  if (!slots_.is_reserved()) return;
  for (std::uint32_t i = 0; i < max_sas_; ++i) {
    if (by_index_[i].load(std::memory_order_relaxed) != nullptr) slots_[i].key.wipe();
  }
  for (const Retired& retired : retired_) {
    if (retired.wiped_index != kKeepsKey) slots_[retired.wiped_index].key.wipe();
  }
}

Sa* Sad::take_sa(SaIndex index) {
  if ((uses_[index.raw()] & kSaTaken) == 0) {
    uses_[index.raw()] |= kSaTaken;
    return &slots_[index.raw()].sa;
  }
  if (free_spares_.empty() && spares_used_ == max_sas_ + kSpareSas) {
    quiescence_->wait();
    reclaim();
  }
  if (!free_spares_.empty()) {
    Sa* sa = free_spares_.back();
    free_spares_.pop_back();
    return sa;
  }
  return &spares_[spares_used_++];
}

void Sad::give_back(Sa* sa) {
  if (sa == &slots_[sa->index].sa) {
    uses_[sa->index] &= static_cast<std::uint8_t>(~kSaTaken);
  } else {
    free_spares_.push_back(sa);
  }
}

// The key and the record of an SA that was removed are used and then wiped until reclaim().
void Sad::retire(Sa* sa, SaIndex index) {
  uses_[index.raw()] |= kKeyRetired;
  retired_.push_back({sa, index.raw()});
}

Refusal Sad::check_spec(SaIndex index, const SaSpec& spec) const {
  if (index.raw() >= max_sas_) return Refusal::bad_index;
  if (spec.generation == 0) return Refusal::bad_generation;
  if (spec.direction != Direction::in && spec.direction != Direction::out) return Refusal::bad_enum;
  if (spec.mode != SaMode::tunnel && spec.mode != SaMode::transport) return Refusal::bad_enum;
  if (spec.tfc_bytes > kMaxTfcBytes) return Refusal::bad_tfc;
  if ((spec.flags & ~kSaAllFlags) != 0) return Refusal::bad_enum;
  if (spec.family != Family::v4 && spec.family != Family::v6) return Refusal::bad_family;
  if (spec.spi < kFirstUsableSpi) return Refusal::bad_spi;
  if (transform_info(static_cast<TransformId>(spec.transform)) == nullptr) {
    return Refusal::bad_transform;
  }
  if (spec.direction == Direction::in && !is_window(spec)) return Refusal::bad_window;
  return check_selector(spec.selector);
}

// A new SA starts at spec.sequence; one that was here before continues.
Refusal Sad::prepare_state(const SaSpec& spec, SaState& state) {
  if (state.generation == spec.generation) return Refusal::none;
  // A former culvertd may have died between a removal and its end.
  if (state.generation != 0 && state.window_slots > kInlineWindowSlots) {
    window_memory_.give_back(state.window_offset, state.window_slots);
  }
  state.generation = 0;
  reset_counters(state);
  state.sequence.store(spec.sequence, std::memory_order_relaxed);
  state.window_size = 0;
  state.window_slots = 0;
  state.window_offset = 0;
  if (spec.direction == Direction::in) {
    const std::uint32_t slots = window_slots_for(spec.replay_window);
    if (slots > kInlineWindowSlots) {
      const auto offset = window_memory_.take(slots);
      if (!offset) return Refusal::no_window_memory;
      state.window_offset = *offset;
    }
    state.window_size = spec.replay_window;
    state.window_slots = slots;
    ReplayWindow::of(state, windows_).initialise(SeqNum{spec.sequence});
  }
  state.installed_at_ns = wall_clock_ns();
  state.generation = spec.generation;
  return Refusal::none;
}

void Sad::fill(Sa& sa, SaIndex index, const SaSpec& spec) const {
  const auto transform = static_cast<TransformId>(spec.transform);
  const TransformInfo& info = *transform_info(transform);
  SaState& state = states_[index.raw()];
  sa.state = &state;
  sa.key = &slots_[index.raw()].key;
  sa.window = state.window_slots > kInlineWindowSlots ? &windows_[state.window_offset]
                                                      : state.window.data();
  sa.index = index.raw();
  sa.spi = Spi{spec.spi};
  sa.flags = spec.flags;
  sa.replay_window = state.window_size;
  sa.transform = transform;
  sa.direction = spec.direction;
  sa.iv_bytes = info.iv_bytes;
  sa.icv_bytes = info.icv_bytes;
  sa.pad_alignment = info.pad_alignment;
  sa.has_selector = is_any(spec.selector) ? 0 : 1;
  sa.reqid = spec.reqid;
  sa.selector = spec.selector;
  sa.family = spec.family;
  fill_outer_headers(sa, spec);
  sa.udp = UdpHeader{.source_port = spec.encap_src_port, .destination_port = spec.encap_dst_port};
  sa.mode = spec.mode;
  sa.outer_bytes = static_cast<std::uint16_t>(
      esp_front_bytes(spec.mode, spec.family, sa.is_udp_encapsulated(), info.iv_bytes));
  sa.tfc_bytes = static_cast<std::uint16_t>(sa.is_transport() ? 0 : spec.tfc_bytes);
  sa.soft_bytes = spec.soft_bytes;
  sa.hard_bytes = spec.hard_bytes;
  sa.soft_packets = spec.soft_packets;
  sa.hard_packets = spec.hard_packets;
  const bool has_no_limit = sa.soft_bytes == kNoLimit && sa.hard_bytes == kNoLimit &&
                            sa.soft_packets == kNoLimit && sa.hard_packets == kNoLimit;
  sa.has_limits = has_no_limit ? 0 : 1;
  sa.if_id = spec.if_id;
  sa.mark_value = spec.set_mark_value;
  sa.mark_mask = spec.set_mark_mask;
  const bool is_out = spec.direction == Direction::out;
  sa.keepalive_seconds = is_out && sa.is_udp_encapsulated() ? spec.keepalive_seconds : 0;
  sa.dummies_per_second = is_out ? spec.dummies_per_second : 0;
  sa.adjacency.store(0, std::memory_order_relaxed);
}

Refusal Sad::add(SaIndex index, const SaSpec& spec, const KeySlot& key) {
  if (const Refusal refusal = check_spec(index, spec); refusal != Refusal::none) return refusal;
  if (by_index_[index.raw()].load(std::memory_order_relaxed) != nullptr ||
      (uses_[index.raw()] & kKeyRetired) != 0) {
    return Refusal::slot_in_use;
  }
  if (key.generation != spec.generation || key.key_bytes > kMaxKeyBytes) return Refusal::bad_key;
  const SaKey name{spec.dst, Spi{spec.spi}, spec.family};
  if (spec.direction == Direction::in && table_->find(name) != kNoSa) return Refusal::duplicate_sa;
  if (engine_->expand(static_cast<TransformId>(spec.transform),
                      std::span(key.key).first(key.key_bytes),
                      slots_[index.raw()].key) != ExpandStatus::ok) {
    return Refusal::bad_key;
  }
  if (const Refusal refusal = prepare_state(spec, states_[index.raw()]); refusal != Refusal::none) {
    slots_[index.raw()].key.wipe();
    return refusal;
  }
  Sa* sa = take_sa(index);
  fill(*sa, index, spec);
  highest_index_ = std::max(highest_index_, index.raw());
  by_index_[index.raw()].store(sa, std::memory_order_release);
  if (spec.direction == Direction::in && table_->insert(name, index) != SaTable::Insert::ok) {
    by_index_[index.raw()].store(nullptr, std::memory_order_relaxed);
    retire(sa, index);
    return Refusal::no_table_memory;
  }
  // That another one has the key is no fault here: see outbound().
  if (spec.direction == Direction::out) static_cast<void>(outbound_table_->insert(name, index));
  return Refusal::none;
}

Refusal Sad::update(SaIndex index, const SaSpec& spec) {
  if (const Refusal refusal = check_spec(index, spec); refusal != Refusal::none) return refusal;
  Sa* old = by_index_[index.raw()].load(std::memory_order_relaxed);
  if (old == nullptr) return Refusal::slot_empty;
  if (old->state->generation != spec.generation) return Refusal::bad_generation;
  if (old->direction != spec.direction || old->family != spec.family || old->mode != spec.mode ||
      old->spi.raw() != spec.spi || static_cast<std::uint8_t>(old->transform) != spec.transform) {
    return Refusal::bad_enum;
  }
  const SaKey name{spec.dst, Spi{spec.spi}, spec.family};
  const bool is_inbound = spec.direction == Direction::in;
  const bool is_renamed = old->outer_destination() != spec.dst;
  if (is_inbound && is_renamed && table_->find(name) != kNoSa) return Refusal::duplicate_sa;
  Sa* fresh = take_sa(index);
  fill(*fresh, index, spec);
  fresh->adjacency.store(old->adjacency.load(std::memory_order_relaxed), std::memory_order_relaxed);
  advance(*fresh, SeqNum{spec.sequence});
  if (has_other_limits(*old, *fresh)) fresh->state->life.store(0, std::memory_order_relaxed);
  by_index_[index.raw()].store(fresh, std::memory_order_release);
  if (is_renamed) {
    SaTable& table = is_inbound ? *table_ : *outbound_table_;
    fresh->state->path_mtu.store(0, std::memory_order_relaxed);  // it goes another way now
    table.erase(index);
    quiescence_->wait();
    if (table.insert(name, index) != SaTable::Insert::ok && is_inbound) {
      return Refusal::no_table_memory;
    }
  }
  retired_.push_back({old, kKeepsKey});
  return Refusal::none;
}

Refusal Sad::remove(SaIndex index, std::uint32_t generation) {
  if (index.raw() >= max_sas_) return Refusal::bad_index;
  Sa* sa = by_index_[index.raw()].load(std::memory_order_relaxed);
  if (sa == nullptr) return Refusal::slot_empty;
  if (sa->state->generation != generation) return Refusal::bad_generation;
  (sa->direction == Direction::in ? *table_ : *outbound_table_).erase(index);
  by_index_[index.raw()].store(nullptr, std::memory_order_release);
  retire(sa, index);
  return Refusal::none;
}

void Sad::reclaim() {
  for (const Retired& retired : retired_) {
    if (retired.wiped_index != kKeepsKey) {
      SaState& state = states_[retired.wiped_index];
      slots_[retired.wiped_index].key.wipe();
      uses_[retired.wiped_index] &= static_cast<std::uint8_t>(~kKeyRetired);
      if (state.window_slots > kInlineWindowSlots) {
        window_memory_.give_back(state.window_offset, state.window_slots);
      }
      state.window_slots = 0;
      state.generation = 0;  // the sequence number stays, for control's tombstone
    }
    give_back(retired.sa);
  }
  retired_.clear();
}

void Sad::resolve_next_hop(SaIndex index, const Fib& fib, std::span<const Port> ports) {
  Sa* sa = by_index_[index.raw()].load(std::memory_order_relaxed);
  if (sa == nullptr || sa->direction != Direction::out) return;
  const AdjacencyIndex found = sa->family == Family::v6
                                   ? fib.lookup(sa->outer_ipv6.destination)
                                   : fib.lookup(host_address(sa->outer.destination));
  const AdjacencyIndex adjacency = fib.next_hop(found, outer_hash(*sa));
  sa->adjacency.store(adjacency.raw(), std::memory_order_relaxed);
  const std::uint16_t port = fib.packed(adjacency).port().raw();
  sa->state->media_mtu.store(ports[port < ports.size() ? port : 0].mtu, std::memory_order_relaxed);
}

void Sad::resolve_next_hops(const Fib& fib, std::span<const Port> ports) {
  for (std::uint32_t i = 0; i <= highest_index_; ++i) resolve_next_hop(SaIndex{i}, fib, ports);
}

}  // namespace culvert
