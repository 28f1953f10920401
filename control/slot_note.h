// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "control/policy.h"
#include "control/sa.h"
#include "dataplane/shm/layout.h"

// What control keeps of SAs, policies and their defaults in the notes of the requests region, which
// outlives it: with the spec beside it, all that is needed to answer as before after a restart.
// Only control writes there; it reads its own words, and passes over what does not bear the mark.

namespace culvert {

enum class SlotState : std::uint8_t {
  free = 0,
  adding = 1,  // not yet acknowledged, or in a transaction: a restarted control drops it
  live = 2,
  larval = 3,    // SAs: known to control alone
  removing = 4,  // sa_delete or policy_delete is under way: a restarted control sends it again
};

inline constexpr std::uint32_t kNoteMark = 0x63760005;  // with the version of what follows

using KeyHash = std::array<std::byte, 16>;

// Which of the optional attributes an SA was given.
inline constexpr std::uint16_t kGivenDirection = 1;
inline constexpr std::uint16_t kGivenReplay = 2;
inline constexpr std::uint16_t kGivenEsnStruct = 4;
inline constexpr std::uint16_t kGivenEncap = 8;
inline constexpr std::uint16_t kGivenCoaddr = 16;
inline constexpr std::uint16_t kGivenTfcpad = 32;
inline constexpr std::uint16_t kGivenSetMark = 64;
inline constexpr std::uint16_t kGivenMtimerThresh = 128;
// Which algorithms there are follows from the spec's transform; only an authentication algorithm
// that does nothing would be lost.
inline constexpr std::uint16_t kGivenAuth = 256;
inline constexpr std::uint16_t kGivenNatKeepalive = 512;

struct SaRecord {
  std::uint32_t mark = 0;             // kNoteMark
  std::uint32_t last_generation = 0;  // of this slot, whatever its state
  SlotState state = SlotState::free;
  std::uint8_t needs_update = 0;  // an sa_update is not yet acknowledged
  SaOrigin origin = SaOrigin::automatic;
  std::uint8_t spi_was_allocated = 0;  // by ALLOCSPI: the value rests after the SA is gone
  std::uint16_t given = 0;
  std::uint8_t flags = 0;
  std::uint8_t info_window = 0;
  std::uint64_t age = 0;  // rises with every SA added, and every slot freed
  std::uint64_t add_time_seconds = 0;
  std::uint64_t larval_until_ns = 0;  // CLOCK_REALTIME
  Lifetimes lifetimes;
  std::uint32_t replay_window = 0;  // as asked, in the long form
  std::uint32_t bitmap_words = 0;
  std::uint32_t seq = 0;
  std::uint32_t oseq = 0;
  std::uint32_t seq_hi = 0;
  std::uint32_t oseq_hi = 0;
  IpAddress encap_original_address;
  IpAddress coaddr;
  std::uint32_t tfcpad = 0;
  std::uint32_t nat_keepalive_seconds = 0;
  Mark set_mark;
  std::uint32_t mtimer_thresh = 0;
  std::int32_t selector_interface = 0;
  std::uint32_t selector_user = 0;
  std::uint32_t extra_flags = 0;
  std::uint32_t acquire_sequence = 0;
  std::uint16_t encap_type = 0;
  XfrmMode mode = XfrmMode::tunnel;
  SaDirection direction = SaDirection::in;
  std::uint8_t was_installed = 0;      // the dataplane acknowledged it
  std::uint8_t soft_limit_raised = 0;  // for it or its pair
  std::array<std::uint8_t, 2> reserved{};
  // Of the SA that was here before: under which key which number was used.
  KeyHash tombstone_key{};
  std::uint64_t tombstone_sequence = 0;
};
static_assert(sizeof(SaRecord) <= sizeof(SaNote) && std::is_trivially_copyable_v<SaRecord>);

struct PolicyRecord {
  std::uint32_t mark = 0;  // kNoteMark
  std::uint32_t last_generation = 0;
  SlotState state = SlotState::free;
  std::uint8_t needs_update = 0;  // a policy_set is not yet acknowledged
  PolicyDirection direction = PolicyDirection::out;
  PolicyVerdict verdict = PolicyVerdict::allow;
  std::uint8_t flags = 0;
  std::uint8_t share = 0;
  std::uint8_t type = kPolicyTypeMain;
  std::uint8_t template_count = 0;
  PolicyOrigin origin = PolicyOrigin::xfrm;
  std::uint8_t spreads = 0;        // as asked for this policy
  std::uint8_t is_from_batch = 0;  // a batch file of the configuration brought it
  std::uint8_t reserved = 0;
  std::uint32_t index = 0;
  std::uint32_t if_id = 0;
  Mark policy_mark;
  std::int32_t selector_interface = 0;
  std::uint32_t selector_user = 0;
  std::uint64_t add_time_seconds = 0;
  Lifetimes lifetimes;
  std::array<Template, kMaxTemplates> templates{};
};
static_assert(sizeof(PolicyRecord) <= sizeof(PolicyNote) &&
              std::is_trivially_copyable_v<PolicyRecord>);

// What SETDEFAULT said last.
struct DefaultsRecord {
  std::uint32_t mark = 0;
  // `[policy] default` at that time: another one in the configuration ends what was said.
  PolicyVerdict configured = PolicyVerdict::block;
  std::array<PolicyVerdict, kPolicyDirections> verdicts{};
};
static_assert(sizeof(DefaultsRecord) <= sizeof(ControlNote) &&
              std::is_trivially_copyable_v<DefaultsRecord>);

template <typename Record, typename Note>
[[nodiscard]] Record read_record(const Note& note) {
  Record record;
  std::memcpy(&record, note.bytes.data(), sizeof record);
  return record.mark == kNoteMark ? record : Record{};
}

template <typename Record, typename Note>
void write_record(Note& note, Record record) {
  record.mark = kNoteMark;
  std::memcpy(note.bytes.data(), &record, sizeof record);
}

// Puts what was given into the record; state, generation and times stay as they are.
void describe(const Sa& sa, SaRecord& record);
// Puts what was given into the spec; transform, direction, window, flags and sequence stay.
void describe(const Sa& sa, SaSpec& spec);
// The SA as it was given.
[[nodiscard]] Sa sa_from(const SaSpec& spec, const SaRecord& record, SaIndex index);

void describe(const Policy& policy, PolicyRecord& record);
// Everything but generation, order and SAs.
void describe(const Policy& policy, PolicySpec& spec);
[[nodiscard]] Policy policy_from(const PolicySpec& spec, const PolicyRecord& record,
                                 std::uint32_t slot);

}  // namespace culvert
