// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/esp_outbound.h"
#include "dataplane/fib.h"
#include "dataplane/forward.h"
#include "dataplane/port.h"
#include "dataplane/sad.h"
#include "dataplane/shm/regions.h"
#include "dataplane/shm/ring.h"
#include "dataplane/spd.h"
#include "dataplane/tracer.h"

namespace culvert {

// Carries out what control asks for. Nothing in shared memory is trusted: each request, spec and
// key is copied first, then validated, and refused by name. The housekeeper's.
class Requests {
 public:
  struct Context {
    const Regions& regions;
    std::span<Port> ports;
    Sad& sad;
    Spd& spd;
    Fib& fib;
    DefaultPolicy& default_policy;
    EspOutbound::Splitting& splitting;
    TraceSwitch& traces;
    Quiescence& quiescence;
  };
  explicit Requests(const Context& context);

  // Carries out up to kBatch requests and acknowledges them in order. Tables are published, and
  // what was removed is freed, once per batch and before its acknowledgements. Returns how many.
  std::size_t poll();

  // Where a route has several next hops, those on a port whose link is down are passed over. Does
  // nothing when that was known.
  void set_link(PortId port, bool is_up);

  // True once the first commit was carried out.
  [[nodiscard]] bool is_committed() const { return is_committed_; }

  struct LearnedNeighbor {
    std::uint16_t port = 0;
    Family family = Family::v4;
    IpAddress address;
    MacAddress mac;
  };
  // Neighbours that the last poll() made known; forgotten ones have no MAC address.
  [[nodiscard]] std::span<const LearnedNeighbor> learned_neighbors() const { return learned_; }

  // Outbound SAs that the last poll() added or changed.
  [[nodiscard]] std::span<const SaIndex> added_sas() const { return added_; }

 private:
  static constexpr std::size_t kBatch = 512;

  [[nodiscard]] Refusal carry_out(const Request& request);
  [[nodiscard]] Refusal sa_add(const Request& request);
  [[nodiscard]] Refusal sa_update(const Request& request);
  [[nodiscard]] Refusal policy_set(const Request& request);
  [[nodiscard]] Refusal policy_delete(const Request& request);
  [[nodiscard]] Refusal policy_default(const Request& request);
  [[nodiscard]] Refusal esp_options(const Request& request);
  [[nodiscard]] Refusal trace(const Request& request);
  [[nodiscard]] Refusal address_change(const Request& request);
  void note_ipv4_address(const Request& request);
  [[nodiscard]] Refusal route_change(const Request& request);
  template <typename Address>
  [[nodiscard]] Refusal route_change_in(const Request& request);
  [[nodiscard]] Refusal route_hop(const Request& request);
  template <typename Address>
  [[nodiscard]] Refusal route_add_hops(const Request& request);
  [[nodiscard]] Refusal neighbor_change(const Request& request);
  template <typename Address>
  [[nodiscard]] Refusal neighbor_change_in(const Request& request);
  [[nodiscard]] Refusal commit();
  void publish();

  Context context_;
  RingReader<Request> requests_;
  RingWriter<Completion> completions_;
  std::vector<Completion> batch_;
  std::vector<LearnedNeighbor> learned_;
  std::vector<SaIndex> added_;
  std::vector<Request> hops_;  // route_hop requests in a row, at most kMaxRouteHops
  bool are_routes_changed_ = false;
  bool is_committed_ = false;
};

}  // namespace culvert
