// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/route_table.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "dataplane/keyed_hash.h"

namespace culvert {
namespace {

template <typename Address>
constexpr Family kFamily = std::is_same_v<Address, Ipv4Address> ? Family::v4 : Family::v6;

template <typename Address>
bool has_network(const BasicPrefix<Address>& address) {
  return address.bits < kHostBits<Address> && !is_link_local(address.address);
}

// /31 and /32 have none (RFC 3021 2.2), nor has IPv6 (RFC 4291 2).
std::optional<IpPrefix> broadcast_address_of(const IpPrefix& prefix) {
  if (prefix.bits >= 31) return std::nullopt;
  return host_of(Ipv4Address{prefix.address.raw() | ~mask_of(prefix.bits)});
}
std::optional<Ipv6Prefix> broadcast_address_of(const Ipv6Prefix&) {
  return std::nullopt;
}

// Of what tells it from others: not of its weight, by which it draws more.
template <typename Address>
std::uint64_t hash_of(const WeightedHop<Address>& hop) {
  const auto words = std::bit_cast<std::array<std::uint64_t, 2>>(ip_address(hop.via));
  return keyed_hash(words[0], words[1], hop.port.raw(), kHashSalt[4]);
}

}  // namespace

template <typename Address>
Refusal RouteTable<Address>::validate(const Prefix& prefix, PortId port) {
  if (prefix.bits > kHostBits<Address>) return Refusal::bad_prefix;
  return port.raw() < kMaxPorts ? Refusal::none : Refusal::bad_port;
}

template <typename Address>
Refusal RouteTable<Address>::address_add(PortId port, const Prefix& address) {
  if (const Refusal refusal = validate(address, port); refusal != Refusal::none) return refusal;
  if (!own_addresses_.insert({address, port}).second) return Refusal::none;
  add_port(host_of<Address>(address.address), &Sources::local, port);
  bool fits = refresh(host_of<Address>(address.address));
  if (has_network(address)) {
    add_port(network_of(address), &Sources::connected, port);
    fits = refresh(network_of(address)) && fits;
  }
  if (const auto broadcast = broadcast_address_of(address)) {
    add_port(*broadcast, &Sources::broadcast, port);
    fits = refresh(*broadcast) && fits;
  }
  if (!fits) {
    (void)address_delete(port, address);
    return Refusal::no_table_memory;
  }
  refresh_neighbors_in(network_of(address));
  return Refusal::none;
}

template <typename Address>
Refusal RouteTable<Address>::address_delete(PortId port, const Prefix& address) {
  if (const Refusal refusal = validate(address, port); refusal != Refusal::none) return refusal;
  if (own_addresses_.erase({address, port}) == 0) return Refusal::slot_empty;
  remove_port(host_of<Address>(address.address), &Sources::local, port);
  if (has_network(address)) remove_port(network_of(address), &Sources::connected, port);
  if (const auto broadcast = broadcast_address_of(address)) {
    remove_port(*broadcast, &Sources::broadcast, port);
  }
  refresh_neighbors_in(network_of(address));
  return Refusal::none;
}

template <typename Address>
Refusal RouteTable<Address>::route_add(const Prefix& prefix, std::span<const Hop> hops) {
  if (hops.size() > kMaxRouteHops) return Refusal::too_many_hops;
  Hops sorted(hops.begin(), hops.end());
  std::ranges::sort(sorted);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const Hop& hop = sorted[i];
    if (const Refusal refusal = validate(prefix, hop.port); refusal != Refusal::none) {
      return refusal;
    }
    if (hop.weight < 1 || hop.weight > kMaxHopWeight) return Refusal::bad_weight;
    if (i != 0 && hop.via == sorted[i - 1].via && hop.port == sorted[i - 1].port) {
      return Refusal::duplicate_hop;
    }
  }
  if (sorted.size() == 1) sorted.front().weight = 1;  // it has all flows whatever it weighs
  return sorted.empty() ? Refusal::bad_hop_place : set_route(network_of(prefix), std::move(sorted));
}

template <typename Address>
Refusal RouteTable<Address>::route_add_blackhole(const Prefix& prefix) {
  if (prefix.bits > kHostBits<Address>) return Refusal::bad_prefix;
  return set_route(network_of(prefix), {});
}

template <typename Address>
Refusal RouteTable<Address>::set_route(const Prefix& prefix, Hops hops) {
  const auto adjacency = use_hops(hops);
  if (!adjacency) return Refusal::no_table_memory;
  std::optional<Route> old =
      std::exchange(sources_at(prefix).route, Route{std::move(hops), *adjacency});
  if (!refresh(prefix)) {  // it is a new prefix, or there would have been room
    release_hops(sources_at(prefix).route->hops);
    sources_at(prefix).route = std::move(old);
    drop_if_empty(prefix);
    return Refusal::no_table_memory;
  }
  if (old) release_hops(old->hops);
  refresh_neighbors_in(prefix);
  return Refusal::none;
}

