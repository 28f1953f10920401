// SPDX-License-Identifier: BSD-3-Clause
#include "tests/fuzz/hostile_control.h"

#include <algorithm>
#include <iterator>

#include "crypto/transform.h"

namespace culvert {
namespace {

// Behind every policy that is untouched.
constexpr std::uint32_t kWeakPriority = 0x80000000;
constexpr std::uint32_t kStormSlots = 64;

// Networks that no packet of the test has to do with: 198.18.0.0/15.
void keep_away(IpAddress& address) {
  address.bytes[0] = 198;
  address.bytes[1] = static_cast<std::uint8_t>(18 + address.bytes[1] % 2);
}

// A policy that no packet of the test meets before its own, nor where it needs none of its own: a
// clear one that comes in, and an opened one that goes out.
void keep_away(PolicySpec& spec) {
  spec.priority |= kWeakPriority;
  if (spec.selector.family == Family::none) spec.is_dormant = 1;
  if (spec.selector.family != Family::v4) return;
  keep_away(spec.selector.src);
  spec.selector.src_prefix_bits |= 16;
  spec.ranges.fields &= static_cast<std::uint8_t>(~kRangeSrc);
}

}  // namespace

HostileControl::HostileControl(Regions& regions, const Untouched& sas, const Untouched& policies,
                               std::uint64_t seed)
    : regions_(regions), sas_(sas), policies_(policies), random_(seed) {
  // Old requests would be valid once more when the producer's index jumps over them.
  for (Request& request : regions_.requests().requests) request = {};
  heard_ = regions_.state().completions_produced.load(std::memory_order_acquire);
}

std::size_t HostileControl::kinds_of_refusal() const {
  return static_cast<std::size_t>(
      std::count_if(refusals_.begin() + 1, refusals_.end(), [](auto count) { return count != 0; }));
}

std::uint64_t HostileControl::odd_number() {
  constexpr std::uint64_t kEdges[] = {0, 1, 4, 6, 16, 32, 33, 64, 128, 255, 256, 4095, 4096, 65535};
  switch (below(4)) {
    case 0:
      return below(8);
    case 1:
      return kEdges[below(std::size(kEdges))];
    case 2:
      return ~std::uint64_t{0} - below(2);
    default:
      return random_();
  }
}

// One of a few, so that additions, changes and removals meet; or any, there or not.
std::uint32_t HostileControl::slot(std::size_t slots) {
  if (one_in(8)) return static_cast<std::uint32_t>(odd_number());
  if (one_in(8)) return static_cast<std::uint32_t>(below(slots));
  return static_cast<std::uint32_t>(slots / 2 - 1 - below(kStormSlots));
}

template <typename T>
void HostileControl::scribble(T& value) {
  auto* bytes = reinterpret_cast<unsigned char*>(&value);
  for (std::size_t i = 0; i < sizeof value; ++i) bytes[i] = static_cast<unsigned char>(random_());
}

// One to three fields or so become something else.
template <typename T>
void HostileControl::change_bytes(T& value) {
  auto* bytes = reinterpret_cast<unsigned char*>(&value);
  for (std::uint64_t changes = 1 + below(3); changes > 0; --changes) {
    const std::size_t width = std::size_t{1} << below(4);
    const std::size_t offset = below(sizeof value / width) * width;
    const std::uint64_t number = odd_number();
    std::memcpy(bytes + offset, &number, width);
  }
}

// What control may ask for and the test's packets would feel becomes something that they do not.
Request HostileControl::tamed(Request request) const {
  switch (request.op) {
    case RequestOp::sa_add:
    case RequestOp::sa_update:
    case RequestOp::sa_delete:
      if (sas_.has(request.index) && request.generation == sas_.generation) request.generation += 7;
      break;
    case RequestOp::policy_set:
    case RequestOp::policy_delete:
      if (policies_.has(request.index)) request.generation = policies_.generation + 7;
      break;
    case RequestOp::address_add:
    case RequestOp::address_delete:
    case RequestOp::route_add:
    case RequestOp::route_delete:
    case RequestOp::neighbor_set:
    case RequestOp::neighbor_delete:
      keep_away(request.address);
      break;
    default:
      break;
  }
  return request;
}

void HostileControl::ask(Request request) {
  RequestsHead& head = regions_.requests();
  const std::uint64_t place = head.requests_produced.load(std::memory_order_relaxed);
  if (place - regions_.state().requests_consumed.load(std::memory_order_acquire) >= kRingSlots) {
    return;  // the dataplane will not come to it
  }
  if (!one_in(8)) request.sequence = place + 1;
  head.requests[place & (kRingSlots - 1)] = tamed(request);
  head.requests_produced.store(place + 1, std::memory_order_release);
}

// One that is in order, more often than not changed in some places, for a slot of the storm's.
void HostileControl::ask_for_sa() {
  const auto specs = regions_.sa_specs();
  const std::uint32_t index = slot(specs.size());
  const auto generation = static_cast<std::uint32_t>(1 + below(3));
  if (index < specs.size() && !sas_.has(index) && !one_in(3)) {
    const auto transform = static_cast<TransformId>(below(kTransformCount + 1));
    const TransformInfo* info = transform_info(transform);
    SaSpec spec{.generation = generation,
                .direction = one_in(2) ? Direction::in : Direction::out,
                .mode = one_in(3) ? SaMode::transport : SaMode::tunnel,
                .transform = static_cast<std::uint8_t>(transform),
                .family = one_in(3) ? Family::v6 : Family::v4,
                .spi = static_cast<std::uint32_t>(0x100000 + below(128)),
                .replay_window = static_cast<std::uint32_t>(32 << below(11)),
                .src = {{198, 18, 0, 1}},
                .dst = {{198, 18, 0, 2}}};
    if (one_in(2)) change_bytes(spec);
    KeySlot key;
    scribble(key.key);
    key.generation = generation;
    key.key_bytes = static_cast<std::uint32_t>(info == nullptr ? 20 : info->material_bytes());
    if (one_in(8)) key.key_bytes = static_cast<std::uint32_t>(odd_number());
    specs[index] = spec;
    regions_.keys()[index] = key;
  }
  constexpr RequestOp kOps[] = {RequestOp::sa_add, RequestOp::sa_add, RequestOp::sa_update,
                                RequestOp::sa_delete};
  ask({.op = kOps[below(std::size(kOps))], .index = index, .generation = generation});
}

void HostileControl::ask_for_policy() {
  const auto specs = regions_.policy_specs();
  const std::uint32_t index = slot(specs.size());
  const auto generation = static_cast<std::uint32_t>(1 + below(3));
  if (index < specs.size() && !policies_.has(index) && !one_in(4)) {
    PolicySpec spec{.generation = generation,
                    .direction = one_in(2) ? Direction::in : Direction::out,
                    .action = static_cast<PolicyAction>(1 + below(3)),
                    .sa_count = static_cast<std::uint8_t>(below(3)),
                    .selector = {.family = one_in(3) ? Family::v6 : Family::v4,
                                 .src_prefix_bits = static_cast<std::uint8_t>(below(33)),
                                 .dst_prefix_bits = static_cast<std::uint8_t>(below(33))}};
    scribble(spec.selector.src);
    scribble(spec.selector.dst);
    if (one_in(3)) {
      scribble(spec.ranges);
      spec.ranges.fields = static_cast<std::uint8_t>(below(16));
    }
    if (one_in(2)) change_bytes(spec);
    keep_away(spec);
    specs[index] = spec;
  }
  const RequestOp op = one_in(3) ? RequestOp::policy_delete : RequestOp::policy_set;
  ask({.op = op, .index = index, .generation = generation});
}

void HostileControl::ask_about_network() {
  constexpr RequestOp kOps[] = {RequestOp::address_add,  RequestOp::address_delete,
                                RequestOp::route_add,    RequestOp::route_delete,
                                RequestOp::neighbor_set, RequestOp::neighbor_delete};
  Request request{.op = kOps[below(std::size(kOps))],
                  .family = one_in(2) ? Family::v4 : Family::v6,
                  .prefix_bits = static_cast<std::uint8_t>(below(40)),
                  .port = static_cast<std::uint16_t>(below(3)),
                  .route_kind = static_cast<RouteKind>(below(2))};
  request.address.bytes[3] = static_cast<std::uint8_t>(below(16));
  if (one_in(2)) keep_away(request.via);
  if (one_in(3)) change_bytes(request);
  ask(request);
}

void HostileControl::ask_for_hops() {
  const auto count = static_cast<std::uint32_t>(one_in(8) ? 40 : below(5));
  Request request{.op = RequestOp::route_hop, .family = Family::v4};
  for (std::uint32_t i = 0; i < count; ++i) {
    request.index = one_in(8) ? static_cast<std::uint32_t>(odd_number()) : i;
    request.weight = static_cast<std::uint16_t>(one_in(8) ? odd_number() : 1 + below(256));
    request.port = static_cast<std::uint16_t>(below(2));
    request.via = {{198, 18, 1, static_cast<std::uint8_t>(one_in(8) ? 0 : i)}};
    ask(request);
  }
  ask({.op = RequestOp::route_add,
       .family = one_in(8) ? Family::v6 : Family::v4,
       .prefix_bits = static_cast<std::uint8_t>(24 + below(10)),
       .index = one_in(8) ? static_cast<std::uint32_t>(odd_number()) : count});
}

void HostileControl::ask_for_trace() {
  TraceFilter filter{.generation = static_cast<std::uint32_t>(below(3)),
                     .family = one_in(2) ? Family::v4 : Family::none,
                     .packets = static_cast<std::uint32_t>(odd_number())};
  filter.wants_bytes = static_cast<std::uint8_t>(below(2));
  if (one_in(2)) change_bytes(filter);
  regions_.requests().trace = filter;
  ask({.op = RequestOp::trace, .generation = filter.generation});
}

void HostileControl::ask_anything() {
  Request request;
  scribble(request);
  if (one_in(2)) request.op = static_cast<RequestOp>(below(20));
  if (request.op == RequestOp::policy_default && request.action == PolicyAction::discard) {
    request.action = PolicyAction::none;
  }
  ask(request);
}

void HostileControl::write_over_tables() {
  const auto specs = regions_.sa_specs();
  const auto policies = regions_.policy_specs();
  const auto index = static_cast<std::uint32_t>(one_in(2) ? below(specs.size()) : below(8));
  switch (below(3)) {
    case 0:
      scribble(specs[index]);
      break;
    case 1:
      scribble(regions_.keys()[index]);
      break;
    default: {
      const auto policy = static_cast<std::uint32_t>(index % policies.size());
      scribble(policies[policy]);
      keep_away(policies[policy]);
    }
  }
}

// Of use for the dataplane's start only, or never.
void HostileControl::write_over_head() {
  RequestsHead& head = regions_.requests();
  switch (below(4)) {
    case 0:
      scribble(head.header);
      break;
    case 1:
      scribble(head.start.ports[below(kMaxPorts)]);
      break;
    case 2:
      scribble(head.config_file);
      break;
    default:
      scribble(head.trace);
  }
}

void HostileControl::write_indices() {
  RequestsHead& head = regions_.requests();
  const std::array indices = {&head.requests_produced, &head.completions_consumed,
                              &head.events_consumed, &head.trace_consumed};
  std::atomic<std::uint64_t>& index = *indices[below(indices.size())];
  index.store(one_in(2) ? odd_number() : index.load(std::memory_order_relaxed) + odd_number(),
              std::memory_order_release);
}

void HostileControl::strike() {
  switch (below(16)) {
    case 0:
    case 1:
    case 2:
      return ask_for_sa();
    case 3:
    case 4:
    case 5:
      return ask_for_policy();
    case 6:
    case 7:
    case 8:
      return ask_about_network();
    case 9:
      return ask_for_hops();
    case 10:
      return ask_for_trace();
    case 11:
    case 12:
      return ask_anything();
    case 13:
      return write_over_tables();
    case 14:
      return write_over_head();
    default:
      return one_in(4) ? write_indices() : ask({.op = RequestOp::commit});
  }
}

void HostileControl::calm() {
  RequestsHead& head = regions_.requests();
  StateHead& state = regions_.state();
  head.requests_produced.store(state.requests_consumed.load(std::memory_order_acquire),
                               std::memory_order_release);
  head.completions_consumed.store(state.completions_produced.load(std::memory_order_acquire),
                                  std::memory_order_release);
  head.events_consumed.store(state.events_produced.load(std::memory_order_acquire),
                             std::memory_order_release);
  head.trace_consumed.store(state.trace_produced.load(std::memory_order_acquire),
                            std::memory_order_release);
}

void HostileControl::hear() {
  const StateHead& state = regions_.state();
  const std::uint64_t produced = state.completions_produced.load(std::memory_order_acquire);
  for (; heard_ != produced; ++heard_) {
    const auto refusal =
        static_cast<std::size_t>(state.completions[heard_ & (kRingSlots - 1)].refusal);
    ++answers_;
    if (refusal < refusals_.size()) ++refusals_[refusal];
  }
}

}  // namespace culvert
