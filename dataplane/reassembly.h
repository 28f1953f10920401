// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/drop_sink.h"
#include "dataplane/fragment_table.h"
#include "dataplane/lanes.h"
#include "dataplane/net/ip.h"
#include "dataplane/packet.h"

namespace culvert {

struct Ipv6Chain;

// Puts ESP that comes in IP fragments together before it is opened (RFC 4303 3.4.1), and the UDP
// that may carry it. A UDP datagram's first fragment shows what it is: what is not ESP is handed on
// in its fragments, in the order of their arrival, for Linux reassembles it. One per worker.
//
// Nobody has to authenticate to send fragments, so memory is bounded and shared out:
// - When too many datagrams or buffers wait, the oldest datagram goes. The fragments of a datagram
//   come microseconds after one another, so that it is complete before a flood has pushed it out;
//   were newcomers refused, a flood would keep everybody out until its fragments time out.
// - One source has at most a quarter of datagrams and buffers. Beyond, its own oldest goes.
//
// Overlapping fragments give the datagram up, with what is still to come (RFC 8200 4.5, RFC 5722
// 4); IPv4 the same, where overlaps are no less an attack. A fragment that comes twice, all bytes
// alike, is dropped alone.
//
// Limit: fragments of a datagram that reach different workers do not meet. Network cards spread
// fragments by their addresses alone.
class Reassembly {
 public:
  static constexpr std::size_t kMinBuffers = 16;

  struct Limits {
    std::size_t buffers = 1024;  // that wait at once, at least kMinBuffers
    std::uint64_t patience_ns = 2'000'000'000;
  };

  Reassembly(const Limits& limits, std::uint64_t secret, DropSink& drops);
  ~Reassembly();
  Reassembly(const Reassembly&) = delete;
  Reassembly& operator=(const Reassembly&) = delete;

  // Whether a fragment of such a payload may be ESP.
  [[nodiscard]] static bool takes(IpProtocol protocol) {
    return protocol == IpProtocol::esp || protocol == IpProtocol::udp;
  }
  // The same for an IPv6 packet that has a fragment header.
  [[nodiscard]] static bool takes_ipv6(Packet packet, const Ipv6Chain& chain);

  // Takes a fragment for one of our addresses, its header checked, data at that header and nothing
  // behind its payload. Returns the datagram if it is complete now: no fragment any more, in the
  // buffer of its first. Time is the fragments' own.
  [[nodiscard]] std::optional<Packet> add_ipv4(Packet fragment);
  // `chain` is what walk_ipv6() found. A datagram in one fragment (RFC 6946) comes back at once.
  [[nodiscard]] std::optional<Packet> add_ipv6(Packet fragment, const Ipv6Chain& chain);

  // Moves fragments that are handed on to the lanes inner and inner6, at most so many; what is left
  // waits for the next round.
  void hand_on(Lanes& lanes, std::size_t most);

  // Drops what has waited too long.
  void expire(std::uint64_t now_ns);
  // Drops everything.
  void clear(DropReason reason);

  // Nothing waits: there is no time to look after.
  [[nodiscard]] bool is_empty() const { return table_.is_empty() && handed_on_count_ == 0; }
  // Fragments that wait, in buffers.
  [[nodiscard]] std::size_t held() const { return table_.fragment_count() + handed_on_count_; }

 private:
  // A fragment as it came.
  struct Arrival {
    Packet packet;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    std::uint16_t header_bytes = 0;
    Ecn ecn{};
    bool is_last = false;
  };

  [[nodiscard]] std::optional<Packet> add(const DatagramKey& key, Arrival arrival);
  [[nodiscard]] static bool is_well_formed(const Arrival& arrival);
  [[nodiscard]] std::uint16_t datagram_for(const DatagramKey& key, std::uint64_t now_ns);
  [[nodiscard]] std::optional<DropReason> objection(std::uint16_t index, const Arrival& arrival);
  [[nodiscard]] bool make_room(std::uint16_t index);
  static void note(Datagram& datagram, const Arrival& arrival);
  void decide(std::uint16_t index, const Arrival& arrival);
  void pass(std::uint16_t index, const Arrival& arrival);
  [[nodiscard]] std::optional<Packet> assemble(std::uint16_t index, const PacketMeta& last);
  void give_up(std::uint16_t index, DropReason reason);
  void drop_fragments(std::uint16_t index, DropReason reason);
  void remove(std::uint16_t index, DropReason reason);

  Limits limits_;
  DropSink* drops_;
  FragmentTable table_;
  // Fragments on their way to Linux, a ring.
  std::vector<Packet> handed_on_;
  std::size_t handed_on_first_ = 0;
  std::size_t handed_on_count_ = 0;
};

}  // namespace culvert
