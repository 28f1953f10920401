// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/requests.h"

#include <sodium.h>

#include <cstring>
#include <type_traits>

namespace culvert {
namespace {

// A private copy of what the other process may be writing to right now.
template <typename T>
T copy_of(const T& shared) {
  T result;
  std::memcpy(static_cast<void*>(&result), &shared, sizeof result);
  return result;
}

RingReader<Request> request_reader(const Regions& regions) {
  StateHead& state = regions.state();
  // What an earlier culvertd left unanswered is void: control sees the new incarnation and asks for
  // everything again.
  state.requests_consumed.store(
      regions.requests().requests_produced.load(std::memory_order_acquire),
      std::memory_order_release);
  return {regions.requests().requests, regions.requests().requests_produced,
          state.requests_consumed};
}

template <typename Address>
Address address_as(const IpAddress& address) {
  if constexpr (std::is_same_v<Address, Ipv4Address>) {
    return host_address(address.v4());
  } else {
    return address.bytes;
  }
}

template <typename Address>
BasicPrefix<Address> prefix_of(const Request& request) {
  return {address_as<Address>(request.address), request.prefix_bits};
}

bool is_carried(Family family) {
  return family == Family::v4 || family == Family::v6;
}

}  // namespace

Requests::Requests(const Context& context)
    : context_(context),
      requests_(request_reader(context.regions)),
      completions_(context.regions.state().completions,
                   context.regions.state().completions_produced,
                   context.regions.requests().completions_consumed) {
  batch_.reserve(kBatch);
  learned_.reserve(kBatch);
  added_.reserve(kBatch);
  hops_.reserve(kMaxRouteHops);
}

std::size_t Requests::poll() {
  batch_.clear();
  learned_.clear();
  added_.clear();
  Request request;
  while (batch_.size() < kBatch && batch_.size() < completions_.room() && requests_.pop(request)) {
    batch_.push_back({.sequence = request.sequence, .refusal = carry_out(request)});
  }
  if (batch_.empty()) return 0;
  publish();
  for (const Completion& completion : batch_) static_cast<void>(completions_.push(completion));
  return batch_.size();
}

// Makes the batch's changes visible everywhere and frees what they replaced.
void Requests::publish() {
  if (are_routes_changed_) {
    context_.fib.publish();
    context_.sad.resolve_next_hops(context_.fib, context_.ports);
    are_routes_changed_ = false;
  } else {
    for (const SaIndex index : added_) {
      context_.sad.resolve_next_hop(index, context_.fib, context_.ports);
    }
  }
  if (context_.sad.has_removed()) {
    context_.quiescence.wait();
    context_.sad.reclaim();
  }
}

Refusal Requests::carry_out(const Request& request) {
  switch (request.op) {
    case RequestOp::none:
      return Refusal::unknown_op;
    case RequestOp::sa_add:
      return sa_add(request);
    case RequestOp::sa_update:
      return sa_update(request);
    case RequestOp::sa_delete:
      return context_.sad.remove(SaIndex{request.index}, request.generation);
    case RequestOp::policy_set:
      return policy_set(request);
    case RequestOp::policy_delete:
      return policy_delete(request);
    case RequestOp::policy_default:
      return policy_default(request);
    case RequestOp::address_add:
    case RequestOp::address_delete:
      return address_change(request);
    case RequestOp::route_add:
    case RequestOp::route_delete:
      return route_change(request);
    case RequestOp::route_hop:
      return route_hop(request);
    case RequestOp::neighbor_set:
    case RequestOp::neighbor_delete:
      return neighbor_change(request);
    case RequestOp::commit:
      return commit();
    case RequestOp::esp_options:
      return esp_options(request);
    case RequestOp::trace:
      return trace(request);
  }
  return Refusal::unknown_op;
}

Refusal Requests::sa_add(const Request& request) {
  const auto specs = context_.regions.sa_specs();
  if (request.index >= specs.size()) return Refusal::bad_index;
  const SaSpec spec = copy_of(specs[request.index]);
  if (spec.generation != request.generation) return Refusal::bad_generation;
  KeySlot key = copy_of(context_.regions.keys()[request.index]);
  const Refusal refusal = context_.sad.add(SaIndex{request.index}, spec, key);
  sodium_memzero(&key, sizeof key);
  if (refusal == Refusal::none && spec.direction == Direction::out) {
    added_.push_back(SaIndex{request.index});
  }
  return refusal;
}

Refusal Requests::sa_update(const Request& request) {
  const auto specs = context_.regions.sa_specs();
  if (request.index >= specs.size()) return Refusal::bad_index;
  const SaSpec spec = copy_of(specs[request.index]);
  if (spec.generation != request.generation) return Refusal::bad_generation;
  const Refusal refusal = context_.sad.update(SaIndex{request.index}, spec);
  if (refusal == Refusal::none && spec.direction == Direction::out) {
    added_.push_back(SaIndex{request.index});
  }
  return refusal;
}

// The policy's SAs need not be there yet, but they must be possible ones.
Refusal Requests::policy_set(const Request& request) {
  const auto specs = context_.regions.policy_specs();
  if (request.index >= specs.size()) return Refusal::bad_index;
  const PolicySpec spec = copy_of(specs[request.index]);
  if (spec.generation == 0 || spec.generation != request.generation) return Refusal::bad_generation;
  if (spec.sa_count > kMaxPolicySas || spec.is_optional > 1) return Refusal::bad_enum;
  for (std::size_t i = 0; i < spec.sa_count; ++i) {
    if (spec.sas[i] >= context_.regions.sizes().max_sas) return Refusal::bad_sa_set;
  }
  const Refusal refusal = context_.spd.set(request.index, spec);
  PolicyState& state = context_.regions.policy_states()[request.index];
  if (refusal == Refusal::none && state.generation != spec.generation) {
    state.packets.set(0);
    state.bytes.set(0);
    state.last_used_ns.set(0);
    state.generation = spec.generation;
  }
  return refusal;
}

Refusal Requests::policy_delete(const Request& request) {
  if (request.index >= context_.regions.policy_states().size()) return Refusal::bad_index;
  PolicyState& state = context_.regions.policy_states()[request.index];
  if (state.generation != request.generation) return Refusal::bad_generation;
  const Refusal refusal = context_.spd.remove(request.index);
  if (refusal == Refusal::none) state.generation = 0;
  return refusal;
}

Refusal Requests::policy_default(const Request& request) {
  if (request.action != PolicyAction::bypass && request.action != PolicyAction::discard) {
    return Refusal::bad_enum;
  }
  context_.default_policy.store(request.action, std::memory_order_relaxed);
  return Refusal::none;
}

Refusal Requests::esp_options(const Request& request) {
  if (request.index > kMssUntouched || request.generation > 1) return Refusal::bad_enum;
  context_.splitting.mss.store(static_cast<std::uint16_t>(request.index),
                               std::memory_order_relaxed);
  context_.splitting.is_after_esp.store(request.generation == 1, std::memory_order_relaxed);
  return Refusal::none;
}

Refusal Requests::trace(const Request& request) {
  const TraceFilter filter = copy_of(context_.regions.requests().trace);
  if (filter.generation != request.generation) return Refusal::bad_generation;
  if (const Refusal refusal = check_trace_filter(filter); refusal != Refusal::none) return refusal;
  context_.traces.turn_off();
  context_.quiescence.wait();
  if (filter.generation != 0) context_.traces.turn_on(filter);
  return Refusal::none;
}

Refusal Requests::address_change(const Request& request) {
  if (!is_carried(request.family)) return Refusal::bad_family;
  if (request.port >= context_.ports.size()) return Refusal::bad_port;
  are_routes_changed_ = true;
  const auto change = [&](const auto& prefix) {
    return request.op == RequestOp::address_add
               ? context_.fib.address_add(PortId{request.port}, prefix)
               : context_.fib.address_delete(PortId{request.port}, prefix);
  };
  if (request.family == Family::v6) return change(prefix_of<Ipv6Address>(request));
  const Refusal refusal = change(prefix_of<Ipv4Address>(request));
  if (refusal == Refusal::none) note_ipv4_address(request);
  return refusal;
}

// Keeps one of the port's addresses at hand for workers; those of IPv6 are the FIB's.
void Requests::note_ipv4_address(const Request& request) {
  auto& first = context_.ports[request.port].address;
  const std::uint32_t address = request.address.v4().host();
  const std::uint32_t present = first.load(std::memory_order_relaxed);
  if (request.op == RequestOp::address_delete && present == address) {
    first.store(0, std::memory_order_relaxed);
  } else if (request.op == RequestOp::address_add && present == 0) {
    first.store(address, std::memory_order_relaxed);
  }
}

Refusal Requests::route_change(const Request& request) {
  if (!is_carried(request.family)) return Refusal::bad_family;
  return request.family == Family::v6 ? route_change_in<Ipv6Address>(request)
                                      : route_change_in<Ipv4Address>(request);
}

template <typename Address>
Refusal Requests::route_change_in(const Request& request) {
  are_routes_changed_ = true;
  const auto prefix = prefix_of<Address>(request);
  if (request.op == RequestOp::route_delete) return context_.fib.route_delete(prefix);
  if (request.route_kind == RouteKind::blackhole) return context_.fib.route_add_blackhole(prefix);
  if (request.route_kind != RouteKind::unicast) return Refusal::bad_enum;
  if (request.index != 0) return route_add_hops<Address>(request);
  if (request.port >= context_.ports.size()) return Refusal::bad_port;
  return context_.fib.route_add(prefix, address_as<Address>(request.via), PortId{request.port});
}

// A hop that is refused ends the row, so that the route it is of is refused, too.
Refusal Requests::route_hop(const Request& request) {
  const std::size_t place = hops_.size();
  if (request.index == 0) {
    hops_.clear();
  } else if (request.index != place || place == kMaxRouteHops) {
    hops_.clear();
    return place == kMaxRouteHops ? Refusal::too_many_hops : Refusal::bad_hop_place;
  }
  Refusal refusal = Refusal::none;
  if (!is_carried(request.family)) refusal = Refusal::bad_family;
  if (request.port >= context_.ports.size()) refusal = Refusal::bad_port;
  if (request.weight < 1 || request.weight > kMaxHopWeight) refusal = Refusal::bad_weight;
  if (refusal != Refusal::none) {
    hops_.clear();
    return refusal;
  }
  hops_.push_back(request);
  return Refusal::none;
}

template <typename Address>
Refusal Requests::route_add_hops(const Request& request) {
  if (request.index != hops_.size()) return Refusal::bad_hop_place;
  std::vector<WeightedHop<Address>> hops;
  for (const Request& hop : hops_) {
    if (hop.family != request.family) return Refusal::bad_family;
    hops.push_back({address_as<Address>(hop.via), PortId{hop.port}, hop.weight});
  }
  hops_.clear();
  return context_.fib.route_add(prefix_of<Address>(request), hops);
}

void Requests::set_link(PortId port, bool is_up) {
  if (!context_.fib.set_link(port, is_up)) return;
  context_.sad.resolve_next_hops(context_.fib, context_.ports);
}

Refusal Requests::neighbor_change(const Request& request) {
  if (!is_carried(request.family)) return Refusal::bad_family;
  if (request.port >= context_.ports.size()) return Refusal::bad_port;
  return request.family == Family::v6 ? neighbor_change_in<Ipv6Address>(request)
                                      : neighbor_change_in<Ipv4Address>(request);
}

template <typename Address>
Refusal Requests::neighbor_change_in(const Request& request) {
  const auto address = address_as<Address>(request.address);
  const LearnedNeighbor forgotten{request.port, request.family, ip_address(address), MacAddress{}};
  are_routes_changed_ = true;
  if (request.op == RequestOp::neighbor_delete) {
    learned_.push_back(forgotten);
    return context_.fib.neighbor_delete(PortId{request.port}, address);
  }
  const MacAddress mac{request.mac};
  const Refusal refusal = context_.fib.neighbor_set(PortId{request.port}, address, mac);
  if (refusal != Refusal::none) return refusal;
  learned_.push_back(forgotten);
  learned_.back().mac = mac;
  return refusal;
}

Refusal Requests::commit() {
  is_committed_ = true;
  return Refusal::none;
}

}  // namespace culvert
