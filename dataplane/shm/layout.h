// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "dataplane/shm/counters.h"
#include "dataplane/shm/messages.h"
#include "dataplane/shm/trace.h"

// The three shared-memory regions, THE contract between culvert-control and culvertd.
//   requests  control writes: what it wants (SAs, policies, requests), and its ring indices
//   keys      control writes: raw key and salt of each SA
//   state     the dataplane writes: sequence numbers, replay windows, counters, completions, events
// Each is a sealed memfd held by the supervisor; the other side maps it read-only. A region is a
// fixed head (below) and arrays behind it at offsets that follow from RegionSizes alone, which each
// side computes for itself from the validated header. Nothing in here is a pointer.

namespace culvert {

inline constexpr std::uint64_t kRequestsMagic = 0x63756c7665727401;
inline constexpr std::uint64_t kKeysMagic = 0x63756c7665727402;
inline constexpr std::uint64_t kStateMagic = 0x63756c7665727403;
// Raised with every change to a struct of dataplane/shm; attaching to another one is refused.
inline constexpr std::uint32_t kLayoutVersion = 8;

inline constexpr std::uint32_t kLargestMaxSas = 8u << 20;
inline constexpr std::uint32_t kLargestMaxPolicies = 8u << 20;
inline constexpr std::uint64_t kLargestWindowSlots = 1ull << 30;
inline constexpr std::size_t kRingSlots = 4096;

struct RegionSizes {
  std::uint32_t max_sas = 0;
  std::uint32_t max_policies = 0;
  std::uint64_t window_slots = 0;  // 64-bit words for replay windows above 64

