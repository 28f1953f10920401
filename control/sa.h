// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "dataplane/net/types.h"
#include "dataplane/shm/drop.h"
#include "dataplane/shm/layout.h"
#include "dataplane/shm/messages.h"

// An SA as XFRM gives it and wants it back: every attribute as it was asked for. Numbers are in
// host byte order unless their type says otherwise.

namespace culvert {

inline constexpr std::uint8_t kProtocolEsp = 50;

// XFRM_MODE_*; a value outside the list may come in and is refused.
enum class XfrmMode : std::uint8_t {
  transport = 0,
  tunnel = 1,
  route_optimization = 2,
  in_trigger = 3,
  beet = 4,
};

// XFRMA_SA_DIR.
enum class SaDirection : std::uint8_t { in = 1, out = 2 };

// XFRMA_MARK, and XFRMA_SET_MARK with its mask.
struct Mark {
  std::uint32_t value = 0;
  std::uint32_t mask = 0;
  friend constexpr bool operator==(const Mark&, const Mark&) = default;
};

// What tells SAs apart (RFC 4301 4.4.2.1, and XFRM's mark).
struct SaId {
  Family family = Family::none;
  IpAddress dst;
  Spi spi;
  std::uint8_t protocol = kProtocolEsp;
  Mark mark;
  friend constexpr bool operator==(const SaId&, const SaId&) = default;
};

enum class AlgorithmKind : std::uint8_t { aead = 1, crypt = 2, auth = 3, auth_trunc = 4, comp = 5 };

// One algorithm attribute without its key. The name is the kernel's canonical one after the SA was
// taken; aliases are accepted.
struct Algorithm {
  AlgorithmKind kind = AlgorithmKind::aead;
  std::string name;
  std::uint32_t key_bits = 0;  // the salt included
  std::uint32_t icv_bits = 0;  // aead and auth_trunc
  friend bool operator==(const Algorithm&, const Algorithm&) = default;
};

// XFRMA_ENCAP.
struct Encap {
  static constexpr std::uint16_t kEspInUdp = 2;  // UDP_ENCAP_ESPINUDP: RFC 3948

  std::uint16_t type = 0;
  Be16 src_port;
  Be16 dst_port;
  IpAddress original_address;
  friend constexpr bool operator==(const Encap&, const Encap&) = default;
};

// XFRMA_REPLAY_ESN_VAL, or XFRMA_REPLAY_VAL as far as it goes. A bitmap that comes with it is not
// kept: numbers left of a window that is taken over all count as seen.
struct ReplayAsked {
  bool is_esn_struct = false;  // came as XFRMA_REPLAY_ESN_VAL: also the form of the answer
  std::uint32_t window = 0;    // of the ESN struct; the info's byte is Sa::info_window
  std::uint32_t bitmap_words = 0;
  std::uint32_t seq = 0;
  std::uint32_t oseq = 0;
  std::uint32_t seq_hi = 0;
  std::uint32_t oseq_hi = 0;
  friend constexpr bool operator==(const ReplayAsked&, const ReplayAsked&) = default;
};

// xfrm_lifetime_cfg: limits; all ones (kNoLimit) for none. Seconds where the name says expires.
struct Lifetimes {
  static constexpr std::uint64_t kNoLimit = ~0ull;

