// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/drop_sink.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <limits>

#include "dataplane/net/esp.h"
#include "dataplane/net/ip.h"
#include "dataplane/tracer.h"

namespace culvert {
namespace {

// Where the packet stands when it is dropped for this reason, and so what a report can say of it.
enum class Audit : std::uint8_t {
  no,       // not auditable
  outside,  // at the outer IP header, meta says where the ESP header is
  inside,   // at an IP header that is not followed by ESP
};

// RFC 4303 3.3.3, 3.4.2 to 3.4.4 and RFC 4301 5.2.
constexpr std::array kOutside = {
    DropReason::esp_in_no_sa,    DropReason::esp_in_seq_zero, DropReason::esp_in_replay,
    DropReason::esp_in_too_old,  DropReason::esp_in_icv,      DropReason::esp_in_bad_padding,
    DropReason::esp_in_zero_spi,
};
constexpr std::array kInside = {
    DropReason::esp_in_selector_mismatch, DropReason::esp_in_policy,
    DropReason::spd_in_clear_protected,   DropReason::spd_in_discard,
    DropReason::esp_out_seq_overflow,
};

Audit audit_of(DropReason reason) {
  if (std::ranges::find(kOutside, reason) != kOutside.end()) return Audit::outside;
  if (std::ranges::find(kInside, reason) != kInside.end()) return Audit::inside;
  return Audit::no;
}

}  // namespace

void DropSink::drop(Packet packet, DropReason reason) {
  trace(packet, reason, kNoSa);
  audit(packet, reason, kNoSa, 0);
  counters_->drops[index_of(reason)].add(1);
  release(packet);
}

void DropSink::drop(Packet packet, DropReason reason, const Sa& sa) {
  assert(index_of(reason) < kSaDropReasons);
  trace(packet, reason, SaIndex{sa.index});
  audit(packet, reason, SaIndex{sa.index}, sa.spi.raw());
  sa.state->drops[index_of(reason)].add(1);
  counters_->drops[index_of(reason)].add(1);
  release(packet);
}

void DropSink::drop(Packet packet, DropReason reason, SaIndex index, SaState& state) {
  assert(index_of(reason) < kSaDropReasons);
  trace(packet, reason, index);
  audit(packet, reason, index, 0);
  state.drops[index_of(reason)].add(1);
  counters_->drops[index_of(reason)].add(1);
  release(packet);
}

void DropSink::trace(Packet packet, DropReason reason, SaIndex index) {
  if (tracer_ != nullptr && packet.meta().trace != 0) tracer_->dropped(packet, reason, index);
}

void DropSink::trace_all(std::span<rte_mbuf*> mbufs, DropReason reason) {
  if (!tracer_->is_on()) return;
  for (rte_mbuf* mbuf : mbufs) trace(Packet(mbuf), reason, kNoSa);
}

void DropSink::audit(Packet packet, DropReason reason, SaIndex index, std::uint32_t spi) {
  const Audit place = audit_of(reason);
  if (place == Audit::no) return;
  Audited& audited = audited_[index_of(reason)];
  if (!audited.limit.take(packet.meta().time_ns)) {
    if (audited.kept_back != std::numeric_limits<std::uint16_t>::max()) ++audited.kept_back;
    return;
  }
  Event event{.type = EventType::audit,
              .port = audited.kept_back,
              .value = static_cast<std::uint32_t>(reason),
              .time_ns = packet.meta().time_ns,
              .sa_index = index.raw(),
              .spi = spi};
  audited.kept_back = 0;
  if (const auto* ip = packet.header<Ipv4Header>(0); ip != nullptr && ip->version() == 4) {
    event.family = Family::v4;
    event.address = IpAddress::v4(ip->source);
    event.peer = IpAddress::v4(ip->destination);
  } else if (const auto* ip6 = packet.header<Ipv6Header>(0); ip6 != nullptr) {
    event.family = Family::v6;
    event.address.bytes = ip6->source;
    event.peer.bytes = ip6->destination;
    event.value |= ip6->flow_label() << 8;
  }
  if (place == Audit::outside) {
    if (const auto* esp = packet.header<EspHeader>(packet.meta().esp_offset); esp != nullptr) {
      event.spi = esp->spi.host();
      event.sequence = esp->sequence.host();
    }
  }
  events_->post(event);
}

}  // namespace culvert