template <typename Address>
Refusal RouteTable<Address>::route_delete(const Prefix& prefix) {
  if (prefix.bits > kHostBits<Address>) return Refusal::bad_prefix;
  const Prefix network = network_of(prefix);
  const auto found = sources_.find(network);
  if (found == sources_.end() || !found->second.route) return Refusal::slot_empty;
  const Route old = *std::exchange(found->second.route, std::nullopt);
  drop_if_empty(network);
  (void)refresh(network);
  release_hops(old.hops);
  refresh_neighbors_in(network);
  return Refusal::none;
}

template <typename Address>
Refusal RouteTable<Address>::neighbor_set(PortId port, const Address& address, MacAddress mac) {
  if (port.raw() >= kMaxPorts) return Refusal::bad_port;
  const NextHopKey key{address, port};
  const auto known = next_hops_.find(key);
  if (known == next_hops_.end() || !known->second.is_neighbor) {
    if (!use_next_hop(key)) return Refusal::no_table_memory;
    next_hops_.at(key).is_neighbor = true;
  }
  adjacencies_->store(next_hops_.at(key).index, AdjacencyKind::resolved, port, mac);
  if (!refresh(host_of<Address>(address))) {
    (void)neighbor_delete(port, address);
    return Refusal::no_table_memory;
  }
  return Refusal::none;
}

template <typename Address>
Refusal RouteTable<Address>::neighbor_delete(PortId port, const Address& address) {
  if (port.raw() >= kMaxPorts) return Refusal::bad_port;
  const NextHopKey key{address, port};
  const auto known = next_hops_.find(key);
  if (known == next_hops_.end() || !known->second.is_neighbor) return Refusal::slot_empty;
  known->second.is_neighbor = false;
  adjacencies_->store(known->second.index, AdjacencyKind::unresolved, port, {});
  (void)refresh(host_of<Address>(address));
  release_next_hop(key);
  return Refusal::none;
}

template <typename Address>
AdjacencyIndex RouteTable<Address>::base_of(const Prefix& prefix) const {
  const auto found = sources_.find(prefix);
  if (found == sources_.end()) return kNoRoute;
  const Sources& sources = found->second;
  if (!sources.local.empty()) return AdjacencyTable::local_of(sources.local.front());
  if (!sources.broadcast.empty()) return AdjacencyTable::broadcast_of(sources.broadcast.front());
  if (sources.route) return sources.route->adjacency;
  return AdjacencyTable::on_link_of(sources.connected.front());
}

template <typename Address>
AdjacencyIndex RouteTable<Address>::covering_base_of(const Address& address) const {
  for (std::uint8_t bits = kHostBits<Address>;; --bits) {
    if (sources_of_length_[bits] != 0) {
      const AdjacencyIndex base = base_of(network_of(Prefix{address, bits}));
      if (base != kNoRoute) return base;
    }
    if (bits == 0) return kNoRoute;
  }
}

// Whether what `base` leads to is on the link of the port, or may be: among the hops of a group.
template <typename Address>
bool RouteTable<Address>::is_on_link(AdjacencyIndex base, PortId port) const {
  if (adjacencies_->packed(base).kind() != AdjacencyKind::group) {
    return base == AdjacencyTable::on_link_of(port);
  }
  const auto is_of_group = [&](const auto& entry) { return entry.second.index == base; };
  const auto group = std::ranges::find_if(hop_groups_, is_of_group);
  return group != hop_groups_.end() && std::ranges::any_of(group->first, [&](const Hop& hop) {
           return hop.via == Address{} && hop.port == port;
         });
}

template <typename Address>
AdjacencyIndex RouteTable<Address>::desired(const Prefix& prefix) const {
  if (prefix.bits == kHostBits<Address> && !is_link_local(prefix.address)) {
    const AdjacencyIndex base = covering_base_of(prefix.address);
    const auto first = next_hops_.lower_bound({prefix.address, PortId{0}});
    for (auto i = first; i != next_hops_.end() && i->first.address == prefix.address; ++i) {
      if (i->second.is_neighbor && is_on_link(base, i->first.port)) return i->second.index;
    }
  }
  return base_of(prefix);
}

// Brings the look-up's entry for a prefix up to date. False: there is no room for a new one.
template <typename Address>
bool RouteTable<Address>::refresh(const Prefix& prefix) {
  const AdjacencyIndex wanted = desired(prefix);
  const auto found = installed_.find(prefix);
  const AdjacencyIndex present = found == installed_.end() ? kNoRoute : found->second;
  if (wanted == present) return true;
  if (present == kNoRoute && (installed_.size() >= max_routes_ || !lookup_->has_room_for(prefix))) {
    return false;
  }
  if (!lookup_->set(prefix, present != kNoRoute, wanted)) return false;
  if (wanted == kNoRoute) {
    installed_.erase(found);
  } else {
    installed_.insert_or_assign(prefix, wanted);
  }
  return true;
}

