// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/net/ip.h"
#include "dataplane/packet.h"
#include "dataplane/shm/drop.h"
#include "dataplane/shm/messages.h"

namespace culvert {

// What fragments of one datagram have in common (RFC 791 3.2; RFC 8200 4.5, which does not count
// the protocol. Limit: we do, and fragments that name different ones never meet.)
struct DatagramKey {
  IpAddress source;
  IpAddress destination;
  std::uint32_t identification = 0;
  IpProtocol protocol{};
  Family family = Family::none;
  friend constexpr bool operator==(const DatagramKey&, const DatagramKey&) = default;
};

// A fragment that waits. Offsets count payload bytes of the datagram.
struct WaitingFragment {
  Packet packet;
  std::uint16_t begin = 0;
  std::uint16_t end = 0;
  std::uint16_t header_bytes = 0;  // in front of its payload, an IPv6 fragment header included
};

// What becomes of a datagram's fragments.
enum class DatagramFate : std::uint8_t {
  undecided,    // UDP whose first fragment has not come
  reassembled,  // ESP, with or without UDP
  handed_on,    // other UDP
  given_up,     // for `reason`; those still to come are dropped too
};

// Indices of records in a doubly linked list; kNoDatagram ends it.
inline constexpr std::uint16_t kNoDatagram = 0xffff;
struct AgeLinks {
  std::uint16_t older = kNoDatagram;
  std::uint16_t newer = kNoDatagram;
};
struct AgeList {
  std::uint16_t oldest = kNoDatagram;
  std::uint16_t newest = kNoDatagram;
};

struct Datagram {
  DatagramKey key;
  std::uint64_t since_ns = 0;
  std::uint32_t received_bytes = 0;
  std::uint32_t total_bytes = 0;  // 0: the last fragment has not come
  std::uint32_t highest_end = 0;
  DatagramFate fate = DatagramFate::undecided;
  DropReason reason{};
  std::uint8_t ecn_seen = 0;  // bit 1 << Ecn
  std::uint16_t fragment_count = 0;
  std::uint16_t next_in_bucket = kNoDatagram;
  std::uint16_t source = 0;
  AgeLinks by_age;
  AgeLinks of_source;
};

// Datagrams whose fragments wait, in fixed storage: 300 KiB for each worker. Found by their key,
// in order of age, and in order of age among those of one source. A source is an IPv4 address or
// an IPv6 /64, of which one host may use all addresses. All is done in constant time but for hash
// chains, which nobody can make long without knowing the secret.
class FragmentTable {
 public:
  static constexpr std::uint16_t kMaxDatagrams = 256;
  // 64 KiB over a link with an MTU of 1500 is 45.
  static constexpr std::uint16_t kMaxFragments = 64;  // of one datagram

  explicit FragmentTable(std::uint64_t secret);

  // kNoDatagram: there is none.
  [[nodiscard]] std::uint16_t find(const DatagramKey& key) const;
  // A new one; there must be place, and none with this key.
  std::uint16_t add(const DatagramKey& key, std::uint64_t now_ns);
  // Its fragments are no longer the table's.
  void remove(std::uint16_t index);

  [[nodiscard]] bool is_full() const { return free_.empty(); }
  [[nodiscard]] bool is_empty() const { return by_age_.oldest == kNoDatagram; }
  [[nodiscard]] Datagram& operator[](std::uint16_t index) { return datagrams_[index]; }

  [[nodiscard]] std::span<WaitingFragment> fragments(std::uint16_t index) {
    return std::span(fragments_)
        .subspan(std::size_t{index} * kMaxFragments, datagrams_[index].fragment_count);
  }
  // There must be place for it.
  void add_fragment(std::uint16_t index, const WaitingFragment& fragment);
  void forget_fragments(std::uint16_t index);

  // Over all datagrams, and for the source of one.
  [[nodiscard]] std::size_t fragment_count() const { return fragment_count_; }
  [[nodiscard]] std::size_t fragments_of_source(std::uint16_t index) const {
    return sources_[datagrams_[index].source].fragments;
  }
  [[nodiscard]] std::size_t datagrams_of_source(const DatagramKey& key) const;

  // The oldest but `index`; kNoDatagram: there is no other.
  [[nodiscard]] std::uint16_t oldest_but(std::uint16_t index) const;
  [[nodiscard]] std::uint16_t oldest() const { return by_age_.oldest; }
  // The same among those of the source of `index`, and of a key.
  [[nodiscard]] std::uint16_t oldest_of_source_but(std::uint16_t index) const;
  [[nodiscard]] std::uint16_t oldest_of_source(const DatagramKey& key) const;

 private:
  static constexpr std::size_t kBuckets = 2 * kMaxDatagrams;

  struct Source {
    std::uint64_t address = 0;
    Family family = Family::none;
    std::uint16_t datagrams = 0;
    std::uint16_t fragments = 0;
    std::uint16_t next_in_bucket = kNoDatagram;
    AgeList by_age;
  };

  [[nodiscard]] std::size_t bucket_of(const DatagramKey& key) const;
  [[nodiscard]] std::size_t bucket_of(std::uint64_t address, Family family) const;
  [[nodiscard]] std::uint16_t find_source(const DatagramKey& key) const;
  [[nodiscard]] std::uint16_t source_for(const DatagramKey& key);
  void append(AgeList& list, AgeLinks Datagram::*links, std::uint16_t index);
  void unlink(AgeList& list, AgeLinks Datagram::*links, std::uint16_t index);

  std::uint64_t secret_;
  std::vector<Datagram> datagrams_;
  std::vector<WaitingFragment> fragments_;
  std::vector<Source> sources_;
  std::vector<std::uint16_t> free_;          // datagrams
  std::vector<std::uint16_t> free_sources_;  // never runs out before the datagrams do
  std::array<std::uint16_t, kBuckets> datagram_heads_;
  std::array<std::uint16_t, kBuckets> source_heads_;
  AgeList by_age_;
  std::size_t fragment_count_ = 0;
};

}  // namespace culvert
