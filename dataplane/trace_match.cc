// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/trace_match.h"

#include <algorithm>

#include "dataplane/net/esp.h"
#include "dataplane/net/ip_parse.h"
#include "dataplane/net/ipv6_parse.h"
#include "dataplane/net/udp.h"

namespace culvert {
namespace {

bool has_prefix(const IpAddress& address, const IpAddress& prefix, std::size_t bits) {
  const std::size_t whole = bits / 8;
  if (!std::equal(prefix.bytes.begin(), prefix.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  address.bytes.begin())) {
    return false;
  }
  if (bits % 8 == 0) return true;
  const auto differing = static_cast<unsigned>(prefix.bytes[whole] ^ address.bytes[whole]);
  return differing >> (8 - bits % 8) == 0;
}

bool is_wanted_port(std::uint16_t wanted, std::uint16_t port) {
  return wanted == 0 || wanted == port;
}

// The ESP header, if one starts here.
void note_esp(std::span<const std::byte> payload, TracedHeader& header) {
  const auto* const esp = header_at<EspHeader>(payload, 0);
  if (esp == nullptr) return;
  header.is_esp = true;
  header.spi = esp->spi.host();
  header.sequence = esp->sequence.host();
}

void note_payload(IpProtocol protocol, const TransportPorts& ports,
                  std::span<const std::byte> payload, TracedHeader& header) {
  header.protocol = static_cast<std::uint8_t>(protocol);
  header.src_port = ports.source;
  header.dst_port = ports.destination;
  if (protocol == IpProtocol::esp) return note_esp(payload, header);
  const bool is_nat_t =
      protocol == IpProtocol::udp && (ports.source == kNatTPort || ports.destination == kNatTPort);
  if (!is_nat_t || payload.size() < sizeof(UdpHeader) + sizeof(EspHeader)) return;
  const auto inside = payload.subspan(sizeof(UdpHeader));
  // The non-ESP marker is IKE's (RFC 3948 2.2).
  if (header_at<EspHeader>(inside, 0)->spi.host() != 0) note_esp(inside, header);
}

}  // namespace

std::optional<TracedHeader> traced_header(std::span<const std::byte> packet) {
  TracedHeader header;
  if (const auto* const ip = header_at<Ipv4Header>(packet, 0);
      ip != nullptr && ip->version() == 4) {
    if (validate_ipv4(packet) != Ipv4Validity::ok) return {};
    header.family = Family::v4;
    header.src = IpAddress::v4(ip->source);
    header.dst = IpAddress::v4(ip->destination);
    header.length = ip->total_length.host();
    const auto payload = packet.first(header.length).subspan(ip->header_length_bytes());
    note_payload(ip->protocol, transport_ports(*ip, payload), payload, header);
    return header;
  }
  if (validate_ipv6(packet) != Ipv6Validity::ok) return {};
  const auto& ip = *header_at<Ipv6Header>(packet, 0);
  header.family = Family::v6;
  header.src.bytes = ip.source;
  header.dst.bytes = ip.destination;
  header.length = static_cast<std::uint32_t>(ip.total_bytes());
  const auto whole = packet.first(header.length);
  const Ipv6Chain chain = walk_ipv6(whole);
  if (chain.end != Ipv6ChainEnd::upper_layer) return header;
  const auto payload = whole.subspan(chain.payload_offset);
  note_payload(chain.protocol, transport_ports(chain, whole), payload, header);
  return header;
}

bool matches(const TraceFilter& filter, const TracedHeader& header, std::uint32_t spi) {
  if (filter.spi != 0 && filter.spi != spi) return false;
  if (filter.protocol != 0 && filter.protocol != header.protocol) return false;
  const auto is_flow = [&filter](const IpAddress& src, const IpAddress& dst, std::uint16_t src_port,
                                 std::uint16_t dst_port) {
    return has_prefix(src, filter.src, filter.src_prefix_bits) &&
           has_prefix(dst, filter.dst, filter.dst_prefix_bits) &&
           is_wanted_port(filter.src_port, src_port) && is_wanted_port(filter.dst_port, dst_port);
  };
  if (filter.family != Family::none && filter.family != header.family) return false;
  if (is_flow(header.src, header.dst, header.src_port, header.dst_port)) return true;
  return filter.is_both_ways != 0 &&
         is_flow(header.dst, header.src, header.dst_port, header.src_port);
}

Refusal check_trace_filter(const TraceFilter& filter) {
  const bool has_prefixes = filter.src_prefix_bits != 0 || filter.dst_prefix_bits != 0;
  std::uint8_t most = 0;
  switch (filter.family) {
    case Family::none:
      break;
    case Family::v4:
      most = 32;
      break;
    case Family::v6:
      most = 128;
      break;
    default:
      return Refusal::bad_family;
  }
  if (has_prefixes && (filter.src_prefix_bits > most || filter.dst_prefix_bits > most)) {
    return Refusal::bad_prefix;
  }
  if (filter.is_both_ways > 1 || filter.wants_bytes > 1) return Refusal::bad_enum;
  return Refusal::none;
}

}  // namespace culvert
