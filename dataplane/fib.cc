// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/fib.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include <rte_fib.h>
#include <rte_lcore.h>

namespace culvert {
namespace {

constexpr std::size_t kChunk = 64;  // destinations looked up side by side
constexpr std::uint8_t kHostBits = 32;

// Adjacencies that are always there: two, then three for each port, then next hops.
constexpr AdjacencyIndex kBlackhole{1};
constexpr std::uint32_t kFirstOfPorts = 2;
constexpr std::uint32_t kFirstNextHop = kFirstOfPorts + 3 * kMaxPorts;

constexpr AdjacencyIndex of_port(PortId port, std::uint32_t which) {
  return AdjacencyIndex{kFirstOfPorts + 3u * port.raw() + which};
}
constexpr AdjacencyIndex local_of(PortId port) {
  return of_port(port, 0);
}
constexpr AdjacencyIndex broadcast_of(PortId port) {
  return of_port(port, 1);
}
constexpr AdjacencyIndex on_link_of(PortId port) {
  return of_port(port, 2);
}

// Next hops of two bytes, of which rte_fib takes one bit: half the memory, and of the cache, that
// four bytes would take.
constexpr rte_fib_dir24_8_nh_sz kNextHopBytes = RTE_FIB_DIR24_8_2B;
constexpr std::uint32_t kMostGroups = (1u << 15) - 1;
// No adjacency has this index; see apply().
constexpr std::uint32_t kPlaceholder = (1u << 15) - 1;
constexpr std::uint8_t kFirstTableBits = 24;  // longer prefixes take a group of 256 entries

constexpr std::uint32_t mask_of(std::uint8_t bits) {
  return bits == 0 ? 0 : ~std::uint32_t{0} << (kHostBits - bits);
}
constexpr IpPrefix network_of(IpPrefix prefix) {
  return {Ipv4Address{prefix.address.raw() & mask_of(prefix.bits)}, prefix.bits};
}
constexpr IpPrefix host_of(Ipv4Address address) {
  return {address, kHostBits};
}
constexpr IpPrefix broadcast_address_of(IpPrefix prefix) {
  return host_of(Ipv4Address{prefix.address.raw() | ~mask_of(prefix.bits)});
}
// /31 and /32 have none (RFC 3021 2.2).
constexpr bool has_broadcast(IpPrefix prefix) {
  return prefix.bits < 31;
}

Refusal validate(IpPrefix prefix, PortId port) {
  if (prefix.bits > kHostBits) return Refusal::bad_prefix;
  return port.raw() < kMaxPorts ? Refusal::none : Refusal::bad_port;
}

rte_fib* create_table(const std::string& name, const FibLimits& limits) {
  rte_fib_conf conf{};
  conf.type = RTE_FIB_DIR24_8;
  conf.default_nh = kNoRoute.raw();
  conf.max_routes = static_cast<int>(limits.max_routes);
  conf.dir24_8.nh_sz = kNextHopBytes;
  // Twice what is asked for: rte_fib may give back a group later than its last long prefix.
  conf.dir24_8.num_tbl8 = std::min(2 * limits.max_long_networks, kMostGroups);
  return rte_fib_create(name.c_str(), static_cast<int>(rte_socket_id()), &conf);
}

}  // namespace

Fib::Fib(const FibLimits& limits, Quiescence& quiescence)
    : limits_(limits),
      quiescence_(quiescence),
      adjacencies_(limits.max_adjacencies),
      next_unused_adjacency_(kFirstNextHop) {}

std::unique_ptr<Fib> Fib::create(const std::string& name, const FibLimits& limits,
                                 Quiescence& quiescence) {
  assert(limits.max_adjacencies > kFirstNextHop && limits.max_adjacencies <= kPlaceholder);
  std::unique_ptr<Fib> fib(new Fib(limits, quiescence));
  if (!fib->adjacencies_.is_reserved()) return nullptr;
  fib->store_adjacency(kBlackhole, AdjacencyKind::blackhole, PortId{}, {});
  for (std::uint16_t i = 0; i < kMaxPorts; ++i) {
    const PortId port{i};
    fib->store_adjacency(local_of(port), AdjacencyKind::local, port, {});
    fib->store_adjacency(broadcast_of(port), AdjacencyKind::broadcast, port, {});
    fib->store_adjacency(on_link_of(port), AdjacencyKind::on_link, port, {});
  }
  fib->tables_[0] = create_table(name + "_left", limits);
  fib->tables_[1] = create_table(name + "_right", limits);
  if (fib->tables_[0] == nullptr || fib->tables_[1] == nullptr) return nullptr;
  return fib;
}

Fib::~Fib() {
  for (rte_fib* const table : tables_) rte_fib_free(table);
}

Refusal Fib::address_add(PortId port, IpPrefix address) {
  if (const Refusal refusal = validate(address, port); refusal != Refusal::none) return refusal;
  if (!own_addresses_.insert({address, port}).second) return Refusal::none;
  add_port(host_of(address.address), &Sources::local, port);
  bool fits = refresh(host_of(address.address));
  if (address.bits < kHostBits) {
    add_port(network_of(address), &Sources::connected, port);
    fits = refresh(network_of(address)) && fits;
  }
  if (has_broadcast(address)) {
    add_port(broadcast_address_of(address), &Sources::broadcast, port);
    fits = refresh(broadcast_address_of(address)) && fits;
  }
  if (!fits) {
    (void)address_delete(port, address);
    return Refusal::no_table_memory;
  }
  refresh_neighbors_in(network_of(address));
  return Refusal::none;
}

Refusal Fib::address_delete(PortId port, IpPrefix address) {
  if (const Refusal refusal = validate(address, port); refusal != Refusal::none) return refusal;
  if (own_addresses_.erase({address, port}) == 0) return Refusal::slot_empty;
  remove_port(host_of(address.address), &Sources::local, port);
  if (address.bits < kHostBits) remove_port(network_of(address), &Sources::connected, port);
  if (has_broadcast(address)) {
    remove_port(broadcast_address_of(address), &Sources::broadcast, port);
  }
  refresh_neighbors_in(network_of(address));
  return Refusal::none;
}

Refusal Fib::route_add(IpPrefix prefix, Ipv4Address via, PortId port) {
  if (const Refusal refusal = validate(prefix, port); refusal != Refusal::none) return refusal;
  const bool has_gateway = via != Ipv4Address{};
  return set_route(network_of(prefix),
                   {has_gateway ? AdjacencyKind::unresolved : AdjacencyKind::on_link, port, via});
}

Refusal Fib::route_add_blackhole(IpPrefix prefix) {
  if (prefix.bits > kHostBits) return Refusal::bad_prefix;
  return set_route(network_of(prefix), {AdjacencyKind::blackhole, PortId{}, Ipv4Address{}});
}

Refusal Fib::set_route(IpPrefix prefix, const Route& route) {
  const NextHopKey next_hop{route.via, route.port};
  const bool has_gateway = route.kind == AdjacencyKind::unresolved;
  if (has_gateway && !use_next_hop(next_hop)) return Refusal::no_table_memory;
  const std::optional<Route> old = std::exchange(sources_at(prefix).route, route);
  if (!refresh(prefix)) {  // it is a new prefix, or there would have been room
    sources_at(prefix).route = old;
    drop_if_empty(prefix);
    if (has_gateway) release_next_hop(next_hop);
    return Refusal::no_table_memory;
  }
  if (old && old->kind == AdjacencyKind::unresolved) release_next_hop({old->via, old->port});
  refresh_neighbors_in(prefix);
  return Refusal::none;
}

Refusal Fib::route_delete(IpPrefix prefix) {
  if (prefix.bits > kHostBits) return Refusal::bad_prefix;
  const IpPrefix network = network_of(prefix);
  const auto found = sources_.find(network);
  if (found == sources_.end() || !found->second.route) return Refusal::slot_empty;
  const Route old = *std::exchange(found->second.route, std::nullopt);
  drop_if_empty(network);
  (void)refresh(network);
  if (old.kind == AdjacencyKind::unresolved) release_next_hop({old.via, old.port});
  refresh_neighbors_in(network);
  return Refusal::none;
}

Refusal Fib::neighbor_set(PortId port, Ipv4Address address, MacAddress mac) {
  if (port.raw() >= kMaxPorts) return Refusal::bad_port;
  const NextHopKey key{address, port};
  const auto known = next_hops_.find(key);
  if (known == next_hops_.end() || !known->second.is_neighbor) {
    if (!use_next_hop(key)) return Refusal::no_table_memory;
    next_hops_.at(key).is_neighbor = true;
  }
  store_adjacency(next_hops_.at(key).index, AdjacencyKind::resolved, port, mac);
  if (!refresh(host_of(address))) {
    (void)neighbor_delete(port, address);
    return Refusal::no_table_memory;
  }
  return Refusal::none;
}

Refusal Fib::neighbor_delete(PortId port, Ipv4Address address) {
  if (port.raw() >= kMaxPorts) return Refusal::bad_port;
  const NextHopKey key{address, port};
  const auto known = next_hops_.find(key);
  if (known == next_hops_.end() || !known->second.is_neighbor) return Refusal::slot_empty;
  known->second.is_neighbor = false;
  store_adjacency(known->second.index, AdjacencyKind::unresolved, port, {});
  (void)refresh(host_of(address));
  release_next_hop(key);
  return Refusal::none;
}

void Fib::publish() {
  if (changes_.empty() && retired_adjacencies_.empty()) return;
  const std::uint32_t former = active_.load(std::memory_order_relaxed);
  if (!changes_.empty()) active_.store(1 - former, std::memory_order_release);
  version_.fetch_add(1, std::memory_order_release);
  quiescence_.wait();
  for (const Change& change : changes_) {
    // It fitted into the other table after the same changes.
    [[maybe_unused]] const bool is_applied = apply(change, former);
    assert(is_applied);
  }
  changes_.clear();
  free_adjacencies_.insert(free_adjacencies_.end(), resting_adjacencies_.begin(),
                           resting_adjacencies_.end());
  resting_adjacencies_ = std::move(retired_adjacencies_);
  retired_adjacencies_.clear();
}

void Fib::lookup_burst(std::span<const Ipv4Address> destinations,
                       std::span<AdjacencyIndex> adjacencies) const {
  assert(destinations.size() == adjacencies.size());
  // Acquire: pairs with the release in publish().
  rte_fib* const table = tables_[active_.load(std::memory_order_acquire)];
  std::array<std::uint32_t, kChunk> addresses;
  std::array<std::uint64_t, kChunk> found;
  while (!destinations.empty()) {
    const std::size_t count = std::min(destinations.size(), kChunk);
    for (std::size_t i = 0; i < count; ++i) addresses[i] = destinations[i].raw();
    rte_fib_lookup_bulk(table, addresses.data(), found.data(), static_cast<int>(count));
    for (std::size_t i = 0; i < count; ++i) {
      adjacencies[i] = AdjacencyIndex{static_cast<std::uint32_t>(found[i])};
    }
    destinations = destinations.subspan(count);
    adjacencies = adjacencies.subspan(count);
  }
}

void Fib::store_adjacency(AdjacencyIndex index, AdjacencyKind kind, PortId port, MacAddress mac) {
  adjacencies_[index.raw()].word.store(PackedAdjacency(kind, port, mac).word(),
                                       std::memory_order_release);
}

AdjacencyIndex Fib::adjacency_of(const Route& route) const {
  if (route.kind == AdjacencyKind::blackhole) return kBlackhole;
  if (route.kind == AdjacencyKind::on_link) return on_link_of(route.port);
  return next_hops_.at({route.via, route.port}).index;
}

AdjacencyIndex Fib::base_of(IpPrefix prefix) const {
  const auto found = sources_.find(prefix);
  if (found == sources_.end()) return kNoRoute;
  const Sources& sources = found->second;
  if (!sources.local.empty()) return local_of(sources.local.front());
  if (!sources.broadcast.empty()) return broadcast_of(sources.broadcast.front());
  if (sources.route) return adjacency_of(*sources.route);
  return on_link_of(sources.connected.front());
}

AdjacencyIndex Fib::covering_base_of(Ipv4Address address) const {
  for (std::uint8_t bits = kHostBits;; --bits) {
    if (sources_of_length_[bits] != 0) {
      const AdjacencyIndex base = base_of(network_of({address, bits}));
      if (base != kNoRoute) return base;
    }
    if (bits == 0) return kNoRoute;
  }
}

AdjacencyIndex Fib::desired(IpPrefix prefix) const {
  if (prefix.bits == kHostBits) {
    const AdjacencyIndex base = covering_base_of(prefix.address);
    const auto first = next_hops_.lower_bound({prefix.address, PortId{0}});
    for (auto i = first; i != next_hops_.end() && i->first.address == prefix.address; ++i) {
      if (i->second.is_neighbor && base == on_link_of(i->first.port)) return i->second.index;
    }
  }
  return base_of(prefix);
}

// A new prefix longer than 24 whose next hop is also that of the shorter prefix around it is not
// counted by rte_fib 22.11 when it is added, but is when it is deleted, until its count of groups
// wraps and every add fails. So such prefixes get a next hop first that no other has.
bool Fib::apply(const Change& change, std::size_t table) {
  const std::uint32_t address = change.prefix.address.raw();
  const std::uint8_t bits = change.prefix.bits;
  if (change.adjacency == kNoRoute) return rte_fib_delete(tables_[table], address, bits) == 0;
  if (bits > kFirstTableBits && rte_fib_add(tables_[table], address, bits, kPlaceholder) != 0) {
    return false;
  }
  return rte_fib_add(tables_[table], address, bits, change.adjacency.raw()) == 0;
}

bool Fib::has_room_for(IpPrefix prefix) const {
  if (installed_.size() >= limits_.max_routes) return false;
  return prefix.bits <= kFirstTableBits || long_networks_.size() < limits_.max_long_networks ||
         long_networks_.contains(network_of({prefix.address, kFirstTableBits}));
}

void Fib::count_long_network(IpPrefix prefix) {
  if (prefix.bits > kFirstTableBits)
    ++long_networks_[network_of({prefix.address, kFirstTableBits})];
}

void Fib::uncount_long_network(IpPrefix prefix) {
  if (prefix.bits <= kFirstTableBits) return;
  const auto counted = long_networks_.find(network_of({prefix.address, kFirstTableBits}));
  if (--counted->second == 0) long_networks_.erase(counted);
}

// Brings the idle table's entry for a prefix up to date. False: there is no room for a new one.
bool Fib::refresh(IpPrefix prefix) {
  const AdjacencyIndex wanted = desired(prefix);
  const auto found = installed_.find(prefix);
  const AdjacencyIndex present = found == installed_.end() ? kNoRoute : found->second;
  if (wanted == present) return true;
  if (present == kNoRoute && !has_room_for(prefix)) return false;
  const Change change{prefix, wanted};
  if (!apply(change, 1 - active_.load(std::memory_order_relaxed))) return false;
  changes_.push_back(change);
  if (wanted == kNoRoute) {
    installed_.erase(found);
    uncount_long_network(prefix);
    return true;
  }
  if (present == kNoRoute) count_long_network(prefix);
  installed_.insert_or_assign(prefix, wanted);
  return true;
}

void Fib::refresh_neighbors_in(IpPrefix prefix) {
  const std::uint32_t last = prefix.address.raw() | ~mask_of(prefix.bits);
  const auto first = next_hops_.lower_bound({prefix.address, PortId{0}});
  for (auto i = first; i != next_hops_.end() && i->first.address.raw() <= last; ++i) {
    if (i->second.is_neighbor) (void)refresh(host_of(i->first.address));
  }
}

Fib::Sources& Fib::sources_at(IpPrefix prefix) {
  const auto [found, is_new] = sources_.try_emplace(prefix);
  if (is_new) ++sources_of_length_[prefix.bits];
  return found->second;
}

void Fib::drop_if_empty(IpPrefix prefix) {
  const auto found = sources_.find(prefix);
  if (found == sources_.end() || !found->second.is_empty()) return;
  sources_.erase(found);
  --sources_of_length_[prefix.bits];
}

void Fib::add_port(IpPrefix prefix, PortList list, PortId port) {
  (sources_at(prefix).*list).push_back(port);
}

void Fib::remove_port(IpPrefix prefix, PortList list, PortId port) {
  std::vector<PortId>& ports = sources_at(prefix).*list;
  ports.erase(std::find(ports.begin(), ports.end(), port));
  drop_if_empty(prefix);
  (void)refresh(prefix);
}

bool Fib::use_next_hop(const NextHopKey& key) {
  if (const auto known = next_hops_.find(key); known != next_hops_.end()) {
    ++known->second.users;
    return true;
  }
  AdjacencyIndex index;
  if (!free_adjacencies_.empty()) {
    index = free_adjacencies_.back();
    free_adjacencies_.pop_back();
  } else if (next_unused_adjacency_ < limits_.max_adjacencies) {
    index = AdjacencyIndex{next_unused_adjacency_++};
  } else {
    return false;
  }
  next_hops_.emplace(key, NextHop{.index = index, .users = 1});
  adjacencies_[index.raw()].next_hop = key.address;
  store_adjacency(index, AdjacencyKind::unresolved, key.port, {});
  return true;
}

void Fib::release_next_hop(const NextHopKey& key) {
  const auto known = next_hops_.find(key);
  if (--known->second.users != 0) return;
  retired_adjacencies_.push_back(known->second.index);
  next_hops_.erase(known);
}

}  // namespace culvert
