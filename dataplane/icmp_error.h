// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <span>

#include "dataplane/lanes.h"
#include "dataplane/net/icmp.h"
#include "dataplane/port.h"
#include "dataplane/rate_limit.h"

namespace culvert {

class Fib;
class Spd;

// Makes the ICMP errors of a router (RFC 1812 4.3.2) and puts them into the lane `clear`, where the
// SPD decides whether and how they leave. One per worker.
class IcmpErrors {
 public:
  IcmpErrors(std::span<const Port> ports, const Spd& spd, const Fib& fib, rte_mempool& pool,
             DropSink& drops)
      : ports_(ports), spd_(&spd), fib_(&fib), pool_(&pool), drops_(&drops) {}

  // About `offending`, an IPv4 packet with a checked header that is about to be dropped. Nothing
  // is sent about ICMP errors, fragments but the first, and packets to or from addresses that are
  // not one host's (RFC 1812 4.3.2.7), nor beyond the limit.
  void time_exceeded(Packet offending, Lanes& lanes);
  // `mtu` is what fits, in bytes of IP packet (RFC 1191 4).
  void fragmentation_needed(Packet offending, std::uint32_t mtu, Lanes& lanes);

 private:
  // Errors of one kind that one worker sends a second, and in a row; RFC 1812 4.3.2.8. Each kind is
  // made by one stage and has a limit of its own, which the size of bursts has no part in.
  using Limit = RateLimit<1000, 50>;

  void send(Packet offending, IcmpHeader header, Limit& limit, Lanes& lanes);

  std::span<const Port> ports_;
  const Spd* spd_;
  const Fib* fib_;
  rte_mempool* pool_;
  DropSink* drops_;
  Limit time_exceeded_;
  Limit fragmentation_needed_;
};

}  // namespace culvert
