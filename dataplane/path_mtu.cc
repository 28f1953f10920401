// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path_mtu.h"

#include "dataplane/fib.h"
#include "dataplane/net/checksum.h"

namespace culvert {

// 1. It is about ESP, and tells a size.
// 2. It is for us, the source of what it quotes. Of a fragment there may not be all.
// 3. Its checksum is right.
std::optional<DropReason> PathMtu::learn_ipv4(Packet packet) const {
  const auto& header = *packet.header<Ipv4Header>(0);
  if (header.protocol != IpProtocol::icmp || header.is_fragment()) return std::nullopt;
  const auto message = packet.bytes().subspan(header.header_length_bytes());
  const auto quoted = quoted_esp(message);
  if (!quoted || quoted->source != IpAddress::v4(header.destination) ||
      !fib_->is_local(host_address(header.destination))) {
    return std::nullopt;
  }
  if (internet_checksum(message) != Be16{}) return DropReason::icmp_in_bad_checksum;
  return learn(*quoted, kMinIpv4MtuBytes, packet.meta().time_ns);
}

std::optional<DropReason> PathMtu::learn_ipv6(Packet packet, const Ipv6Chain& chain) const {
  const auto& header = *packet.header<Ipv6Header>(0);
  if (chain.end != Ipv6ChainEnd::upper_layer || chain.protocol != IpProtocol::icmpv6 ||
      chain.is_fragment()) {
    return std::nullopt;
  }
  const auto message = packet.bytes().subspan(chain.payload_offset);
  const auto quoted = quoted_esp_ipv6(message);
  if (!quoted || quoted->source.bytes != header.destination ||
      !fib_->is_local(header.destination)) {
    return std::nullopt;
  }
  if (transport_checksum(header.source, header.destination, IpProtocol::icmpv6, message) !=
      Be16{}) {
    return DropReason::icmp_in_bad_checksum;
  }
  return learn(*quoted, kMinIpv6MtuBytes, packet.meta().time_ns);
}

const Sa* PathMtu::find_sa(const QuotedEsp& quoted) const {
  const Sa* sa = sad_->outbound({quoted.destination, quoted.spi, quoted.family});
  if (sa == nullptr || sa->outer_source() != quoted.source) return nullptr;
  if (sa->is_udp_encapsulated() != quoted.is_udp_encapsulated) return nullptr;
  if (!quoted.is_udp_encapsulated) return sa;
  const bool has_ports = sa->udp.source_port == quoted.source_port &&
                         sa->udp.destination_port == quoted.destination_port;
  return has_ports ? sa : nullptr;
}

// 1. The SA whose packet it quotes.
// 2. The figure: what every link carries, at least (RFC 1191 3 has 68, which serves attackers
//    alone; RFC 8201 4), and less than what is used already: an MTU only goes up by ageing (RFC
//    1191 6.3, RFC 8201 4). Limit: routers older than RFC 1191 tell 0, which is too low.
// 3. It counts from now.
std::optional<DropReason> PathMtu::learn(const QuotedEsp& quoted, std::uint32_t lowest,
                                         std::uint64_t now_ns) const {
  const Sa* const sa = find_sa(quoted);
  if (sa == nullptr) {
    if (!quoted.is_surely_esp()) return std::nullopt;
    return DropReason::icmp_in_no_sa;
  }
  if (quoted.mtu < lowest) return DropReason::icmp_in_mtu_too_low;
  const std::uint32_t media = sa->state->media_mtu.load(std::memory_order_relaxed);
  std::atomic<std::uint32_t>& path_mtu = sa->state->path_mtu;
  // Relaxed: the word is all there is.
  std::uint32_t before = path_mtu.load(std::memory_order_relaxed);
  do {
    const std::uint32_t learned = learned_path_mtu(before, now_ns);
    const std::uint32_t in_use = learned != 0 && learned < media ? learned : media;
    if (quoted.mtu > in_use) return DropReason::icmp_in_mtu_not_lower;
    if (quoted.mtu == media) break;
  } while (!path_mtu.compare_exchange_weak(before, pack_path_mtu(quoted.mtu, now_ns),
                                           std::memory_order_relaxed));
  return DropReason::icmp_in_path_mtu;
}

}  // namespace culvert