  [[nodiscard]] constexpr bool valid() const {
    return max_sas >= 1 && max_sas <= kLargestMaxSas && max_policies >= 1 &&
           max_policies <= kLargestMaxPolicies && window_slots <= kLargestWindowSlots;
  }
  friend constexpr bool operator==(const RegionSizes&, const RegionSizes&) = default;
};

struct RegionHeader {
  std::uint64_t magic = 0;
  std::uint32_t version = 0;
  std::uint32_t head_bytes = 0;  // sizeof the region's head: a second check of the layout
  std::uint64_t region_bytes = 0;
  RegionSizes sizes;
  std::uint64_t instance = 0;  // random; the same in the three regions that belong together
};

enum class PollMode : std::uint8_t { adaptive = 0, busy = 1 };
enum class PortKind : std::uint8_t {
  linux_interface = 0,  // `device` is an interface in the port namespace
  dpdk_device = 1,      // `device` is a DPDK device string
  replay = 2,           // frames come from a capture; there is no mirror
  vlan = 3,             // frames are those of `parent` that carry the tag
};

struct PortConfig {
  std::array<char, 16> name{};     // zero-terminated, also the mirror's name
  std::array<char, 232> device{};  // zero-terminated
  std::array<std::uint8_t, 6> mac{};
  std::uint8_t has_mac = 0;
  PortKind kind = PortKind::linux_interface;
  std::uint16_t mtu = 1500;     // bytes of IP packet
  std::uint16_t rx_queues = 0;  // 0: as many as there are workers and the device has
  std::uint32_t ring_size = 0;  // descriptors; 0: the device's choice
  std::uint16_t vlan = 0;       // 802.1Q VLAN ID, 1 to 4094; 0: a port of its own
  std::uint16_t parent = 0;     // with a VLAN: PortId of one before this that has none
};
static_assert(sizeof(PortConfig) == 268 && std::is_trivially_copyable_v<PortConfig>);

inline constexpr std::uint16_t kMostVlan = 4094;

// StartConfig::mss.
inline constexpr std::uint16_t kMssAuto = 0;            // what fits
inline constexpr std::uint16_t kMssUntouched = 0xffff;  // whatever hosts say

// What culvertd needs to know before it starts. Written once by the supervisor.
struct StartConfig {
  std::uint32_t worker_count = 0;
  std::uint32_t port_count = 0;
  std::array<std::uint16_t, kMaxWorkers> worker_cores{};  // CPU numbers
  PollMode poll = PollMode::adaptive;
  PolicyAction default_policy = PolicyAction::discard;
  std::uint8_t use_huge_pages = 1;    // where the system grants them
  std::uint8_t use_af_xdp = 1;        // for Linux interfaces, before AF_PACKET
  std::uint32_t mbuf_count = 0;       // 0: chosen from ports and queues
  std::uint8_t splits_after_esp = 0;  // IPv4 packets without DF that are too long once sealed
  std::uint16_t fragment_patience_ms = 2000;  // that fragments wait for the rest of a datagram
  std::uint16_t mss = kMssAuto;               // to which TCP's MSS is lowered, in bytes
  std::array<char, 32> instance_name{};
  std::array<PortConfig, kMaxPorts> ports{};
};

// What control remembers of an SA or a policy beyond the spec (every XFRM attribute as given), and
// beside them, so that a restarted control can answer as before. The dataplane never looks at it.
struct SaNote {
  std::array<std::byte, 256> bytes{};
};
struct PolicyNote {
  std::array<std::byte, 640> bytes{};  // six templates fit
};
struct ControlNote {
  std::array<std::byte, 64> bytes{};
};

inline constexpr std::size_t kConfigFileBytes = 1024;

struct RequestsHead {
  RegionHeader header;
  StartConfig start;
  ControlNote note;
  // The configuration file that was loaded last while the gateway ran, zero-terminated: a control
  // process that is started again takes it. Empty: the one it was started with.
  std::array<char, kConfigFileBytes> config_file{};
  TraceFilter trace;  // for RequestOp::trace
  alignas(64) std::atomic<std::uint64_t> requests_produced{0};
  std::atomic<std::uint64_t> completions_consumed{0};
  std::atomic<std::uint64_t> events_consumed{0};
  std::atomic<std::uint64_t> trace_consumed{0};
  alignas(64) std::array<Request, kRingSlots> requests{};
  // behind it: SaSpec[max_sas], PolicySpec[max_policies], SaNote[max_sas], PolicyNote[max_policies]
};

struct alignas(64) KeysHead {
  RegionHeader header;
  // behind it: KeySlot[max_sas]
};

// The replay window that fits beside the top: 64 numbers need 4 slots, 32 * 4 >= 64 + 31.
inline constexpr std::size_t kInlineWindowSlots = 4;

// Bits of SaState::life.
inline constexpr std::uint32_t kSoftLimitReached = 1;
inline constexpr std::uint32_t kHardLimitReached = 2;  // nothing is sealed or opened any more

// How late packets come that are not the newest: bucket 0 counts those 1 to 31 numbers behind the
// newest, bucket i those from 16 * 2^i on, and the last all from 32768 on.
inline constexpr std::size_t kLatenessBuckets = 12;
// The bucket of a packet this far behind; `behind` is above 0.
constexpr std::size_t lateness_bucket(std::uint64_t behind) {
  const auto bits = static_cast<std::size_t>(std::bit_width(behind));
  return bits <= 5 ? 0 : std::min(bits - 5, kLatenessBuckets - 1);
}
static_assert(lateness_bucket(31) == 0 && lateness_bucket(32) == 1 && lateness_bucket(63) == 1);
static_assert(lateness_bucket(32767) == 10 && lateness_bucket(32768) == 11);

// A learned path MTU serves for ten minutes (RFC 1191 6.3), then a larger one is tried. In
// SaState::path_mtu it is kept as MTU << 16 | time, in units of 2^32 ns, which come round after 3
// days; it is forgotten when its SA is used and it is too old.
inline constexpr std::uint64_t kPathMtuPatienceNs = 600'000'000'000;
constexpr std::uint32_t pack_path_mtu(std::uint32_t mtu_bytes, std::uint64_t now_ns) {
  return mtu_bytes << 16 | static_cast<std::uint16_t>(now_ns >> 32);
}
// In bytes; 0: there is none, or it is too old.
constexpr std::uint32_t learned_path_mtu(std::uint32_t packed, std::uint64_t now_ns) {
  const auto age = static_cast<std::uint16_t>((now_ns >> 32) - packed);
  return age <= kPathMtuPatienceNs >> 32 ? packed >> 16 : 0;
}

// What the dataplane knows of an SA and what must outlive it. 320 bytes, 5 cache lines.
struct alignas(64) SaState {
  // The first line is written by every burst.
  // Outbound: the last sequence number reserved. Inbound: T, an upper bound of all accepted.
  std::atomic<std::uint64_t> sequence{0};
  std::array<std::atomic<std::uint64_t>, kInlineWindowSlots> window{};
  std::uint32_t generation = 0;       // of the SA installed here; 0: none
  std::uint32_t window_size = 0;      // W, in sequence numbers
  std::uint32_t window_slots = 0;     // S, a power of two
  std::uint32_t window_offset = 0;    // first slot in the window array, where S is above 4
  std::uint64_t installed_at_ns = 0;  // CLOCK_REALTIME
  // The second line too, by relaxed adds.
  alignas(64) SharedCounter packets;
  SharedCounter bytes;          // of inner packets
  SharedCounter first_used_ns;  // CLOCK_REALTIME; 0: never
  SharedCounter last_used_ns;
  // Inbound UDP encapsulation: address << 16 | port where the last packet came from; 0: none yet.
  std::atomic<std::uint64_t> peer_endpoint{0};
  std::atomic<std::uint32_t> life{0};  // kSoftLimitReached, kHardLimitReached; bits only come
  // Outbound: the path MTU that ICMP told, and when: pack_path_mtu(); 0: none.
  std::atomic<std::uint32_t> path_mtu{0};
  // Outbound: MTU of the port that its packets leave by, in bytes; 0: not known yet.
  std::atomic<std::uint32_t> media_mtu{0};
  // Inbound with ESN: packets in a row whose ICV was wrong (RFC 4303 A3).
  std::atomic<std::uint32_t> refused_in_a_row{0};
  // Two lines of what should not happen; DropReason below kSaDropReasons is the index.
  alignas(64) std::array<SharedCounter, 16> drops;
  // Authentic packets that came behind a newer one, accepted or too old, by lateness_bucket().
  alignas(64) std::array<SharedCounter32, kLatenessBuckets> late;
  SharedCounter32 late_accepted;  // of them, those the window took
  SharedCounter32 dummies;        // sent or received (RFC 4303 2.6)
  SharedCounter32 keepalives;     // sent (RFC 3948 2.3)
};
static_assert(sizeof(SaState) == 320);

// What the dataplane counts per policy.
struct PolicyState {
  SharedCounter packets;
  SharedCounter bytes;
  SharedCounter last_used_ns;
  std::uint32_t generation = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(PolicyState) == 32);

enum class DataplanePhase : std::uint32_t {
  absent = 0,
  starting = 1,
  silent = 2,  // takes requests, ports neither receive nor send until the first commit
  forwarding = 3,
  stopping = 4,
  replay_done = 5,  // all frames of the captures are through
};

// How a port came up, for `show ports`.
struct PortStatus {
  std::array<char, 32> driver{};
  std::array<std::uint8_t, 6> mac{};
  std::uint16_t mtu = 0;
  std::uint16_t rx_queues = 0;
  std::uint16_t tx_queues = 0;
  std::uint8_t link_up = 0;
  std::uint8_t has_mirror = 0;
  std::uint16_t reserved = 0;
  std::uint32_t link_mbps = 0;
};

struct DataplaneStatus {
  std::atomic<std::uint32_t> incarnation{0};  // counts starts of culvertd on these regions
  std::atomic<DataplanePhase> phase{DataplanePhase::absent};
  std::uint32_t pid = 0;
  std::uint32_t worker_count = 0;
  std::uint32_t port_count = 0;
  std::uint32_t uses_huge_pages = 0;
  std::uint64_t started_at_ns = 0;
  std::array<char, 32> version{};
  std::array<char, 32> code_path{};  // of ipsec-mb
  // Increases at least every 100 ms while the housekeeper lives.
  std::atomic<std::uint64_t> heartbeat{0};
  std::array<PortStatus, kMaxPorts> ports{};
};

struct StateHead {
  RegionHeader header;
  DataplaneStatus status;
  alignas(64) std::atomic<std::uint64_t> requests_consumed{0};
  std::atomic<std::uint64_t> completions_produced{0};
  std::atomic<std::uint64_t> events_produced{0};
  std::atomic<std::uint64_t> trace_produced{0};
  std::atomic<std::uint64_t> trace_lost{0};  // records for which there was no room
  alignas(64) std::array<Completion, kRingSlots> completions{};
  alignas(64) std::array<Event, kRingSlots> events{};
  alignas(64) std::array<TraceRecord, kTraceSlots> trace_records{};
  std::array<WorkerCounters, kMaxWorkers + 1> workers{};  // the last row is the housekeeper's
  std::array<std::array<PortCounters, kMaxPorts>, kMaxWorkers + 1> ports{};
  // behind it: SaState[max_sas], PolicyState[max_policies], uint64_t atomics[window_slots]
};

// Offsets of the arrays behind the heads; each begins on a cache line.
constexpr std::uint64_t align_up(std::uint64_t bytes, std::uint64_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}
constexpr std::uint64_t sa_specs_offset() {
  return align_up(sizeof(RequestsHead), 64);
}
constexpr std::uint64_t policy_specs_offset(const RegionSizes& sizes) {
  return sa_specs_offset() + sizes.max_sas * sizeof(SaSpec);
}
constexpr std::uint64_t sa_notes_offset(const RegionSizes& sizes) {
  return policy_specs_offset(sizes) + sizes.max_policies * sizeof(PolicySpec);
}
constexpr std::uint64_t policy_notes_offset(const RegionSizes& sizes) {
  return sa_notes_offset(sizes) + sizes.max_sas * sizeof(SaNote);
}
constexpr std::uint64_t requests_region_bytes(const RegionSizes& sizes) {
  return policy_notes_offset(sizes) + sizes.max_policies * sizeof(PolicyNote);
}
constexpr std::uint64_t key_slots_offset() {
  return align_up(sizeof(KeysHead), 64);
}
constexpr std::uint64_t keys_region_bytes(const RegionSizes& sizes) {
  return key_slots_offset() + sizes.max_sas * sizeof(KeySlot);
}
constexpr std::uint64_t sa_states_offset() {
  return align_up(sizeof(StateHead), 64);
}
constexpr std::uint64_t policy_states_offset(const RegionSizes& sizes) {
  return sa_states_offset() + sizes.max_sas * sizeof(SaState);
}
constexpr std::uint64_t windows_offset(const RegionSizes& sizes) {
  return align_up(policy_states_offset(sizes) + sizes.max_policies * sizeof(PolicyState), 64);
}
constexpr std::uint64_t state_region_bytes(const RegionSizes& sizes) {
  return windows_offset(sizes) + sizes.window_slots * sizeof(std::uint64_t);
}

// S for a replay window of W numbers: the smallest power of two with 32 S >= W + 31.
constexpr std::uint32_t window_slots_for(std::uint32_t window_size) {
  std::uint32_t slots = 1;
  while (32ull * slots < window_size + 31ull) slots *= 2;
  return slots;
}
static_assert(window_slots_for(64) == kInlineWindowSlots);
static_assert(window_slots_for(32768) == 2048);

}  // namespace culvert
