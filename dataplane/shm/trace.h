// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dataplane/shm/messages.h"

// `culvert trace`: which packets control wants to hear of, and what the dataplane says of them. It
// lies in shared memory as all of dataplane/shm.

namespace culvert {

// Which packets are followed: those whose header matches, outside or inside of ESP.
struct TraceFilter {
  std::uint32_t generation = 0;  // of this trace; 0: there is none
  Family family = Family::none;  // of the prefixes; none: any packet
  std::uint8_t src_prefix_bits = 0;
  std::uint8_t dst_prefix_bits = 0;
  std::uint8_t protocol = 0;   // 0: any
  std::uint16_t src_port = 0;  // host byte order; 0: any; of ICMP type and code
  std::uint16_t dst_port = 0;
  std::uint32_t spi = 0;          // host byte order; 0: any
  std::uint32_t packets = 0;      // that each worker follows at most
  std::uint8_t is_both_ways = 0;  // the flow's other direction, too
  std::uint8_t wants_bytes = 0;   // of the packets, for a capture
  std::array<std::uint8_t, 2> reserved{};
  IpAddress src;
  IpAddress dst;
};
static_assert(sizeof(TraceFilter) == 56 && std::is_trivially_copyable_v<TraceFilter>);

enum class TraceStage : std::uint8_t {
  none = 0,
  received = 1,         // by `port`
  opened = 2,           // by the SA sa_index: in its window, authentic
  inbound_policy = 3,   // `policy`, `action`; action none: no policy matched
  routed = 4,           // by `port` to next_hop, or on the link where that is zero
  outbound_policy = 5,  // as inbound_policy
  sealed = 6,           // by the SA sa_index, and given to `port`
  passed = 7,           // given to `port` in clear
  to_linux = 8,         // by the mirror of `port`
  held = 9,             // until the next hop's MAC address is known
  dropped = 10,         // for the reason `drop`
  made_here = 11,       // sent by Linux through the mirror of `port`, or an ICMP error of our own
};
inline constexpr std::uint8_t kTraceStages = 12;

// From which side of ESP the bytes are.
enum class TraceSide : std::uint8_t { clear = 0, wire = 1 };

inline constexpr std::size_t kTraceBytes = 1944;
inline constexpr std::uint32_t kNoTracePolicy = ~0u;

// One step of one packet.
struct TraceRecord {
  std::uint64_t time_ns = 0;     // the packet's arrival, CLOCK_REALTIME
  std::uint64_t sequence = 0;    // ESP's, the 32 bits of the wire
  std::uint32_t generation = 0;  // of the trace
  std::uint32_t packet = 0;      // counted by its worker
  std::uint8_t worker = 0;
  TraceStage stage = TraceStage::none;
  Family family = Family::none;  // of src and dst
  std::uint8_t protocol = 0;
  std::uint16_t src_port = 0;  // host byte order, as in TraceFilter
  std::uint16_t dst_port = 0;
  std::uint16_t port = 0;
  PolicyAction action = PolicyAction::none;
  std::uint8_t drop = 0;  // DropReason
  TraceSide side = TraceSide::clear;
  Family next_hop_family = Family::none;
  std::array<std::uint8_t, 2> reserved{};
  std::uint32_t spi = 0;
  std::uint32_t sa_index = 0;  // kNoSa: none
  std::uint32_t policy = kNoTracePolicy;
  std::uint32_t length = 0;  // of the IP packet in bytes
  std::uint32_t bytes = 0;   // of it that are in `data`
  IpAddress src;
  IpAddress dst;
  IpAddress next_hop;
  std::array<std::byte, kTraceBytes> data{};
};
static_assert(sizeof(TraceRecord) <= 2056 && std::is_trivially_copyable_v<TraceRecord>);

inline constexpr std::size_t kTraceSlots = 512;  // of the ring in the state region

}  // namespace culvert
