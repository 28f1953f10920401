// SPDX-License-Identifier: BSD-3-Clause
// quoted_esp and quoted_esp_ipv6. Input: an ICMP or ICMPv6 message.
#include <algorithm>

#include "dataplane/icmp_quote.h"
#include "tests/fuzz/fuzz.h"

using namespace culvert;
using culvert::fuzz::require;

namespace {

void check(const QuotedEsp& quoted, std::span<const std::byte> packet) {
  require(quoted.spi != Spi{}, "there is an SPI");
  require(quoted.is_surely_esp() || quoted.is_udp_encapsulated, "only UDP may be something else");
  if (quoted.family == Family::v4) {
    const auto* ip = header_at<Ipv4Header>(packet, 0);
    require(ip != nullptr && IpAddress::v4(ip->source) == quoted.source, "IPv4 source");
    require(IpAddress::v4(ip->destination) == quoted.destination, "IPv4 destination");
    require(quoted.mtu <= 0xffff, "MTU of 16 bits");
    require(ip->protocol == IpProtocol::esp || quoted.is_udp_encapsulated, "ESP or UDP");
  } else {
    const auto* ip = header_at<Ipv6Header>(packet, 0);
    require(ip != nullptr && ip->source == quoted.source.bytes, "IPv6 source");
    require(ip->destination == quoted.destination.bytes, "IPv6 destination");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = std::as_bytes(std::span(data, size));
  const auto quoted = quoted_esp(message);
  const auto quoted6 = quoted_esp_ipv6(message);
  require(!quoted || !quoted6, "a message is ICMP or ICMPv6");
  if (quoted) check(*quoted, message.subspan(sizeof(IcmpHeader)));
  if (quoted6) check(*quoted6, message.subspan(sizeof(Icmpv6Header)));
  // What is cut shorter never tells more.
  for (std::size_t bytes = 0; bytes < std::min<std::size_t>(size, 100); ++bytes) {
    require(!quoted_esp(message.first(bytes)) || quoted, "a shorter quote says no more");
  }
  return 0;
}
