// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/icmp_error.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

#include "dataplane/fib.h"
#include "dataplane/flow_key.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/ip.h"
#include "dataplane/spd.h"

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

}  // namespace

void IcmpErrors::time_exceeded(Packet offending, Lanes& lanes) {
  send(offending, {.type = IcmpType::time_exceeded, .code = kIcmpTtlExceededInTransit},
       time_exceeded_, lanes);
}

void IcmpErrors::fragmentation_needed(Packet offending, std::uint32_t mtu, Lanes& lanes) {
  IcmpHeader header{.type = IcmpType::destination_unreachable, .code = kIcmpFragmentationNeeded};
  header.set_next_hop_mtu(static_cast<std::uint16_t>(std::min(mtu, 65535u)));
  send(offending, header, fragmentation_needed_, lanes);
}

// 1. May there be an error about this packet at all?
// 2. The error goes back where the packet came from. Its source is the address of the port it came
//    in by; about a packet that an SA carried, which goes back through a tunnel, the address of
//    the port that leads to the packet's destination, so that it lies in the tunnel's selectors.
//    What Linux sent is answered to Linux.
// 3. It quotes as much as fits (RFC 1812 4.3.2.3).
void IcmpErrors::send(Packet offending, IcmpHeader header, Limit& limit, Lanes& lanes) {
  const auto* cause = offending.header<Ipv4Header>(0);
  if (!may_be_answered(*cause, offending.bytes())) return;
  const PacketMeta& from = offending.meta();
  if (!limit.take(from.time_ns)) return;

  const bool came_in_clear = from.sa == kNoSa.raw();
  std::uint16_t source_port = from.in_port;
  if (!came_in_clear) {
    const Adjacency onward = fib_->adjacency(fib_->lookup(host_address(cause->destination)));
    if (onward.port.raw() < ports_.size()) source_port = onward.port.raw();
  }
  // Linux would not believe an error from one of its own addresses.
  const bool is_for_linux = from.origin == Origin::linux_;
  const std::uint32_t source = is_for_linux
                                   ? cause->destination.host()
                                   : ports_[source_port].address.load(std::memory_order_relaxed);
  if (source == 0) return;

  constexpr std::size_t kHeaders = sizeof(Ipv4Header) + sizeof(IcmpHeader);
  const std::size_t quoted =
      std::min<std::size_t>(offending.length(), kMaxIcmpErrorBytes - kHeaders);
  rte_mbuf* mbuf = rte_pktmbuf_alloc(pool_);
  if (mbuf == nullptr) return;
  const Packet error(mbuf);
  std::byte* data = error.push_back(static_cast<std::uint16_t>(kHeaders + quoted));
  if (data == nullptr) {
    rte_pktmbuf_free(mbuf);
    return;
  }
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

  error.meta() = {.time_ns = from.time_ns,
                  .arrival = from.arrival,
                  .sa = kNoSa.raw(),
                  .adjacency = fib_->lookup(host_address(cause->source)).raw(),
                  .in_port = from.in_port,
                  .origin = Origin::originated,
                  .answers_clear = came_in_clear ? std::uint8_t{1} : std::uint8_t{0}};
  drops_->counters().originated.add(1);
  if (!is_for_linux) {
    return lanes.clear.push({error, spd_->lookup(Direction::out, flow_of(error.bytes()))});
  }
  static_cast<void>(error.push_front(sizeof(EthernetHeader)));
  *error.header<EthernetHeader>(0) = {.ether_type = wire_ether_type(EtherType::ipv4)};
  lanes.punt.push(error);
}

}  // namespace culvert