  std::uint64_t soft_bytes = kNoLimit;
  std::uint64_t hard_bytes = kNoLimit;
  std::uint64_t soft_packets = kNoLimit;
  std::uint64_t hard_packets = kNoLimit;
  std::uint64_t soft_add_expires_seconds = 0;
  std::uint64_t hard_add_expires_seconds = 0;
  std::uint64_t soft_use_expires_seconds = 0;
  std::uint64_t hard_use_expires_seconds = 0;
  friend constexpr bool operator==(const Lifetimes&, const Lifetimes&) = default;
};

// Bits of Sa::flags, as XFRM_STATE_*.
inline constexpr std::uint8_t kStateNoEcn = 1;
inline constexpr std::uint8_t kStateDecapDscp = 2;
inline constexpr std::uint8_t kStateNoPathMtu = 4;
inline constexpr std::uint8_t kStateWildRecv = 8;
inline constexpr std::uint8_t kStateIcmp = 16;
inline constexpr std::uint8_t kStateAfUnspec = 32;
inline constexpr std::uint8_t kStateAlign4 = 64;
inline constexpr std::uint8_t kStateEsn = 128;
// Bits of Sa::extra_flags, as XFRM_SA_XFLAG_*.
inline constexpr std::uint32_t kExtraDontEncapDscp = 1;
inline constexpr std::uint32_t kExtraOseqMayWrap = 2;

// XFRM_MSG_EXPIRE's `hard`: the SA wants a successor, or is gone.
enum class SaExpiry : std::uint8_t { soft = 0, hard = 1 };

// The outer address and UDP port of a peer behind a NAT.
struct PeerEndpoint {
  IpAddress address;
  Be16 port;
};

// Where an SA came from. A reload of the configuration takes away only what an earlier one brought.
// A counter-mode key that did not come from key exchange could be used twice: it starts from a
// floor on disk (RFC 4106 2 wants automatic keying).
enum class SaOrigin : std::uint8_t {
  automatic = 0,  // from a key manager, which makes a fresh key for each SA
  manual = 1,     // from the configuration, or a batch file that it names
  by_hand = 2,    // by XFRM, from a person or a script
};

// The dataplane has a type of this name too; the inner namespace keeps them apart in a program that
// links both, as tests do.
inline namespace control_plane {

// The key itself is not in here. It lies in the KeySlot of the keys region at the SA's index (that
// region is sealed, locked and kept out of core files) and nowhere else in control; on its way
// there it travels in a Key (crypto/key.h), which zeroes itself.
struct Sa {
  SaId id;
  IpAddress src;
  XfrmMode mode = XfrmMode::tunnel;
  std::uint32_t reqid = 0;
  std::uint32_t if_id = 0;
  std::optional<SaDirection> direction;  // only if it was given; see SaManager::direction_of
  Selector selector;
  std::int32_t selector_interface = 0;  // ifindex, as given; nothing is matched by it
  std::uint32_t selector_user = 0;      // the same
  std::uint8_t flags = 0;
  std::uint32_t extra_flags = 0;
  std::uint8_t info_window = 0;  // xfrm_usersa_info.replay_window
  std::optional<ReplayAsked> replay;
  std::optional<Encap> encap;
  std::optional<IpAddress> coaddr;
  std::optional<std::uint32_t> tfcpad;
  std::optional<std::uint32_t> nat_keepalive_seconds;
  std::optional<Mark> set_mark;
  std::optional<std::uint32_t> mtimer_thresh;
  Lifetimes lifetimes;
  std::uint32_t acquire_sequence = 0;  // xfrm_usersa_info.seq
  std::optional<Algorithm> aead;
  std::optional<Algorithm> crypt;
  std::optional<Algorithm> auth;
  SaOrigin origin = SaOrigin::automatic;

  // Filled in by the SA manager; ignored in what is given to it.
  std::uint64_t add_time_seconds = 0;  // CLOCK_REALTIME
  bool is_larval = false;              // has an SPI, not yet a key (XFRM_STATE_ACQ)
  SaIndex index = kNoSa;
  std::uint32_t generation = 0;

  friend bool operator==(const Sa&, const Sa&) = default;
};

// XFRM_MSG_ALLOCSPI: what the larval SA is to be, and the range its SPI must come from.
struct SpiRequest {
  Sa larval;  // id.spi is ignored
  std::uint32_t min = 0;
  std::uint32_t max = 0;
};

}  // namespace control_plane

// What the dataplane has counted for an SA.
struct SaFigures {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;          // of inner packets
  std::uint64_t first_used_ns = 0;  // CLOCK_REALTIME; 0: never
  std::uint64_t last_used_ns = 0;
  std::uint64_t sequence = 0;  // outbound: last number used; inbound: T, the top of the window
  std::uint32_t window = 0;    // effective, in sequence numbers
  std::array<std::uint64_t, kSaDropReasons> drops{};  // by DropReason
  // Inbound: packets that came behind a newer one, by lateness_bucket(), and those of them taken.
  std::array<std::uint64_t, kLatenessBuckets> late{};
  std::uint64_t late_accepted = 0;
  std::uint32_t path_mtu = 0;    // outbound: told by ICMP lately, in bytes; 0: nothing was
  std::uint32_t media_mtu = 0;   // outbound: of the port its packets leave by; 0: not known
  std::uint32_t dummies = 0;     // sent or received
  std::uint32_t keepalives = 0;  // sent
};

}  // namespace culvert