template <typename Address>
void RouteTable<Address>::refresh_neighbors_in(const Prefix& prefix) {
  const auto first = next_hops_.lower_bound({prefix.address, PortId{0}});
  for (auto i = first; i != next_hops_.end() && is_within(i->first.address, prefix); ++i) {
    if (i->second.is_neighbor) (void)refresh(host_of<Address>(i->first.address));
  }
}

template <typename Address>
typename RouteTable<Address>::Sources& RouteTable<Address>::sources_at(const Prefix& prefix) {
  const auto [found, is_new] = sources_.try_emplace(prefix);
  if (is_new) ++sources_of_length_[prefix.bits];
  return found->second;
}

template <typename Address>
void RouteTable<Address>::drop_if_empty(const Prefix& prefix) {
  const auto found = sources_.find(prefix);
  if (found == sources_.end() || !found->second.is_empty()) return;
  sources_.erase(found);
  --sources_of_length_[prefix.bits];
}

template <typename Address>
void RouteTable<Address>::add_port(const Prefix& prefix, PortList list, PortId port) {
  (sources_at(prefix).*list).push_back(port);
}

template <typename Address>
void RouteTable<Address>::remove_port(const Prefix& prefix, PortList list, PortId port) {
  std::vector<PortId>& ports = sources_at(prefix).*list;
  ports.erase(std::find(ports.begin(), ports.end(), port));
  drop_if_empty(prefix);
  (void)refresh(prefix);
}

template <typename Address>
bool RouteTable<Address>::use_next_hop(const NextHopKey& key) {
  if (const auto known = next_hops_.find(key); known != next_hops_.end()) {
    ++known->second.users;
    return true;
  }
  const auto index = adjacencies_->take(kFamily<Address>, ip_address(key.address), key.port);
  if (!index) return false;
  next_hops_.emplace(key, NextHop{.index = *index, .users = 1});
  return true;
}

template <typename Address>
void RouteTable<Address>::release_next_hop(const NextHopKey& key) {
  const auto known = next_hops_.find(key);
  if (--known->second.users != 0) return;
  adjacencies_->retire(known->second.index);
  next_hops_.erase(known);
}

template <typename Address>
std::optional<AdjacencyIndex> RouteTable<Address>::use_hop(const Hop& hop) {
  if (hop.via == Address{}) return AdjacencyTable::on_link_of(hop.port);
  const NextHopKey key{hop.via, hop.port};
  if (!use_next_hop(key)) return std::nullopt;
  return next_hops_.at(key).index;
}

template <typename Address>
void RouteTable<Address>::release_hop(const Hop& hop) {
  if (hop.via != Address{}) release_next_hop({hop.via, hop.port});
}

template <typename Address>
std::optional<AdjacencyIndex> RouteTable<Address>::use_hops(const Hops& hops) {
  if (hops.empty()) return AdjacencyTable::kBlackhole;
  if (hops.size() == 1) return use_hop(hops.front());
  const auto known = hop_groups_.find(hops);
  if (known == hop_groups_.end()) return make_group(hops);
  ++known->second.users;
  return known->second.index;
}

template <typename Address>
void RouteTable<Address>::release_hops(const Hops& hops) {
  if (hops.empty()) return;
  if (hops.size() == 1) return release_hop(hops.front());
  const auto known = hop_groups_.find(hops);
  if (--known->second.users != 0) return;
  adjacencies_->retire(known->second.index);
  groups_->retire(known->second.group);
  for (const Hop& hop : hops) release_hop(hop);
  hop_groups_.erase(known);
}

template <typename Address>
std::optional<AdjacencyIndex> RouteTable<Address>::make_group(const Hops& hops) {
  std::vector<HopGroups::Member> members;
  for (const Hop& hop : hops) {
    const auto adjacency = use_hop(hop);
    if (!adjacency) break;
    members.push_back({*adjacency, hop.port, hop.weight, hash_of(hop)});
  }
  const auto group = members.size() == hops.size() ? groups_->take(members) : std::nullopt;
  const auto index = group ? adjacencies_->take_group(*group) : std::nullopt;
  if (!index) {
    if (group) groups_->retire(*group);
    for (std::size_t i = 0; i < members.size(); ++i) release_hop(hops[i]);
    return std::nullopt;
  }
  hop_groups_.emplace(hops, Group{.index = *index, .group = *group, .users = 1});
  return index;
}

template <typename Address>
std::optional<MacAddress> RouteTable<Address>::neighbor(PortId port, const Address& address) const {
  const auto known = next_hops_.find({address, port});
  if (known == next_hops_.end() || !known->second.is_neighbor) return std::nullopt;
  return adjacencies_->packed(known->second.index).mac();
}

template <typename Address>
std::optional<Address> RouteTable<Address>::own_address(PortId port) const {
  for (const OwnAddress& own : own_addresses_) {
    if (own.port == port && is_one_host(own.address.address)) return own.address.address;
  }
  return std::nullopt;
}

template class RouteTable<Ipv4Address>;
template class RouteTable<Ipv6Address>;

}  // namespace culvert
