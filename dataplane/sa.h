// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "crypto/esp_transform.h"
#include "dataplane/net/esp.h"
#include "dataplane/net/ip.h"
#include "dataplane/net/types.h"
#include "dataplane/net/udp.h"
#include "dataplane/shm/esp_overhead.h"
#include "dataplane/shm/layout.h"

namespace culvert {

// One SA as workers use it: immutable once published, but for `adjacency`. A change makes a new one
// over the same SaState and key, and the old is freed after every worker was quiescent.
struct alignas(64) Sa {
  // What each packet needs.
  SaState* state = nullptr;
  const ExpandedKey* key = nullptr;
  std::atomic<std::uint64_t>* window = nullptr;  // inbound: the slots, wherever they lie
  std::uint32_t index = 0;
  Spi spi;
  std::uint32_t flags = 0;          // kSaEsn ...
  std::uint32_t replay_window = 0;  // inbound
  TransformId transform = TransformId::none;
  Direction direction = Direction::none;
  std::uint8_t iv_bytes = 0;
  std::uint8_t icv_bytes = 0;
  std::uint8_t pad_alignment = 1;  // a power of two
  std::uint8_t has_selector = 0;   // `selector` is not "any"
  // Outbound: what is put in front; tunnel mode: outer IP, UDP, ESP header and IV; transport mode:
  // the same but for IP.
  std::uint16_t outer_bytes = 0;
  std::uint32_t reqid = 0;
  // Outbound: index of the next hop of the outer destination, kept right by the housekeeper.
  // Relaxed: any recent value is as good as another.
  std::atomic<std::uint32_t> adjacency{0};
  SaMode mode = SaMode::tunnel;
  std::uint8_t has_limits = 0;   // of bytes or packets
  std::uint16_t tfc_bytes = 0;   // outbound, tunnel mode: see SaSpec
  Family family = Family::none;  // of the outer addresses

  // Outbound: what is put in front; lengths, DSCP, ECN, DF and identification are filled in for
  // each packet and added to the checksum, which is right without them. Inbound: only the addresses
  // are used.
  alignas(64) Ipv4Header outer;
  UdpHeader udp;
  Selector selector;
  // The same of IPv6, where there is no header checksum: payload length, traffic class and flow
  // label are filled in. The other header's addresses are 0.
  Ipv6Header outer_ipv6;
  // For later stages, which find the SA by PacketMeta::sa: XFRM's interface ID, and the mark that
  // what it opened is to have.
  std::uint32_t if_id = 0;
  std::uint32_t mark_value = 0;
  std::uint32_t mark_mask = 0;

  // Looked at where has_limits says so.
  alignas(64) std::uint64_t soft_bytes = kNoLimit;
  std::uint64_t hard_bytes = kNoLimit;
  std::uint64_t soft_packets = kNoLimit;
  std::uint64_t hard_packets = kNoLimit;
  // What it sends by itself: see SaSpec.
  std::uint16_t keepalive_seconds = 0;
  std::uint16_t dummies_per_second = 0;

  [[nodiscard]] bool has_esn() const { return (flags & kSaEsn) != 0; }
  [[nodiscard]] bool is_udp_encapsulated() const { return (flags & kSaUdpEncap) != 0; }
  // RFC 8200 8.1; over IPv4 it is 0 (RFC 3948 2.1).
  [[nodiscard]] bool has_udp_checksum() const {
    return family == Family::v6 && is_udp_encapsulated();
  }
  [[nodiscard]] bool is_transport() const { return mode == SaMode::transport; }
  [[nodiscard]] IpAddress outer_source() const {
    return family == Family::v6 ? IpAddress{outer_ipv6.source} : IpAddress::v4(outer.source);
  }
  [[nodiscard]] IpAddress outer_destination() const {
    return family == Family::v6 ? IpAddress{outer_ipv6.destination}
                                : IpAddress::v4(outer.destination);
  }
};
static_assert(offsetof(Sa, outer) == 64 && offsetof(Sa, soft_bytes) == 192);

// The lines of an SA that each packet needs besides its first, those of its state and the one of
// its key where the salt lies.
inline void prefetch(const Sa& sa) {
  const auto* line = reinterpret_cast<const std::byte*>(&sa);
  for (std::size_t at = 64; at < offsetof(Sa, soft_bytes); at += 64) __builtin_prefetch(line + at);
  __builtin_prefetch(&sa.key->salt);
  __builtin_prefetch(&sa.state->packets, 1);
}

inline std::uint32_t largest_inner(const Sa& sa, std::uint32_t mtu,
                                   std::uint32_t header_bytes = 0) {
  return largest_inner({sa.outer_bytes, sa.icv_bytes, sa.pad_alignment}, mtu, header_bytes);
}

// What the ICV covers besides the payload: SPI and sequence number, all 64 bits of it with ESN
// (RFC 4106 5).
inline void set_aad(CryptoJob& job, const Sa& sa, SeqNum sequence) {
  std::byte* aad = job.aad.data();
  const auto put = [&aad](Be32 word) {
    std::memcpy(aad, &word, sizeof word);
    aad += sizeof word;
  };
  put(wire_spi(sa.spi));
  if (sa.has_esn()) put(wire_sequence_high(sequence));
  put(wire_sequence(sequence));
  job.aad_bytes = static_cast<std::uint32_t>(aad - job.aad.data());
}

}  // namespace culvert
