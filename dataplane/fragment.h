// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_mempool.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/drop_sink.h"
#include "dataplane/net/ip.h"
#include "dataplane/packet.h"

namespace culvert {

struct Ipv6Chain;

// Splits packets that exceed an MTU. The first piece stays in the packet's own buffer, so that it
// keeps its headroom; the others begin RTE_PKTMBUF_HEADROOM bytes into theirs, where all outer
// headers fit. Each piece has the packet's notes. One per worker.
class Fragmenter {
 public:
  // 9000 bytes in pieces of 576 are 17. A bound, so that lanes and bursts can hold what a round's
  // packets may become.
  static constexpr std::size_t kMaxPieces = 32;

  // `first_identification` is for IPv6; workers that start 2^32 / kMaxWorkers apart do not give
  // out the same ones. Limit: they are consecutive, so that who sees one can foresee the next and
  // spoil a reassembly (RFC 7739 5.1); what is sealed cannot be forged that way.
  Fragmenter(rte_mempool& pool, DropSink& drops, std::uint32_t first_identification)
      : pool_(&pool), drops_(&drops), identification_(first_identification) {}

  // An IPv4 packet without DF, its header checked, data at that header; it may be a fragment
  // itself. The pieces are in order, at most `mtu` bytes long, and stay valid until the next call.
  // Empty: the packet was dropped.
  [[nodiscard]] std::span<const Packet> split_ipv4(Packet packet, std::uint32_t mtu);

  // The same for an IPv6 packet that was sealed here, and so is ours to split (RFC 8200 5).
  [[nodiscard]] std::span<const Packet> split_ipv6(Packet packet, std::uint32_t mtu);

 private:
  // Where the parts of a packet lie, and what each piece carries.
  struct Plan {
    std::size_t header_bytes = 0;        // of the packet, as it is
    std::size_t first_header_bytes = 0;  // of the pieces
    std::size_t later_header_bytes = 0;
    std::size_t piece_bytes = 0;  // of payload in all but the last; a multiple of 8
    std::size_t payload_bytes = 0;
    [[nodiscard]] std::size_t pieces() const {
      return (payload_bytes + piece_bytes - 1) / piece_bytes;
    }
  };

  // Buffers for all pieces, payload in place and room for headers in front of it; or none.
  [[nodiscard]] bool allocate(Packet packet, const Plan& plan);

  rte_mempool* pool_;
  DropSink* drops_;
  std::uint32_t identification_;
  std::array<Packet, kMaxPieces> pieces_;
};

// The options of an IPv4 header that every fragment carries (RFC 791 3.1, the copied flag), padded
// with ends of list to a multiple of 4. A list that makes no sense ends where it stops doing so.
struct CopiedOptions {
  std::array<std::byte, kMaxIpv4HeaderBytes - sizeof(Ipv4Header)> bytes{};
  std::size_t length = 0;
};
[[nodiscard]] CopiedOptions copied_options(std::span<const std::byte> options);

}  // namespace culvert
