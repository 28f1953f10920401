// SPDX-License-Identifier: BSD-3-Clause
// validate_ipv6 and the walk along the extension headers of what passed it. Input: a packet from
// its IPv6 header on.
#include "dataplane/net/ipv6_parse.h"

#include "dataplane/net/checksum.h"
#include "dataplane/net/icmpv6.h"
#include "tests/fuzz/fuzz.h"

using namespace culvert;
using culvert::fuzz::require;

namespace {

// What a stage does with the walk's results: read ports, and put ESP in.
void check_chain(const Ipv6Chain& chain, std::span<const std::byte> packet) {
  const TransportPorts ports = transport_ports(chain, packet);
  require(chain.payload_offset >= sizeof(Ipv6Header), "the payload is behind the header");
  require(chain.payload_offset <= packet.size(), "the payload starts within the packet");
  require(chain.esp_offset >= sizeof(Ipv6Header), "ESP is behind the header");
  require(chain.esp_offset <= chain.payload_offset, "ESP is before the payload");
  require(chain.esp_next_header_offset < chain.esp_offset, "ESP is named before it comes");
  if (chain.has_fragment_header()) {
    require(chain.fragment_header_offset + sizeof(Ipv6FragmentHeader) <= chain.payload_offset,
            "the payload is behind the fragment header");
    require(chain.fragment_offset_bytes % 8 == 0, "fragments start at multiples of 8");
  } else {
    require(!chain.is_fragment(), "a fragment has a fragment header");
  }
  if (chain.end != Ipv6ChainEnd::upper_layer || chain.fragment_offset_bytes != 0) {
    require(ports == kHiddenPorts, "no ports where there is no transport header");
    return;
  }
  require(!is_ipv6_extension(chain.protocol), "the walk ends at the upper layer");
  const auto payload = packet.subspan(chain.payload_offset);
  const Icmpv6Header* const icmp = header_at<Icmpv6Header>(payload, 0);
  if (chain.protocol == IpProtocol::icmpv6 && icmp != nullptr) {
    require(ports.source == static_cast<std::uint8_t>(icmp->type), "ICMPv6 type as source");
    require(ports.destination == icmp->code, "ICMPv6 code as destination");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  if (validate_ipv6(input) != Ipv6Validity::ok) return 0;
  const Ipv6Header& header = *header_at<Ipv6Header>(input, 0);
  require(header.total_bytes() <= input.size(), "payload length");
  const auto packet = input.first(header.total_bytes());
  check_chain(walk_ipv6(packet), packet);
  Ipv6Header copy = header;
  copy.set_dscp_and_ecn(header.dscp(), header.ecn());
  require(copy.version_class_and_flow == header.version_class_and_flow, "the same first word");
  return 0;
}
