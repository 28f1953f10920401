// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <span>

#include "dataplane/fib.h"
#include "dataplane/lanes.h"
#include "dataplane/net/ip_parse.h"
#include "dataplane/net/ipv6_parse.h"
#include "dataplane/path_mtu.h"
#include "dataplane/port.h"
#include "dataplane/reassembly.h"

namespace culvert {

// Sorts what came in by its outer header alone. Whether an SA is ours only esp_inbound knows, so
// every whole ESP packet goes there, and comes back to `inner` when it is for another host. What
// may be ESP for us in fragments is put together first.
class Classify {
 public:
  // `port_counters` is the worker's row.
  Classify(std::span<const Port> ports, const Fib& fib, const PathMtu& path_mtu,
           Reassembly& reassembly, std::span<PortCounters> port_counters, DropSink& drops)
      : ports_(ports),
        fib_(&fib),
        path_mtu_(&path_mtu),
        reassembly_(&reassembly),
        port_counters_(port_counters),
        drops_(&drops) {}

  // Frames as a port received them -> lanes esp, inner, inner6, punt.
  void received(std::span<Packet> frames, Lanes& lanes);

  // IP packets that were opened and turned out to carry ESP -> lanes esp, inner, inner6.
  void again(Lane<Packet>& lane, Lanes& lanes);

 private:
  // What the outer headers say of the rest.
  struct Payload {
    std::uint16_t offset = 0;  // from the IP header on
    bool is_fragment = false;
  };

  void frame(Packet packet, Lanes& lanes);
  [[gnu::noinline]] void tagged_frame(Packet packet, Lanes& lanes);
  void ipv4_frame(Packet packet, bool is_to_many, Lanes& lanes);
  void ipv6_frame(Packet packet, bool is_to_many, Lanes& lanes);
  void ipv4(Packet packet, const Ipv4Header& header, Lanes& lanes);
  void ipv4_fragment(Packet fragment, Lanes& lanes);
  void ipv6(Packet packet, Lanes& lanes);
  void ipv6_fragment(Packet fragment, const Ipv6Chain& chain, Lanes& lanes);
  void esp(Packet packet, Payload payload, Lanes& lanes);
  void nat_t(Packet packet, Payload payload, Lanes& lanes);

  std::span<const Port> ports_;
  const Fib* fib_;
  const PathMtu* path_mtu_;
  Reassembly* reassembly_;
  std::span<PortCounters> port_counters_;
  DropSink* drops_;
};

// The drops for headers that are not ok.
[[nodiscard]] DropReason reason_for(Ipv4Validity validity);
[[nodiscard]] DropReason reason_for(Ipv6Validity validity);

// Is an IPv6 packet, whose header is ok, one of those that the built-in bypass hands to Linux and
// takes from it: neighbour discovery and what never leaves its link?
[[nodiscard]] bool stays_on_link(std::span<const std::byte> packet);

}  // namespace culvert
