// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/net/ethernet.h"
#include "dataplane/net/types.h"
#include "dataplane/shm/counters.h"
#include "dataplane/shm/messages.h"
#include "dataplane/table_memory.h"

namespace culvert {

using AdjacencyIndex = Strong<struct AdjacencyIndexTag, std::uint32_t>;
inline constexpr AdjacencyIndex kNoRoute{0};  // its kind is no_route

enum class AdjacencyKind : std::uint8_t {
  no_route = 0,
  blackhole = 1,
  local = 2,       // an address of ours on `port`
  broadcast = 3,   // the directed broadcast address of a network of `port`
  on_link = 4,     // the destination itself is the next hop on `port`; its MAC is not known
  unresolved = 5,  // next_hop on `port`; its MAC is not known
  resolved = 6,    // next_hop on `port` at `mac`
  group = 7,       // several next hops: HopGroups has one of the kinds above for each flow
};

// Where a packet goes next.
struct Adjacency {
  AdjacencyKind kind = AdjacencyKind::no_route;
  PortId port;
  MacAddress mac;
  Family family = Family::none;  // of unresolved and resolved
  IpAddress next_hop;            // the same
};

// The same as one word, as it is read at once: what each packet needs, without next_hop.
class PackedAdjacency {
 public:
  constexpr explicit PackedAdjacency(std::uint64_t word) : word_(word) {}
  constexpr PackedAdjacency(AdjacencyKind kind, PortId port, MacAddress mac)
      : word_(mac.to_uint64() << 16 | std::uint64_t{port.raw()} << 8 |
              static_cast<std::uint64_t>(kind)) {}

  // Of the kind group: a group of HopGroups.
  [[nodiscard]] static constexpr PackedAdjacency of_group(std::uint32_t group) {
    return PackedAdjacency(std::uint64_t{group} << 16 |
                           static_cast<std::uint64_t>(AdjacencyKind::group));
  }

  [[nodiscard]] constexpr std::uint64_t word() const { return word_; }
  [[nodiscard]] constexpr AdjacencyKind kind() const {
    return static_cast<AdjacencyKind>(word_ & 0xff);
  }
  [[nodiscard]] constexpr PortId port() const {
    return PortId{static_cast<std::uint16_t>(word_ >> 8 & 0xff)};
  }
  [[nodiscard]] constexpr MacAddress mac() const { return MacAddress::from_uint64(word_ >> 16); }
  [[nodiscard]] constexpr std::uint32_t group() const {
    return static_cast<std::uint32_t>(word_ >> 16);
  }

 private:
  std::uint64_t word_;
};

// The adjacencies that routes of both families lead to. Two are always there, three for each port,
// then next hops and groups of them. Any number of readers without locks; one writer.
class AdjacencyTable {
 public:
  // No adjacency has this index: rte_fib's next hops have 15 bits.
  static constexpr std::uint32_t kNever = (1u << 15) - 1;
  static constexpr AdjacencyIndex kBlackhole{1};
  static constexpr std::uint32_t kFirstOfPorts = 2;
  static constexpr std::uint32_t kFirstNextHop = kFirstOfPorts + 3 * kMaxPorts;

  // `max_adjacencies` is above kFirstNextHop and at most kNever.
  explicit AdjacencyTable(std::uint32_t max_adjacencies);
  [[nodiscard]] bool is_reserved() const { return words_.is_reserved() && hops_.is_reserved(); }
  // Writes those that are always there.
  void initialise();

  [[nodiscard]] static constexpr AdjacencyIndex local_of(PortId port) { return of_port(port, 0); }
  [[nodiscard]] static constexpr AdjacencyIndex broadcast_of(PortId port) {
    return of_port(port, 1);
  }
  [[nodiscard]] static constexpr AdjacencyIndex on_link_of(PortId port) { return of_port(port, 2); }

  // Readers.
  [[nodiscard]] PackedAdjacency packed(AdjacencyIndex index) const {
    // Acquire: pairs with the release in store().
    return PackedAdjacency(words_[index.raw()].load(std::memory_order_acquire));
  }
  [[nodiscard]] Adjacency full(AdjacencyIndex index) const {
    const PackedAdjacency read = packed(index);
    const Hop& hop = hops_[index.raw()];
    return {read.kind(), read.port(), read.mac(), hop.family, hop.address};
  }

  // Writer. A next hop whose MAC address is not known, or nothing when there is no room.
  [[nodiscard]] std::optional<AdjacencyIndex> take(Family family, const IpAddress& next_hop,
                                                   PortId port);
  // The same for a group of them.
  [[nodiscard]] std::optional<AdjacencyIndex> take_group(std::uint32_t group);
  void store(AdjacencyIndex index, AdjacencyKind kind, PortId port, MacAddress mac) {
    store(index, PackedAdjacency(kind, port, mac));
  }
  // Writer. Gives a next hop or a group back. Its index serves again after the second recycle():
  // what the housekeeper derived from the routes before the first (the adjacency of an SA) has been
  // brought up to date by then.
  void retire(AdjacencyIndex index) { retired_.push_back(index); }
  [[nodiscard]] bool has_retired() const { return !retired_.empty(); }
  // Writer, after quiescence.
  void recycle();

 private:
  struct Hop {
    IpAddress address;
    Family family;
  };

  [[nodiscard]] std::optional<AdjacencyIndex> take_index();
  void store(AdjacencyIndex index, PackedAdjacency adjacency) {
    words_[index.raw()].store(adjacency.word(), std::memory_order_release);
  }
  [[nodiscard]] static constexpr AdjacencyIndex of_port(PortId port, std::uint32_t which) {
    return AdjacencyIndex{kFirstOfPorts + 3u * port.raw() + which};
  }

  std::uint32_t max_adjacencies_;
  // Kind, port and MAC of an adjacency in one word, so that they change together. Release by the
  // writer, acquire by readers: the hop is written before.
  TableMemory<std::atomic<std::uint64_t>> words_;
  TableMemory<Hop> hops_;
  std::uint32_t next_unused_ = kFirstNextHop;
  std::vector<AdjacencyIndex> free_;
  std::vector<AdjacencyIndex> retired_;
  std::vector<AdjacencyIndex> resting_;
};

}  // namespace culvert
