// SPDX-License-Identifier: BSD-3-Clause
// Every wire header in the order a frame nests them, each read only where header_at allows. Input:
// an Ethernet frame.
#include "dataplane/net/arp.h"
#include "dataplane/net/esp.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/ip_parse.h"
#include "dataplane/net/tcp.h"
#include "dataplane/net/udp.h"
#include "tests/fuzz/fuzz.h"

using namespace culvert;
using culvert::fuzz::require;

namespace {

void walk_esp(std::span<const std::byte> packet) {
  const EspHeader* const esp = header_at<EspHeader>(packet, 0);
  if (esp == nullptr || packet.size() < sizeof(EspHeader) + sizeof(EspTrailer)) return;
  require(wire_spi(esp->host_spi()) == esp->spi, "the SPI survives the way there and back");
  require(header_at<EspTrailer>(packet, packet.size() - sizeof(EspTrailer)) != nullptr, "trailer");
}

void walk_transport(IpProtocol protocol, std::span<const std::byte> payload) {
  const TransportPorts ports = transport_ports(protocol, payload);
  if (protocol == IpProtocol::udp) {
    const UdpHeader* const udp = header_at<UdpHeader>(payload, 0);
    if (udp == nullptr) return;
    require(ports.source == udp->source_port.host(), "UDP source port");
    require(ports.destination == udp->destination_port.host(), "UDP destination port");
    if (ports.destination == kNatTPort) walk_esp(payload.subspan(sizeof(UdpHeader)));
  } else if (protocol == IpProtocol::tcp) {
    const TcpHeader* const tcp = header_at<TcpHeader>(payload, 0);
    if (tcp == nullptr) return;
    require(ports.source == tcp->source_port.host(), "TCP source port");
    require(tcp->header_length_bytes() <= 60, "TCP header length");
  } else if (protocol == IpProtocol::icmp) {
    const IcmpHeader* const icmp = header_at<IcmpHeader>(payload, 0);
    if (icmp == nullptr) return;
    require(ports.source == static_cast<std::uint8_t>(icmp->type), "ICMP type as source");
    require(ports.destination == icmp->code, "ICMP code as destination");
  } else if (protocol == IpProtocol::esp) {
    walk_esp(payload);
  }
}

void walk_ipv4(std::span<const std::byte> packet) {
  if (validate_ipv4(packet) != Ipv4Validity::ok) return;
  const Ipv4Header* const ip = header_at<Ipv4Header>(packet, 0);
  const std::size_t header_bytes = ip->header_length_bytes();
  if (ip->fragment_offset_bytes() != 0) return;
  walk_transport(ip->protocol,
                 packet.subspan(header_bytes, ip->total_length.host() - header_bytes));
}

void walk_ipv6_frame(std::span<const std::byte> packet) {
  const Ipv6Header* const ip = header_at<Ipv6Header>(packet, 0);
  if (ip == nullptr || ip->version() != 6) return;
  Ipv6Header copy = *ip;
  copy.set_dscp_and_ecn(ip->dscp(), ip->ecn());
  require(copy.version_class_and_flow == ip->version_class_and_flow, "the same traffic class");
  walk_transport(ip->next_header, packet.subspan(sizeof(Ipv6Header)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto frame = std::as_bytes(std::span(data, size));
  const EthernetHeader* const ethernet = header_at<EthernetHeader>(frame, 0);
  if (ethernet == nullptr) return 0;
  require(MacAddress::from_uint64(ethernet->source.to_uint64()) == ethernet->source, "MAC address");
  std::size_t offset = sizeof(EthernetHeader);
  EtherType type = ethernet->type();
  while (type == EtherType::vlan || type == EtherType::service_vlan) {
    const VlanTag* const tag = header_at<VlanTag>(frame, offset);
    if (tag == nullptr) return 0;
    require(tag->vlan_id() < 4096 && tag->priority() < 8, "VLAN tag");
    type = tag->type();
    offset += sizeof(VlanTag);
  }
  if (type == EtherType::ipv4) walk_ipv4(frame.subspan(offset));
  if (type == EtherType::ipv6) walk_ipv6_frame(frame.subspan(offset));
  if (type == EtherType::arp) {
    const ArpHeader* const arp = header_at<ArpHeader>(frame, offset);
    if (arp != nullptr && arp->is_ipv4_over_ethernet()) {
      require(!(arp->is(ArpOperation::request) && arp->is(ArpOperation::reply)), "one operation");
    }
  }
  return 0;
}
