// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dataplane/net/be.h"

// What control and dataplane say to each other. Every struct here lies in shared memory: fixed
// layout, no pointers, and the reader copies it before it looks at it and trusts no value in it.

namespace culvert {

// An address of either family, network byte order; IPv4 uses the first four bytes, the rest is 0.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};

  static constexpr IpAddress v4(Be32 address) {
    IpAddress result;
    const auto raw = std::bit_cast<std::array<std::uint8_t, 4>>(address);
    for (std::size_t i = 0; i < raw.size(); ++i) result.bytes[i] = raw[i];
    return result;
  }
  [[nodiscard]] constexpr Be32 v4() const {
    return std::bit_cast<Be32>(std::array<std::uint8_t, 4>{bytes[0], bytes[1], bytes[2], bytes[3]});
  }
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

enum class Family : std::uint8_t { none = 0, v4 = 4, v6 = 6 };

// Which packets a policy or an SA is for (RFC 4301 4.4.1.1), in XFRM's terms: prefixes, and ports
// under a mask. Protocol 0 is any; for ICMP the ports are type and code.
struct Selector {
  Family family = Family::none;  // none: matches everything
  std::uint8_t protocol = 0;
  std::uint8_t src_prefix_bits = 0;
  std::uint8_t dst_prefix_bits = 0;
  Be16 src_port;
  Be16 src_port_mask;
  Be16 dst_port;
  Be16 dst_port_mask;
  IpAddress src;
  IpAddress dst;
  friend constexpr bool operator==(const Selector&, const Selector&) = default;
};
static_assert(sizeof(Selector) == 44);

// Bits of SelectorRanges::fields.
inline constexpr std::uint8_t kRangeSrc = 1;
inline constexpr std::uint8_t kRangeDst = 2;
inline constexpr std::uint8_t kRangeSrcPort = 4;
inline constexpr std::uint8_t kRangeDstPort = 8;
inline constexpr std::uint8_t kRangeAllFields = 15;

// Where a selector says more than prefixes and masks can (RFC 4301 4.4.1.1): the last value of each
// field named in `fields`, whose first is the selector's own; the prefix length or mask there is
// then not looked at. All that is not named is 0.
struct SelectorRanges {
  IpAddress src_last;
  IpAddress dst_last;
  Be16 src_port_last;  // of ICMP the type
  Be16 dst_port_last;  // of ICMP the code
  std::uint8_t fields = 0;
  std::array<std::uint8_t, 3> reserved{};
  [[nodiscard]] constexpr bool has(std::uint8_t field) const { return (fields & field) != 0; }
  friend constexpr bool operator==(const SelectorRanges&, const SelectorRanges&) = default;
};
static_assert(sizeof(SelectorRanges) == 40);

enum class Direction : std::uint8_t { none = 0, in = 1, out = 2 };
enum class SaMode : std::uint8_t { transport = 0, tunnel = 1 };

// Bits of SaSpec::flags.
inline constexpr std::uint32_t kSaEsn = 1;         // 64-bit sequence numbers (RFC 4303 2.2.1)
inline constexpr std::uint32_t kSaUdpEncap = 2;    // ESP in UDP (RFC 3948)
inline constexpr std::uint32_t kSaNoEcn = 4;       // outer and inner ECN are kept apart
inline constexpr std::uint32_t kSaDecapDscp = 8;   // inbound: outer DSCP goes to the inner packet
inline constexpr std::uint32_t kSaNoPathMtu = 16;  // outer DF is 0, not the inner's
inline constexpr std::uint32_t kSaDontEncapDscp = 32;  // outbound: outer DSCP is 0
inline constexpr std::uint32_t kSaSetDf = 64;          // outbound: outer DF is 1
inline constexpr std::uint32_t kSaAllFlags = 127;

// In SaSpec: no limit.
inline constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

inline constexpr std::uint32_t kMaxTfcBytes = 65535;

inline constexpr std::uint32_t kMinReplayWindow = 32;
inline constexpr std::uint32_t kMaxReplayWindow = 32768;

// One SA as control wants it. It lies in the `requests` region at its SA index and stays there as
// long as the SA lives, so that a restarted control knows what it had asked for.
struct SaSpec {
  std::uint32_t generation = 0;  // of the slot; the key's must be the same. 0: slot is free
  Direction direction = Direction::none;
  SaMode mode = SaMode::tunnel;
  std::uint8_t transform = 0;  // a TransformId of crypto/transform.h
  Family family = Family::none;
  std::uint32_t spi = 0;  // host byte order
  std::uint32_t flags = 0;
  // In sequence numbers, what the dataplane is to use; 0: none, only without ESN.
  std::uint32_t replay_window = 0;
  std::uint32_t reqid = 0;
  std::uint32_t mark_value = 0;
  std::uint32_t mark_mask = 0;
  std::uint32_t if_id = 0;
  Be16 encap_src_port;  // of the outer UDP header
  Be16 encap_dst_port;
  IpAddress src;  // outer addresses
  IpAddress dst;
  Selector selector;
  // Outbound, tunnel mode: shorter inner packets are padded to this many bytes (RFC 4303 2.7), as
  // far as the path's MTU allows. 0: not.
  std::uint32_t tfc_bytes = 0;
  // Outbound, with UDP encapsulation: a keepalive goes out when nothing else did for so long (RFC
  // 3948 2.3). 0: none does.
  std::uint16_t keepalive_seconds = 0;
  // Outbound: so many dummy packets go out each second (RFC 4303 2.6).
  std::uint16_t dummies_per_second = 0;
  // For later stages, with what the SA opened: XFRM's SET_MARK.
  std::uint32_t set_mark_value = 0;
  std::uint32_t set_mark_mask = 0;
  std::uint32_t reserved = 0;
  // Outbound: the last number that may have been used. Inbound: the highest number accepted. The
  // dataplane never goes below what its own record of the same generation says.
  std::uint64_t sequence = 0;
  // The lifetime in inner bytes and in packets (RFC 4301 4.4.2.1): at the soft limit there is one
  // event, at the hard one the SA stops and there is another.
  std::uint64_t soft_bytes = kNoLimit;
  std::uint64_t hard_bytes = kNoLimit;
  std::uint64_t soft_packets = kNoLimit;
  std::uint64_t hard_packets = kNoLimit;
};
static_assert(sizeof(SaSpec) == 176 && std::is_trivially_copyable_v<SaSpec>);

inline constexpr std::uint32_t kMaxKeyBytes = 120;

// The raw key and salt of one SA, in the `keys` region at its SA index.
struct KeySlot {
  std::uint32_t generation = 0;
  std::uint32_t key_bytes = 0;
  std::array<std::byte, kMaxKeyBytes> key{};
};
static_assert(sizeof(KeySlot) == 128);

enum class PolicyAction : std::uint8_t { none = 0, protect = 1, bypass = 2, discard = 3 };

inline constexpr std::size_t kMaxPolicySas = 8;

// One policy of the SPD (RFC 4301 4.4.1). It lies in the `requests` region at its policy index.
struct PolicySpec {
  std::uint32_t generation = 0;           // 0: free
  Direction direction = Direction::none;  // XFRM's fwd is `in` here: both are what comes in
  PolicyAction action = PolicyAction::none;
  std::uint8_t sa_count = 0;  // valid entries in sas; an outbound protect policy with none drops
  // 1: inbound packets may also come in clear (template level "use"); outbound ones leave in clear
  // while there is no SA.
  std::uint8_t is_optional = 0;
  std::uint32_t priority = 0;  // lower is tried first, as in XFRM
  std::uint32_t reqid = 0;     // inbound: of the SA that must have carried the packet; 0: any
  Selector selector;
  IpAddress template_src;  // inbound: outer addresses the SA must have; all zero: any
  IpAddress template_dst;
  std::uint32_t order = 0;  // among equal priorities the lower is tried first
  std::array<std::uint32_t, kMaxPolicySas> sas{};  // outbound: SA indices, the newest first
  SelectorRanges ranges;
  // 1: each flow has one of `sas` to itself, by a hash; 0: all packets take the first there is.
  std::uint8_t spreads = 0;
  // Inbound: 1 + SaMode of the SA that must have carried the packet; 0: either.
  std::uint8_t template_mode = 0;
  // 1: it asks for a mark or an interface ID that no packet has here, and matches none.
  std::uint8_t is_dormant = 0;
  std::uint8_t reserved = 0;
  std::uint32_t template_spi = 0;  // inbound: the SPI of that SA, host byte order; 0: any
};
static_assert(sizeof(PolicySpec) == 176 && std::is_trivially_copyable_v<PolicySpec>);

enum class RequestOp : std::uint8_t {
  none = 0,
  sa_add = 1,  // index, generation: takes spec and key of that slot
  // The same SA with new endpoints, encapsulation, flags, selector, limits, or a higher sequence
  // number.
  sa_update = 2,
  sa_delete = 3,   // acknowledged when no worker can still use it: the slot and key are free
  policy_set = 4,  // index, generation: adds the policy or replaces it in one step
  policy_delete = 5,
  policy_default = 6,  // action: what applies where no policy matches
  address_add = 7,     // family, address, prefix_bits, port: an address of ours
  address_delete = 8,
  // family, address/prefix_bits, via (zero: on the link), port; replaces. With `index` above 0 its
  // next hops are that many route_hop requests, which come just before it.
  route_add = 9,
  route_delete = 10,
  neighbor_set = 11,  // family, address, mac, port
  neighbor_delete = 12,
  commit = 13,  // what came before is complete: ports may start to forward
  // What StartConfig says of them, changed: `index` is its mss, `generation` its splits_after_esp.
  esp_options = 14,
  trace = 15,  // generation: of RequestsHead::trace, which is in force from now on; 0: none is
  // family, via (zero: on the link), port, weight: one of the next hops of the route_add to come;
  // `index` is its place among them, and at 0 they begin.
  route_hop = 16,
};

enum class RouteKind : std::uint8_t { unicast = 0, blackhole = 1 };

inline constexpr std::size_t kMaxRouteHops = 32;
inline constexpr std::uint16_t kMaxHopWeight = 256;  // as in Linux

struct Request {
  std::uint64_t sequence = 0;  // counts from 1, the completion carries it
  RequestOp op = RequestOp::none;
  Family family = Family::none;
  std::uint8_t prefix_bits = 0;
  PolicyAction action = PolicyAction::none;
  std::uint16_t port = 0;
  std::array<std::uint8_t, 6> mac{};
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  RouteKind route_kind = RouteKind::unicast;
  std::uint8_t reserved = 0;
  std::uint16_t weight = 0;  // of route_hop: 1 to kMaxHopWeight
  IpAddress address;
  IpAddress via;
};
static_assert(sizeof(Request) == 64 && std::is_trivially_copyable_v<Request>);

// Why the dataplane refused a request. X(name, sentence for people).
#define CULVERT_REFUSALS(X)                                                            \
  X(none, "done")                                                                      \
  X(unknown_op, "the request's operation is not known")                                \
  X(bad_index, "the slot index is beyond the table")                                   \
  X(bad_generation, "the slot's generation is not the request's")                      \
  X(slot_in_use, "the slot holds another SA or policy")                                \
  X(slot_empty, "the slot holds no such SA or policy")                                 \
  X(bad_enum, "a field has a value outside its list")                                  \
  X(bad_family, "the address family is not carried here")                              \
  X(bad_spi, "SPIs 0 to 255 are reserved")                                             \
  X(bad_transform, "the transform is not known")                                       \
  X(bad_key, "the key's length is not the transform's")                                \
  X(bad_window, "the replay window is neither 32 to 32768 nor 0 without ESN")          \
  X(bad_prefix, "the prefix length is beyond the family's")                            \
  X(bad_port, "the port does not exist")                                               \
  X(bad_sa_set, "the policy names an SA that is not an installed outbound one")        \
  X(duplicate_sa, "an SA with this destination and SPI is installed")                  \
  X(no_window_memory, "no memory left for replay windows of this size")                \
  X(no_table_memory, "the table is full")                                              \
  X(bad_selector, "the selector's families or prefixes do not fit together")           \
  X(bad_tfc, "traffic flow padding is at most to 65535 bytes")                         \
  X(bad_range, "a range of the policy's selector ends before it begins")               \
  X(too_many_masks,                                                                    \
    "policies have 4096 different sets of prefix lengths and port masks, no more fit") \
  X(too_many_ranges, "64 policies with ranges overlap in one place, no more fit")      \
  X(too_many_hops, "a route has at most 32 next hops")                                 \
  X(bad_hop_place, "the route's next hops did not come just before it, each in place") \
  X(bad_weight, "the weight of a next hop is 1 to 256")                                \
  X(duplicate_hop, "the route has this next hop already")

enum class Refusal : std::uint8_t {
#define CULVERT_ENUM(name, text) name,
  CULVERT_REFUSALS(CULVERT_ENUM)
#undef CULVERT_ENUM
};

inline constexpr std::array kRefusalText = {
#define CULVERT_TEXT(name, text) text,
    CULVERT_REFUSALS(CULVERT_TEXT)
#undef CULVERT_TEXT
};

struct Completion {
  std::uint64_t sequence = 0;  // of the request; completions come in the requests' order
  Refusal refusal = Refusal::none;
  std::array<std::uint8_t, 7> reserved{};
};
static_assert(sizeof(Completion) == 16);

enum class EventType : std::uint8_t {
  none = 0,
  neighbor_wanted = 1,  // port, address: a packet waits for this next hop
  neighbor_in_use = 2,  // port, address: still used, to be confirmed
  link_change = 3,      // port, value: 1 up, 0 down
  sa_soft_limit = 4,    // sa_index: bytes, packets, or sequence numbers that run out
  sa_hard_limit = 5,    // sa_index: it carries nothing any more
  // sa_index, address and port: an authentic packet came from another end than the one before it
  // (RFC 3948, NAT).
  peer_moved = 6,
  // An auditable drop (RFC 4303 4, RFC 4301 9): value is the DropReason in the low 8 bits and the
  // IPv6 flow label above them, port the number of those before it that the limit kept back;
  // address is the outer source, peer the outer destination.
  audit = 7,
};

struct Event {
  EventType type = EventType::none;
  Family family = Family::none;
  std::uint16_t port = 0;
  std::uint32_t value = 0;
  std::uint64_t time_ns = 0;  // CLOCK_REALTIME
  IpAddress address;
  std::uint32_t sa_index = 0;
  std::uint32_t spi = 0;       // host byte order
  std::uint64_t sequence = 0;  // as far as it is known; without ESN, or before the SA is, 32 bits
  IpAddress peer;
};
static_assert(sizeof(Event) == 64 && std::is_trivially_copyable_v<Event>);

}  // namespace culvert
