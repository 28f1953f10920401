// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/fib.h"

#include <sodium.h>

namespace culvert {
namespace {

std::uint64_t random_secret() {
  std::uint64_t secret = 0;
  randombytes_buf(&secret, sizeof secret);
  return secret;
}

}  // namespace

Fib::Fib(const std::string& name, const FibLimits& limits, Quiescence& quiescence)
    : quiescence_(quiescence),
      adjacencies_(limits.max_adjacencies),
      hop_groups_(limits.max_hop_groups),
      lookup_v4_(name, limits.max_routes, limits.max_long_networks),
      lookup_v6_(limits.max_ipv6_routes, random_secret()),
      v4_(limits.max_routes, lookup_v4_, adjacencies_, hop_groups_),
      v6_(limits.max_ipv6_routes, lookup_v6_, adjacencies_, hop_groups_) {}

std::unique_ptr<Fib> Fib::create(const std::string& name, const FibLimits& limits,
                                 Quiescence& quiescence) {
  std::unique_ptr<Fib> fib(new Fib(name, limits, quiescence));
  if (!fib->adjacencies_.is_reserved() || !fib->hop_groups_.is_reserved() ||
      !fib->lookup_v4_.is_reserved() || !fib->lookup_v6_.is_reserved()) {
    return nullptr;
  }
  fib->adjacencies_.initialise();
  return fib;
}

void Fib::publish() {
  const bool has_new_addresses = publish_own_addresses();
  if (!lookup_v4_.has_changes() && !lookup_v6_.has_changes() && !adjacencies_.has_retired() &&
      !has_new_addresses) {
    return;
  }
  lookup_v4_.switch_over();
  lookup_v6_.switch_over();
  wait_with_new_version();
  lookup_v4_.catch_up();
  if (lookup_v6_.has_removals()) {
    lookup_v6_.take_away();
    wait_with_new_version();
    lookup_v6_.recycle();
  }
  adjacencies_.recycle();
  hop_groups_.recycle();
}

// Whoever was quiescent since reads the new number, and uses nothing that it remembers.
void Fib::wait_with_new_version() {
  version_.fetch_add(1, std::memory_order_release);
  quiescence_.wait();
}

bool Fib::publish_own_addresses() {
  bool is_changed = false;
  for (std::uint16_t i = 0; i < kMaxPorts; ++i) {
    PublishedAddress& own = own_addresses_[i];
    const std::uint32_t current = own.current.load(std::memory_order_relaxed);
    const Ipv6Address address = v6_.own_address(PortId{i}).value_or(Ipv6Address{});
    if (own.copies[current] == address) continue;
    own.copies[1 - current] = address;
    own.current.store(1 - current, std::memory_order_release);
    is_changed = true;
  }
  return is_changed;
}

std::optional<MacAddress> Fib::neighbor(PortId port, Family family,
                                        const IpAddress& address) const {
  if (family == Family::v6) return v6_.neighbor(port, address.bytes);
  return v4_.neighbor(port, host_address(address.v4()));
}

}  // namespace culvert
