// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/icmp_error.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "dataplane/flow_key.h"
#include "dataplane/ip_packet.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ip.h"
#include "dataplane/spd.h"
#include "dataplane/spread_hash.h"

namespace culvert {
namespace {

constexpr std::uint8_t kErrorTtl = 64;
// RFC 1812 4.3.2.5: network control.
constexpr Dscp kErrorDscp{48};

bool may_be_answered(const Ipv4Header& header, std::span<const std::byte> packet) {
  if (header.fragment_offset_bytes() != 0) return false;
  if (!is_one_host(host_address(header.source)) || !is_one_host(host_address(header.destination))) {
    return false;
  }
  if (header.protocol != IpProtocol::icmp) return true;
  const auto* icmp = header_at<IcmpHeader>(packet, header.header_length_bytes());
  return icmp != nullptr && !is_icmp_error(icmp->type);
}

// RFC 4443 2.4 e.
bool may_be_answered(const Ipv6Header& header, std::span<const std::byte> packet) {
  if (!is_one_host(header.source) || !is_one_host(header.destination)) return false;
  const Ipv6Chain chain = walk_ipv6(packet);
  if (chain.end != Ipv6ChainEnd::upper_layer || chain.fragment_offset_bytes != 0) return false;
  if (chain.protocol != IpProtocol::icmpv6) return true;
  const auto* icmp = header_at<Icmpv6Header>(packet, chain.payload_offset);
  return icmp != nullptr && !is_icmpv6_error(icmp->type) && icmp->type != Icmpv6Type::redirect;
}

}  // namespace

void IcmpErrors::time_exceeded(Packet offending, Lanes& lanes) {
  if (is_ipv6(offending)) {
    send_ipv6(offending, {.type = Icmpv6Type::time_exceeded, .code = kIcmpv6HopLimitExceeded},
              time_exceeded6_, lanes);
    return;
  }
  send(offending, {.type = IcmpType::time_exceeded, .code = kIcmpTtlExceededInTransit},
       time_exceeded_, lanes);
}

void IcmpErrors::too_big(Packet offending, std::uint32_t mtu, Lanes& lanes) {
  if (is_ipv6(offending)) {
    const auto told = std::max(mtu, static_cast<std::uint32_t>(kMinIpv6MtuBytes));
    const Icmpv6Header header{.type = Icmpv6Type::packet_too_big, .word = Be32{told}};
    if (send_ipv6(offending, header, too_big6_, lanes)) drops_->counters().too_big_sent.add(1);
    return;
  }
  IcmpHeader header{.type = IcmpType::destination_unreachable, .code = kIcmpFragmentationNeeded};
  header.set_next_hop_mtu(static_cast<std::uint16_t>(std::min(mtu, 65535u)));
  if (send(offending, header, too_big_, lanes)) drops_->counters().too_big_sent.add(1);
}

// The error goes back where the packet came from. Its source is the address of the port it came in
// by; about a packet that an SA carried, which goes back through a tunnel, the address of the port
// that leads to the packet's destination, so that it lies in the tunnel's selectors. What Linux
// sent is answered to Linux, which would not believe an error from one of its own addresses: it
// comes from the destination.
IcmpErrors::Way IcmpErrors::way_of(Packet offending, AdjacencyIndex onward) const {
  const PacketMeta& from = offending.meta();
  Way way{.port = from.in_port,
          .came_in_clear = from.sa == kNoSa.raw(),
          .is_for_linux = from.origin == Origin::linux_};
  if (way.came_in_clear) return way;
  const AdjacencyIndex next_hop = fib_->next_hop(onward, spread_hash(offending));
  const std::uint16_t port = fib_->packed(next_hop).port().raw();
  if (port < ports_.size()) way.port = port;
  return way;
}

Packet IcmpErrors::make(Packet offending, const Way& way, std::size_t bytes) const {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
  if (mbuf == nullptr) return {};
  const Packet error(mbuf);
  if (error.push_back(static_cast<std::uint16_t>(bytes)) == nullptr) {
    rte_pktmbuf_free(mbuf);
    return {};
  }
  const PacketMeta& from = offending.meta();
  error.meta() = {.time_ns = from.time_ns,
                  .arrival = from.arrival,
                  .sa = kNoSa.raw(),
                  .in_port = from.in_port,
                  .origin = Origin::originated,
                  .answers_clear = way.came_in_clear ? std::uint8_t{1} : std::uint8_t{0}};
  return error;
}

void IcmpErrors::set_next_hop(Packet error, AdjacencyIndex found) const {
  error.meta().adjacency = fib_->next_hop(found, spread_hash(error)).raw();
}

void IcmpErrors::deliver(Packet error, const Way& way, const PolicyEntry* policy, Lanes& lanes) {
  drops_->counters().originated.add(1);
  if (!way.is_for_linux) return lanes.clear.push({error, policy});
  const EtherType type = is_ipv6(error) ? EtherType::ipv6 : EtherType::ipv4;
  static_cast<void>(error.push_front(sizeof(EthernetHeader)));
  *error.header<EthernetHeader>(0) = {.ether_type = wire_ether_type(type)};
  lanes.punt.push(error);
}

bool IcmpErrors::withhold() {
  drops_->counters().icmp_withheld.add(1);
  return false;
}

// 1. May there be an error about this packet at all?
// 2. Where to, and from which address.
// 3. It quotes as much as fits (RFC 1812 4.3.2.3).
bool IcmpErrors::send(Packet offending, IcmpHeader header, Limit& limit, Lanes& lanes) {
  const auto* cause = offending.header<Ipv4Header>(0);
  if (!may_be_answered(*cause, offending.bytes())) return false;
  if (!limit.take(offending.meta().time_ns)) return withhold();

  const Way way = way_of(offending, fib_->lookup(host_address(cause->destination)));
  const std::uint32_t source = way.is_for_linux
                                   ? cause->destination.host()
                                   : ports_[way.port].address.load(std::memory_order_relaxed);
  if (source == 0) return false;

  constexpr std::size_t kHeaders = sizeof(Ipv4Header) + sizeof(IcmpHeader);
  const std::size_t quoted =
      std::min<std::size_t>(offending.length(), kMaxIcmpErrorBytes - kHeaders);
  const Packet error = make(offending, way, kHeaders + quoted);
  if (error.mbuf() == nullptr) return withhold();
  std::byte* const data = error.data();
  std::memcpy(data + kHeaders, offending.data(), quoted);
  std::memcpy(data + sizeof(Ipv4Header), &header, sizeof header);
  header.checksum = internet_checksum(error.bytes().subspan(sizeof(Ipv4Header)));
  std::memcpy(data + sizeof(Ipv4Header), &header, sizeof header);

  Ipv4Header ip{};
  ip.set_dscp_and_ecn(kErrorDscp, Ecn::not_ect);
  ip.total_length = Be16(static_cast<std::uint16_t>(kHeaders + quoted));
  ip.flags_and_fragment_offset = Be16(Ipv4Header::kDontFragment);
  ip.ttl = kErrorTtl;
  ip.protocol = IpProtocol::icmp;
  ip.source = Be32(source);
  ip.destination = cause->source;
  ip.checksum = ipv4_header_checksum(ip);
  std::memcpy(data, &ip, sizeof ip);

  set_next_hop(error, fib_->lookup(host_address(cause->source)));
  deliver(error, way, spd_->lookup(Direction::out, flow_of(error.bytes())), lanes);
  return true;
}

// The same steps; the quote ends where the error would be longer than every link carries (RFC 4443
// 2.4 c).
bool IcmpErrors::send_ipv6(Packet offending, Icmpv6Header header, Limit& limit, Lanes& lanes) {
  const auto* cause = offending.header<Ipv6Header>(0);
  if (!may_be_answered(*cause, offending.bytes())) return false;
  if (!limit.take(offending.meta().time_ns)) return withhold();

  const Way way = way_of(offending, fib_->lookup(cause->destination));
  const Ipv6Address source =
      way.is_for_linux ? cause->destination : fib_->own_ipv6_address(PortId{way.port});
  if (source == Ipv6Address{}) return false;

  constexpr std::size_t kHeaders = sizeof(Ipv6Header) + sizeof(Icmpv6Header);
  const std::size_t quoted = std::min<std::size_t>(offending.length(), kMinIpv6MtuBytes - kHeaders);
  const Packet error = make(offending, way, kHeaders + quoted);
  if (error.mbuf() == nullptr) return withhold();
  std::byte* const data = error.data();
  std::memcpy(data + kHeaders, offending.data(), quoted);
  std::memcpy(data + sizeof(Ipv6Header), &header, sizeof header);

  Ipv6Header ip{};
  ip.set_dscp_and_ecn(kErrorDscp, Ecn::not_ect);
  ip.payload_length = Be16(static_cast<std::uint16_t>(sizeof header + quoted));
  ip.next_header = IpProtocol::icmpv6;
  ip.hop_limit = kErrorTtl;
  ip.source = source;
  ip.destination = cause->source;
  std::memcpy(data, &ip, sizeof ip);
  header.checksum = transport_checksum(ip.source, ip.destination, IpProtocol::icmpv6,
                                       error.bytes().subspan(sizeof(Ipv6Header)));
  std::memcpy(data + sizeof(Ipv6Header), &header, sizeof header);

  set_next_hop(error, fib_->lookup(cause->source));
  const Ipv6Chain chain = walk_ipv6(error.bytes());
  deliver(error, way, spd_->lookup(Direction::out, flow_of(error.bytes(), chain)), lanes);
  return true;
}

}  // namespace culvert
