// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <span>

#include "dataplane/fib.h"
#include "dataplane/lanes.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/icmpv6.h"
#include "dataplane/port.h"
#include "dataplane/rate_limit.h"

namespace culvert {

class Spd;
struct PolicyEntry;

// Makes the ICMP errors of a router (RFC 1812 4.3.2, RFC 4443 3) and puts them into the lane
// `clear`, where the SPD decides whether and how they leave. One per worker.
class IcmpErrors {
 public:
  IcmpErrors(std::span<const Port> ports, const Spd& spd, const Fib& fib, rte_mempool& pool,
             DropSink& drops)
      : ports_(ports), spd_(&spd), fib_(&fib), pool_(&pool), drops_(&drops) {}

  // About `offending`, a packet with a checked header that is about to be dropped. Nothing is sent
  // about ICMP errors, fragments but the first, and packets to or from addresses that are not one
  // host's (RFC 1812 4.3.2.7, RFC 4443 2.4 e), nor beyond the limit.
  void time_exceeded(Packet offending, Lanes& lanes);
  // `mtu` is what fits, in bytes of IP packet (RFC 1191 4). To IPv6 senders it is "packet too big"
  // (RFC 4443 3.2), never below the 1280 bytes that every path must carry (RFC 8200 5).
  void too_big(Packet offending, std::uint32_t mtu, Lanes& lanes);

 private:
  // Errors of one kind that one worker sends a second, and in a row; RFC 1812 4.3.2.8. Each kind is
  // made by one stage and has a limit of its own, which the size of bursts has no part in.
  using Limit = RateLimit<1000, 50>;

  // Where an error goes, and from where.
  struct Way {
    std::uint16_t port = 0;  // whose address is the source, unless it is for Linux
    bool came_in_clear = false;
    bool is_for_linux = false;
  };

  // False: there is none about this packet, or it was withheld.
  bool send(Packet offending, IcmpHeader header, Limit& limit, Lanes& lanes);
  bool withhold();
  bool send_ipv6(Packet offending, Icmpv6Header header, Limit& limit, Lanes& lanes);
  [[nodiscard]] Way way_of(Packet offending, AdjacencyIndex onward) const;
  // A packet of `bytes` with meta filled in but for the next hop; no mbuf when there is none.
  [[nodiscard]] Packet make(Packet offending, const Way& way, std::size_t bytes) const;
  void set_next_hop(Packet error, AdjacencyIndex found) const;
  void deliver(Packet error, const Way& way, const PolicyEntry* policy, Lanes& lanes);

  std::span<const Port> ports_;
  const Spd* spd_;
  const Fib* fib_;
  rte_mempool* pool_;
  DropSink* drops_;
  Limit time_exceeded_;
  Limit too_big_;
  Limit time_exceeded6_;
  Limit too_big6_;
};

}  // namespace culvert
