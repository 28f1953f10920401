// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/tracer.h"

#include <algorithm>
#include <cstring>

#include "dataplane/net/ethernet.h"

namespace culvert {
namespace {

std::span<const std::byte> behind_ethernet(std::span<const std::byte> frame) {
  return frame.subspan(std::min(frame.size(), sizeof(EthernetHeader)));
}

}  // namespace

Tracer::Tracer(const Context& context)
    : context_(context), outsides_(std::make_unique<std::array<Outside, kBurst>>()) {}

// Gives the packet a mark, if the trace may have one more.
bool Tracer::mark(Packet packet) {
  if (generation_ != filter_->generation) {
    generation_ = filter_->generation;
    marked_ = 0;
  }
  if (marked_ >= filter_->packets) return false;
  const auto mark = static_cast<std::uint8_t>(1 + marked_ % 255);
  numbers_[mark] = ++marked_;
  packet.meta().trace = mark;
  return true;
}

TraceRecord& Tracer::begin(Packet packet, TraceStage stage) {
  const PacketMeta& meta = packet.meta();
  // Everything but the bytes, of which `bytes` says that there are none.
  std::memset(static_cast<void*>(&record_), 0, offsetof(TraceRecord, data));
  record_.time_ns = meta.time_ns;
  record_.generation = generation_;
  record_.packet = numbers_[meta.trace];
  record_.worker = context_.worker;
  record_.stage = stage;
  record_.sa_index = kNoSa.raw();
  record_.policy = kNoTracePolicy;
  return record_;
}

void Tracer::describe(const TracedHeader& header, std::span<const std::byte> packet,
                      TraceSide side) {
  record_.family = header.family;
  record_.protocol = header.protocol;
  record_.src_port = header.src_port;
  record_.dst_port = header.dst_port;
  record_.src = header.src;
  record_.dst = header.dst;
  record_.length = header.length;
  record_.spi = header.spi;
  record_.sequence = header.sequence;
  record_.side = side;
  if (filter_->wants_bytes == 0) return;
  record_.bytes = static_cast<std::uint32_t>(
      std::min({kTraceBytes, packet.size(), std::size_t{header.length}}));
  std::memcpy(record_.data.data(), packet.data(), record_.bytes);
}

void Tracer::trace_received(std::span<const Packet> frames) {
  outside_count_ = 0;
  for (const Packet packet : frames) {
    if (packet.mbuf()->nb_segs != 1) continue;
    const auto ip = behind_ethernet(packet.bytes());
    const auto header = traced_header(ip);
    if (!header) continue;
    const bool is_wanted = matches(*filter_, *header, header->spi) && mark(packet);
    if (!is_wanted && !header->is_esp) continue;
    begin(packet, TraceStage::received).port = packet.meta().in_port;
    describe(*header, ip, header->is_esp ? TraceSide::wire : TraceSide::clear);
    if (is_wanted) context_.records.post(record_);
    if (header->is_esp && outside_count_ < outsides_->size()) {
      Outside& outside = (*outsides_)[outside_count_++];
      outside.mbuf = packet.mbuf();
      outside.record = record_;
    }
  }
}

const Tracer::Outside* Tracer::outside_of(Packet packet) const {
  for (std::size_t i = 0; i < outside_count_; ++i) {
    if ((*outsides_)[i].mbuf == packet.mbuf()) return &(*outsides_)[i];
  }
  return nullptr;
}

// An SA has opened it: it was authentic and within the window. What is inside may be wanted now.
void Tracer::trace_opened(Lane<Packet>& lane) {
  for (const Packet packet : lane.packets()) {
    PacketMeta& meta = packet.meta();
    if (meta.sa == kNoSa.raw()) continue;
    const auto header = traced_header(packet.bytes());
    if (!header) continue;
    const Sa* const sa = context_.sad.sa(SaIndex{meta.sa});
    const std::uint32_t spi = sa == nullptr ? 0 : sa->spi.raw();
    const Outside* const outside = outside_of(packet);
    if (meta.trace == 0) {
      if (!matches(*filter_, *header, spi) || !mark(packet)) continue;
      if (outside != nullptr) {
        record_ = outside->record;
        record_.generation = generation_;
        record_.packet = numbers_[meta.trace];
        context_.records.post(record_);
      }
    }
    begin(packet, TraceStage::opened).sa_index = meta.sa;
    describe(*header, packet.bytes(), TraceSide::clear);
    record_.spi = spi;
    record_.sequence = outside == nullptr ? 0 : outside->record.sequence;
    context_.records.post(record_);
  }
}

void Tracer::note_policy(Packet packet, TraceStage stage, const PolicyEntry* policy) {
  TraceRecord& record = begin(packet, stage);
  if (policy != nullptr) {
    record.policy = policy->index;
    record.action = policy->action;
  }
  context_.records.post(record);
}

// The policy is looked up here again, for the few packets that are traced.
void Tracer::trace_inner(Lane<Packet>& lane) {
  trace_opened(lane);
  for (const Packet packet : lane.packets()) {
    if (packet.meta().trace == 0) continue;
    const auto bytes = packet.bytes();
    const PolicyEntry* const policy =
        is_ipv6(packet) ? context_.spd.lookup(Direction::in, flow_of(bytes, walk_ipv6(bytes)))
                        : context_.spd.lookup(Direction::in, flow_of(bytes));
    note_policy(packet, TraceStage::inbound_policy, policy);
  }
}

void Tracer::trace_clear(Lane<ClearPacket>& lane) {
  for (const ClearPacket& clear : lane.packets()) {
    const Packet packet = clear.packet;
    const auto header = traced_header(packet.bytes());
    if (!header) continue;
    const bool is_from_wire = packet.meta().origin == Origin::wire;
    if (packet.meta().trace == 0) {
      const std::span<const SaIndex> sas =
          clear.policy == nullptr ? std::span<const SaIndex>{} : clear.policy->sa_set();
      const bool is_sealed_by_wanted = std::ranges::any_of(sas, [&](SaIndex index) {
        const Sa* const sa = context_.sad.sa(index);
        return sa != nullptr && sa->spi.raw() == filter_->spi;
      });
      const std::uint32_t spi = is_sealed_by_wanted ? filter_->spi : 0;
      if (!matches(*filter_, *header, spi) || !mark(packet)) continue;
      begin(packet, is_from_wire ? TraceStage::received : TraceStage::made_here).port =
          packet.meta().in_port;
      describe(*header, packet.bytes(), TraceSide::clear);
      context_.records.post(record_);
    }
    if (is_from_wire) {
      const Adjacency next = context_.fib.adjacency(AdjacencyIndex{packet.meta().adjacency});
      TraceRecord& record = begin(packet, TraceStage::routed);
      record.port = next.port.raw();
      record.next_hop_family = next.family;
      record.next_hop = next.next_hop;
      context_.records.post(record);
    }
    note_policy(packet, TraceStage::outbound_policy, clear.policy);
  }
}

void Tracer::trace_wire(const WirePacket& wire) {
  const Packet packet(wire.mbuf());
  if (packet.meta().trace == 0) return;
  const auto ip = behind_ethernet(packet.bytes());
  const auto header = traced_header(ip);
  const bool is_sealed = header && header->is_esp;
  TraceRecord& record = begin(packet, is_sealed ? TraceStage::sealed : TraceStage::passed);
  record.port = wire.port();
  if (header) describe(*header, ip, is_sealed ? TraceSide::wire : TraceSide::clear);
  if (is_sealed) {
    const Sa* const sa = context_.sad.outbound(
        {.destination = header->dst, .spi = Spi{header->spi}, .family = header->family});
    if (sa != nullptr) record.sa_index = sa->index;
  }
  context_.records.post(record);
}

void Tracer::trace_leaving(Lanes& lanes) {
  for (const WirePacket& packet : lanes.wire.packets()) trace_wire(packet);
  for (const Packet packet : lanes.punt.packets()) {
    if (packet.meta().trace == 0) continue;
    begin(packet, TraceStage::to_linux).port = packet.meta().in_port;
    context_.records.post(record_);
  }
  for (const Packet packet : lanes.held.packets()) {
    if (packet.meta().trace == 0) continue;
    begin(packet, TraceStage::held).port = packet.meta().out_port;
    context_.records.post(record_);
  }
}

void Tracer::dropped(Packet packet, DropReason reason, SaIndex sa) {
  if (filter_ == nullptr) return;
  TraceRecord& record = begin(packet, TraceStage::dropped);
  record.drop = static_cast<std::uint8_t>(reason);
  record.sa_index = sa.raw();
  context_.records.post(record);
}

}  // namespace culvert
