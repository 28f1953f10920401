// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/drop_sink.h"
#include "dataplane/icmp_quote.h"
#include "dataplane/packet.h"
#include "dataplane/sad.h"

namespace culvert {

class Fib;

// What fits through all of an outbound SA's path, as far as is known: the MTU of the port its
// packets leave by, or a lower one that ICMP has told within the last ten minutes. Relaxed loads;
// what is too old is forgotten.
[[nodiscard]] inline std::uint32_t effective_mtu(const Sa& sa, std::uint64_t now_ns) {
  const std::uint32_t media_mtu = sa.state->media_mtu.load(std::memory_order_relaxed);
  std::uint32_t packed = sa.state->path_mtu.load(std::memory_order_relaxed);
  if (packed == 0) return media_mtu;
  const std::uint32_t learned = learned_path_mtu(packed, now_ns);
  if (learned != 0) return learned < media_mtu ? learned : media_mtu;
  // Relaxed: another worker may just have learned anew, and then what it learned stays.
  sa.state->path_mtu.compare_exchange_strong(packed, 0, std::memory_order_relaxed);
  return media_mtu;
}

// Learns path MTUs of outbound SAs from ICMP that came in clear (RFC 4301 8.2.1). Nobody signs such
// messages; those count that quote a packet of ours, whose SPI an attacker off the path does not
// know, and the figure has bounds. All state is in SaState; any worker may learn.
class PathMtu {
 public:
  static constexpr std::uint32_t kMinIpv4MtuBytes = 576;  // RFC 791 3.2: what every host takes

  PathMtu(const Sad& sad, const Fib& fib) : sad_(&sad), fib_(&fib) {}

  // For a packet with a checked header, data at that header. nothing: it is not ICMP to us about
  // the size of ESP packets, and goes its way. Else what it ends with: icmp_in_path_mtu, or why it
  // is not believed.
  [[nodiscard]] std::optional<DropReason> learn_ipv4(Packet packet) const;
  [[nodiscard]] std::optional<DropReason> learn_ipv6(Packet packet, const Ipv6Chain& chain) const;

 private:
  [[nodiscard]] std::optional<DropReason> learn(const QuotedEsp& quoted, std::uint32_t lowest,
                                                std::uint64_t now_ns) const;
  [[nodiscard]] const Sa* find_sa(const QuotedEsp& quoted) const;

  const Sad* sad_;
  const Fib* fib_;
};

}  // namespace culvert
