// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace culvert {

// Why a packet went nowhere. Enum, names, help, metrics and per-SA counters all come from these two
// lists; the first holds the reasons that are also counted for the SA.
// Adding one: a line here, a folder tests/packet/<name>/ that provokes exactly it.
#define CULVERT_SA_DROPS(X)                                                               \
  X(esp_in_seq_zero, "ESP sequence number is 0, which no sender may use")                 \
  X(esp_in_replay, "ESP sequence number already seen in the window")                      \
  X(esp_in_too_old, "ESP sequence number left of the window")                             \
  X(esp_in_icv, "ESP integrity check value does not match: forged, damaged or wrong key") \
  X(esp_in_bad_padding, "ESP pad length beyond the payload, or wrong pad bytes")          \
  X(esp_in_next_header, "ESP payload protocol that the SA's mode does not carry")         \
  X(esp_in_inner_header, "decrypted packet has a malformed IP header or length")          \
  X(esp_in_nat_t_mismatch, "UDP encapsulation differs from what the SA says")             \
  X(esp_in_ecn, "outer header says CE, inner packet is not ECN-capable (RFC 6040 4.2)")   \
  X(esp_in_selector_mismatch, "decrypted packet is outside the SA's selector")            \
  X(esp_in_policy, "decrypted packet that no inbound policy lets this SA carry")          \
  X(esp_in_expired, "inbound SA is past its hard limit of bytes or packets")              \
  X(esp_out_expired, "outbound SA is past its hard limit of bytes or packets")            \
  X(esp_out_seq_overflow, "outbound sequence number would cycle: the SA needs a rekey")   \
  X(esp_out_too_big, "sealed packet exceeds the MTU and has DF: fragmentation needed sent")

#define CULVERT_STAGE_DROPS(X)                                                                   \
  X(rx_oversized, "frame longer than the port's MTU allows, or in several segments")             \
  X(classify_runt, "frame shorter than an Ethernet header")                                      \
  X(classify_other_host, "unicast frame for another MAC address")                                \
  X(classify_nesting, "packet for us again after 4 rounds of decapsulation")                     \
  X(ip_in_truncated, "frame ends inside the IP header")                                          \
  X(ip_in_bad_version, "IP version is not what the EtherType says")                              \
  X(ip_in_bad_header_length, "IPv4 header length below 20 bytes")                                \
  X(ip_in_bad_total_length, "IP length below the header's or beyond the frame")                  \
  X(ip_in_bad_checksum, "IPv4 header checksum is wrong")                                         \
  X(ip_in_bad_source, "IPv6 source address is multicast")                                        \
  X(ip_in_bad_extension, "IPv6 extension headers cut off, misplaced, or more than 8")            \
  X(nat_t_runt, "UDP port 4500 datagram too short or with a wrong length")                       \
  X(nat_t_keepalive, "NAT-T keepalive (RFC 3948 2.3), which has done its work")                  \
  X(esp_in_runt, "ESP packet shorter than header, IV and ICV, or not aligned")                   \
  X(esp_in_zero_spi, "ESP packet with SPI 0, which is never on the wire")                        \
  X(esp_in_no_sa, "no inbound SA for destination, protocol and SPI")                             \
  X(spd_in_clear_protected, "clear packet that an inbound policy protects")                      \
  X(spd_in_discard, "clear packet that the inbound policy discards")                             \
  X(spd_out_discard, "packet that the outbound policy discards")                                 \
  X(esp_out_no_sa, "outbound policy protects the packet but has no SA yet")                      \
  X(esp_out_no_room, "packet buffer has no room for the ESP headers or trailer")                 \
  X(esp_out_fragment, "IP fragment for a transport mode SA, which takes whole packets")          \
  X(esp_in_dummy, "dummy packet (RFC 4303 2.6), which has done its work")                        \
  X(forward_no_route, "no route to the destination")                                             \
  X(forward_ttl, "TTL ran out: time exceeded sent")                                              \
  X(forward_broadcast, "broadcast, multicast or loopback address that is not forwarded")         \
  X(forward_too_big, "packet exceeds the MTU and has DF: fragmentation needed sent")             \
  X(forward_no_neighbor, "next hop did not answer within 1 s, or 8 packets already wait")        \
  X(fragment_malformed, "IP fragment of no bytes, not of whole 8 byte blocks, or beyond 65535")  \
  X(fragment_overlap, "IP fragment of a datagram whose fragments contradict (RFC 8200 4.5)")     \
  X(fragment_duplicate, "IP fragment that came twice")                                           \
  X(fragment_too_long, "IP fragment of a datagram longer than a packet buffer")                  \
  X(fragment_limit, "IP fragment given up for newer ones: too many wait, or of its source")      \
  X(fragment_timeout, "IP fragment whose datagram was not complete in time")                     \
  X(fragment_ecn, "IP fragment of a datagram of which some say CE and some Not-ECT")             \
  X(fragment_no_mbuf, "packet to be split, for whose pieces there were no buffers")              \
  X(fragment_too_many, "packet to be split into more than 32 pieces, or than there is room for") \
  X(icmp_in_path_mtu, "ICMP that told an SA's path MTU, which has done its work")                \
  X(icmp_in_bad_checksum, "ICMP about our ESP whose checksum is wrong")                          \
  X(icmp_in_mtu_too_low, "ICMP about our ESP that tells an MTU below 576, or 1280 for IPv6")     \
  X(icmp_in_mtu_not_lower, "ICMP about our ESP that tells an MTU above the one in use")          \
  X(icmp_in_no_sa, "ICMP about ESP from us that belongs to no outbound SA")                      \
  X(punt_ring_full, "packet for Linux came faster than Linux takes them")                        \
  X(punt_no_mirror, "packet for Linux on a port whose mirror did not take it")                   \
  X(tx_ring_full, "transmit queue of the port took no more packets")                             \
  X(replay_end, "packet still held for a neighbour or its fragments when the capture ended")

enum class DropReason : std::uint8_t {
#define CULVERT_ENUM(name, help) name,
  CULVERT_SA_DROPS(CULVERT_ENUM) CULVERT_STAGE_DROPS(CULVERT_ENUM)
#undef CULVERT_ENUM
};

struct DropInfo {
  std::string_view name;
  std::string_view help;
};

inline constexpr std::array kDropInfo = {
#define CULVERT_INFO(name, help) DropInfo{#name, help},
    CULVERT_SA_DROPS(CULVERT_INFO) CULVERT_STAGE_DROPS(CULVERT_INFO)
#undef CULVERT_INFO
};
inline constexpr std::size_t kDropReasons = kDropInfo.size();

#define CULVERT_COUNT(name, help) +1
// Reasons below this one have a counter in every SA's record.
inline constexpr std::size_t kSaDropReasons = 0 CULVERT_SA_DROPS(CULVERT_COUNT);
#undef CULVERT_COUNT
static_assert(kSaDropReasons <= 16, "an SA's record has two cache lines for them");

constexpr std::size_t index_of(DropReason reason) {
  return static_cast<std::size_t>(reason);
}

}  // namespace culvert
