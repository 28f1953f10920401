// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "dataplane/net/ethernet.h"
#include "dataplane/net/types.h"
#include "dataplane/quiescence.h"
#include "dataplane/shm/counters.h"
#include "dataplane/shm/messages.h"
#include "dataplane/table_memory.h"

struct rte_fib;

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
};

// Where a packet goes next.
struct Adjacency {
  AdjacencyKind kind = AdjacencyKind::no_route;
  PortId port;
  MacAddress mac;
  Ipv4Address next_hop;  // of unresolved and resolved
};

// The same as one word, as it is read at once: what each packet needs, without next_hop.
class PackedAdjacency {
 public:
  constexpr explicit PackedAdjacency(std::uint64_t word) : word_(word) {}
  constexpr PackedAdjacency(AdjacencyKind kind, PortId port, MacAddress mac)
      : word_(mac.to_uint64() << 16 | std::uint64_t{port.raw()} << 8 |
              static_cast<std::uint64_t>(kind)) {}

  [[nodiscard]] constexpr std::uint64_t word() const { return word_; }
  [[nodiscard]] constexpr AdjacencyKind kind() const {
    return static_cast<AdjacencyKind>(word_ & 0xff);
  }
  [[nodiscard]] constexpr PortId port() const {
    return PortId{static_cast<std::uint16_t>(word_ >> 8 & 0xff)};
  }
  [[nodiscard]] constexpr MacAddress mac() const { return MacAddress::from_uint64(word_ >> 16); }

 private:
  std::uint64_t word_;
};

struct IpPrefix {
  Ipv4Address address;
  std::uint8_t bits = 0;

  friend constexpr auto operator<=>(const IpPrefix&, const IpPrefix&) = default;
};

struct FibLimits {
  std::uint32_t max_routes = 1u << 16;         // prefixes, with neighbours and own addresses
  std::uint32_t max_long_networks = 1u << 12;  // of 24 bits with longer prefixes in them
  std::uint32_t max_adjacencies = 1u << 14;    // 98 are always there, then next hops; below 2^15
};

// IPv4 forwarding: longest-prefix match over two copies of rte_fib's DIR24-8 (RFC 1812 5.2.4.3),
// left and right. Workers read one; changes go to the idle one. publish() switches, waits until no
// worker reads the old one, and repeats the changes there: rte_fib itself recycles memory under its
// readers. One writer, the housekeeper.
//
// As in Linux, of equal prefixes an own or a broadcast address wins over a route, and a route over
// a connected network. A neighbour gets a /32 where its address is on the link of its port by the
// longest prefix that covers it, and resolves the routes by way of it anywhere.
//
// Limit: when the table is full and a change of routes brings a known neighbour onto the link, it
// stays unresolved until it is set again.
class Fib {
 public:
  // `name` is unique in the process, at most 20 characters. The EAL must be up. nullptr: not enough
  // memory in the EAL's heap. `quiescence` outlives it.
  [[nodiscard]] static std::unique_ptr<Fib> create(const std::string& name, const FibLimits& limits,
                                                   Quiescence& quiescence);
  ~Fib();
  Fib(const Fib&) = delete;
  Fib& operator=(const Fib&) = delete;

  // Writer. Each takes effect with the next publish(), except that a MAC address learned or lost
  // for a next hop already in use does so at once. Refusals, which change nothing: bad_prefix,
  // bad_port (not below kMaxPorts), no_table_memory, and slot_empty for deleting what is not there.
  // Setting what is there already is no change. Bits of a route's address beyond its length are
  // ignored.
  [[nodiscard]] Refusal address_add(PortId port, IpPrefix address);
  [[nodiscard]] Refusal address_delete(PortId port, IpPrefix address);
  // A unicast route: `via` 0.0.0.0 means the destinations are on the link. Replaces.
  [[nodiscard]] Refusal route_add(IpPrefix prefix, Ipv4Address via, PortId port);
  [[nodiscard]] Refusal route_add_blackhole(IpPrefix prefix);
  [[nodiscard]] Refusal route_delete(IpPrefix prefix);
  [[nodiscard]] Refusal neighbor_set(PortId port, Ipv4Address address, MacAddress mac);
  [[nodiscard]] Refusal neighbor_delete(PortId port, Ipv4Address address);

  // Writer. Puts all changes since the last call before the workers, and returns when no worker
  // uses the former state. Does nothing, and does not wait, when there are none.
  void publish();

