// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <span>

#include "dataplane/fib.h"
#include "dataplane/lanes.h"
#include "dataplane/net/ip_parse.h"
#include "dataplane/port.h"

namespace culvert {

// Sorts what came in by its outer header alone. Whether an SA is ours only esp_inbound knows, so
// every whole ESP packet goes there, and comes back to `inner` when it is for another host.
class Classify {
 public:
  Classify(std::span<const Port> ports, const Fib& fib, DropSink& drops)
      : ports_(ports), fib_(&fib), drops_(&drops) {}

  // Frames as a port received them -> lanes esp, inner, punt.
  void received(std::span<Packet> frames, Lanes& lanes);

  // IP packets that were opened and turned out to carry ESP -> lanes esp, inner.
  void again(Lane<Packet>& lane, Lanes& lanes);

 private:
  void frame(Packet packet, Lanes& lanes);
  void ipv6_frame(Packet packet, Lanes& lanes);
  void ipv4(Packet packet, const Ipv4Header& header, Lanes& lanes);
  void esp(Packet packet, const Ipv4Header& header, Lanes& lanes);
  void nat_t(Packet packet, const Ipv4Header& header, Lanes& lanes);

  std::span<const Port> ports_;
  const Fib* fib_;
  DropSink* drops_;
};

// The drop for an IPv4 header that is not ok.
[[nodiscard]] DropReason reason_for(Ipv4Validity validity);

// Why an IPv6 packet is not among those that the built-in bypass hands to Linux and takes from it:
// neighbour discovery and what never leaves its link. nothing: it is one of them.
[[nodiscard]] std::optional<DropReason> why_not_link_local(std::span<const std::byte> packet);

}  // namespace culvert
