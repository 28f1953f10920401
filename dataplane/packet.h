// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "dataplane/net/wire.h"

namespace culvert {

enum class Origin : std::uint8_t {
  wire = 0,        // received by a port
  linux_ = 1,      // sent by Linux through a mirror
  originated = 2,  // an ICMP error made here
  // Asked for by the housekeeper in the name of PacketMeta::sa, an outbound SA.
  keepalive = 3,  // NAT keepalive: data at its payload of one byte
  dummy = 4       // data at its IP header
};

// What stages note on a packet. It lies in the second cache line of the mbuf, which freeing touches
// anyway.
struct PacketMeta {
  std::uint64_t time_ns = 0;     // of arrival, CLOCK_REALTIME; in replay the capture's
  std::uint32_t arrival = 0;     // in replay the frame's number; its offspring share it
  std::uint32_t sa = 0;          // index of the SA that opened it, or kNoSa: it came in clear
                                 // (keepalives and dummies: that sends it)
  std::uint32_t adjacency = 0;   // next hop, once forward has looked it up
  std::uint8_t in_port = 0;      // PortId
  std::uint8_t trace = 0;        // the mark that Tracer gave it; 0: it is not traced
  std::uint16_t esp_offset = 0;  // lane `esp`: where the ESP header starts
  std::uint8_t rounds = 0;       // of decapsulation
  Origin origin = Origin::wire;
  std::uint8_t is_udp_encapsulated = 0;  // lane `esp`: there was a UDP header
  // It may leave in clear although no policy says so: an ICMP error about what came in clear.
  std::uint8_t answers_clear = 0;
  std::uint8_t held = 0;      // ring to the housekeeper: waits for a neighbour, is not for Linux
  std::uint8_t out_port = 0;  // ring to and from the housekeeper
  // It came in clear, no inbound policy matched it and the default is to discard: only an outbound
  // policy lets it go on.
  std::uint8_t wants_policy = 0;
  std::uint8_t is_piece = 0;  // of a packet that was split before it is sealed
};
static_assert(sizeof(PacketMeta) == 32);

// One packet in a worker's hands: a handle as cheap as a pointer. Its bytes start at the Ethernet
// header in `rx` and `tx`, and at the IP header in between; what was taken off the front stays
// readable there. Only single-segment mbufs come this far.
class Packet {
 public:
  Packet() = default;
  explicit Packet(rte_mbuf* mbuf) : mbuf_(mbuf) {}

  [[nodiscard]] rte_mbuf* mbuf() const { return mbuf_; }
  [[nodiscard]] std::byte* data() const {
    return static_cast<std::byte*>(mbuf_->buf_addr) + mbuf_->data_off;
  }
  [[nodiscard]] std::uint32_t length() const { return mbuf_->data_len; }
  [[nodiscard]] std::span<std::byte> bytes() const { return {data(), length()}; }

  // nullptr when the packet is too short.
  template <WireFormat T>
  [[nodiscard]] T* header(std::size_t offset) const {
    return mutable_header_at<T>(bytes(), offset);
  }

  [[nodiscard]] PacketMeta& meta() const {
    return *reinterpret_cast<PacketMeta*>(reinterpret_cast<std::byte*>(mbuf_) + kMetaOffset);
  }

  // New first byte; nullptr when the headroom is too small.
  [[nodiscard]] std::byte* push_front(std::uint16_t count) const {
    if (mbuf_->data_off < count) return nullptr;
    mbuf_->data_off = static_cast<std::uint16_t>(mbuf_->data_off - count);
    set_length(length() + count);
    return data();
  }
  // Takes bytes off the front; there must be as many.
  void pull_front(std::uint16_t count) const {
    mbuf_->data_off = static_cast<std::uint16_t>(mbuf_->data_off + count);
    set_length(length() - count);
  }
  // Adds bytes at the end; nullptr when the tailroom is too small.
  [[nodiscard]] std::byte* push_back(std::uint16_t count) const {
    if (rte_pktmbuf_tailroom(mbuf_) < count) return nullptr;
    std::byte* added = data() + length();
    set_length(length() + count);
    return added;
  }
  // Cuts the packet to `count` bytes, which it must have.
  void truncate(std::uint32_t count) const { set_length(count); }
  // Adds bytes at both ends; the caller has seen that there is room.
  void grow(std::uint16_t front, std::uint32_t back) const {
    mbuf_->data_off = static_cast<std::uint16_t>(mbuf_->data_off - front);
    set_length(length() + front + back);
  }
  // Leaves `count` bytes from `offset` on, which the packet must have.
  void crop(std::uint32_t offset, std::uint32_t count) const {
    mbuf_->data_off = static_cast<std::uint16_t>(mbuf_->data_off + offset);
    set_length(count);
  }

  // The second cache line of an mbuf from byte 88 on is DPDK's space for dynamic fields; claimed at
  // start by claim_packet_meta().
  static constexpr std::size_t kMetaOffset = 96;

 private:
  void set_length(std::uint32_t count) const {
    mbuf_->data_len = static_cast<std::uint16_t>(count);
    mbuf_->pkt_len = count;
  }

  rte_mbuf* mbuf_ = nullptr;
};

// Reserves the place of PacketMeta among DPDK's dynamic mbuf fields. Once, after EAL's start.
// False when another library has taken it.
[[nodiscard]] bool claim_packet_meta();

// A packet that may go to a port as it is: sealed, or let through by an explicit bypass. Only
// EspOutbound makes one, so nothing else can put a packet on the wire.
class WirePacket {
 public:
  WirePacket() = default;
  [[nodiscard]] rte_mbuf* mbuf() const { return packet_.mbuf(); }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  friend class EspOutbound;
  WirePacket(Packet packet, std::uint16_t port) : packet_(packet), port_(port) {}

  Packet packet_;
  std::uint16_t port_ = 0;  // PortId
};

}  // namespace culvert