  // Readers: the adjacency of each destination, valid until the next quiescent state.
  void lookup_burst(std::span<const Ipv4Address> destinations,
                    std::span<AdjacencyIndex> adjacencies) const;
  [[nodiscard]] Adjacency adjacency(AdjacencyIndex index) const {
    const PackedAdjacency read = packed(index);
    return {read.kind(), read.port(), read.mac(), adjacencies_[index.raw()].next_hop};
  }
  [[nodiscard]] PackedAdjacency packed(AdjacencyIndex index) const {
    // Acquire: pairs with the release in store_adjacency().
    return PackedAdjacency(adjacencies_[index.raw()].word.load(std::memory_order_acquire));
  }
  // The same for one destination, where there is no burst.
  [[nodiscard]] AdjacencyIndex lookup(Ipv4Address destination) const {
    AdjacencyIndex index;
    lookup_burst({&destination, 1}, {&index, 1});
    return index;
  }
  [[nodiscard]] bool is_local(Ipv4Address address) const {
    return packed(lookup(address)).kind() == AdjacencyKind::local;
  }
  // Another number after each publish(). What a look-up said is true as long as the number read
  // before it is still the same. Acquire: pairs with the release in publish().
  [[nodiscard]] std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  // Kind, port and MAC of an adjacency in one word, so that they change together.
  struct alignas(16) StoredAdjacency {
    // Release by the writer, acquire by readers: next_hop is written before.
    std::atomic<std::uint64_t> word;
    Ipv4Address next_hop;
  };
  struct Route {
    AdjacencyKind kind = AdjacencyKind::on_link;  // or blackhole, or unresolved: by way of `via`
    PortId port;
    Ipv4Address via;
  };
  // All that was asked for one prefix; the first kind that is there applies.
  struct Sources {
    std::vector<PortId> local;
    std::vector<PortId> broadcast;
    std::optional<Route> route;
    std::vector<PortId> connected;

    [[nodiscard]] bool is_empty() const {
      return local.empty() && broadcast.empty() && !route && connected.empty();
    }
  };
  struct OwnAddress {
    IpPrefix address;
    PortId port;
    friend constexpr auto operator<=>(const OwnAddress&, const OwnAddress&) = default;
  };
  struct NextHopKey {
    Ipv4Address address;
    PortId port;
    friend constexpr auto operator<=>(const NextHopKey&, const NextHopKey&) = default;
  };
  struct NextHop {
    AdjacencyIndex index;
    std::uint32_t users = 0;  // routes by way of it, and its neighbour entry
    bool is_neighbor = false;
  };
  struct Change {
    IpPrefix prefix;
    AdjacencyIndex adjacency;  // kNoRoute: the prefix goes
  };
  using PortList = std::vector<PortId> Sources::*;

  Fib(const FibLimits& limits, Quiescence& quiescence);

  // What applies to a prefix, neighbours aside; kNoRoute: nothing of its own.
  [[nodiscard]] AdjacencyIndex base_of(IpPrefix prefix) const;
  [[nodiscard]] AdjacencyIndex covering_base_of(Ipv4Address address) const;
  [[nodiscard]] AdjacencyIndex desired(IpPrefix prefix) const;
  [[nodiscard]] AdjacencyIndex adjacency_of(const Route& route) const;

  [[nodiscard]] bool apply(const Change& change, std::size_t table);
  [[nodiscard]] bool has_room_for(IpPrefix prefix) const;
  void count_long_network(IpPrefix prefix);
  void uncount_long_network(IpPrefix prefix);
  [[nodiscard]] bool refresh(IpPrefix prefix);
  void refresh_neighbors_in(IpPrefix prefix);
  void add_port(IpPrefix prefix, PortList list, PortId port);
  void remove_port(IpPrefix prefix, PortList list, PortId port);
  [[nodiscard]] Sources& sources_at(IpPrefix prefix);
  void drop_if_empty(IpPrefix prefix);
  [[nodiscard]] Refusal set_route(IpPrefix prefix, const Route& route);

  [[nodiscard]] bool use_next_hop(const NextHopKey& key);
  void release_next_hop(const NextHopKey& key);
  void store_adjacency(AdjacencyIndex index, AdjacencyKind kind, PortId port, MacAddress mac);

  FibLimits limits_;
  Quiescence& quiescence_;
  std::array<rte_fib*, 2> tables_{};
  // Which table workers read. Release in publish(), acquire in lookup_burst().
  std::atomic<std::uint32_t> active_{0};
  std::atomic<std::uint64_t> version_{1};
  TableMemory<StoredAdjacency> adjacencies_;

  // The writer's own.
  std::set<OwnAddress> own_addresses_;
  std::map<IpPrefix, Sources> sources_;
  std::array<std::uint32_t, 33> sources_of_length_{};
  std::map<IpPrefix, AdjacencyIndex> installed_;     // in the idle table
  std::map<IpPrefix, std::uint32_t> long_networks_;  // how many longer prefixes each has
  std::map<NextHopKey, NextHop> next_hops_;
  std::vector<Change> changes_;  // in the idle table, not yet in the active one
  std::uint32_t next_unused_adjacency_;
  std::vector<AdjacencyIndex> free_adjacencies_;
  // An index serves again after the second publish: what the housekeeper derived from the table
  // before the first (the adjacency of an SA) has been brought up to date by then.
  std::vector<AdjacencyIndex> retired_adjacencies_;
  std::vector<AdjacencyIndex> resting_adjacencies_;
};

}  // namespace culvert
