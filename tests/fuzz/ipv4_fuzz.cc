// SPDX-License-Identifier: BSD-3-Clause
// validate_ipv4 and what a router does to a packet that passed it. Input: a packet from its IPv4
// header on.
#include <vector>

#include "dataplane/net/ip_parse.h"
#include "tests/fuzz/fuzz.h"

using namespace culvert;
using culvert::fuzz::require;

namespace {

void check_valid_packet(std::span<const std::byte> packet) {
  const Ipv4Header* const header = header_at<Ipv4Header>(packet, 0);
  require(header != nullptr, "a valid packet has a header");
  const std::size_t header_bytes = header->header_length_bytes();
  const std::size_t total_bytes = header->total_length.host();
  require(header->version() == 4, "version 4");
  require(header_bytes >= sizeof(Ipv4Header) && header_bytes <= kMaxIpv4HeaderBytes, "header size");
  require(header_bytes <= total_bytes && total_bytes <= packet.size(), "total length");
  require(internet_checksum(packet.first(header_bytes)) == Be16{}, "right checksum");
  (void)transport_ports(*header, packet.subspan(header_bytes, total_bytes - header_bytes));

  if (header->has_options() || header->ttl == 0) return;
  Ipv4Header changed = *header;
  decrement_ttl(changed);
  require(ipv4_header_checksum(changed) == Be16{}, "right checksum after a hop");
  rewrite_dscp_and_ecn(changed, changed.dscp(), Ecn::ce);
  require(ipv4_header_checksum(changed) == Be16{}, "right checksum after marking CE");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  std::vector<std::byte> packet(input.begin(), input.end());
  const Ipv4Validity validity = validate_ipv4(packet);
  if (validity == Ipv4Validity::ok) check_valid_packet(packet);

  // With its checksum put right, so that mutated inputs get past it.
  Ipv4Header* const header = mutable_header_at<Ipv4Header>(packet, 0);
  if (validity != Ipv4Validity::bad_checksum || header == nullptr) return 0;
  header->checksum = Be16{};
  header->checksum = internet_checksum(std::span(packet).first(header->header_length_bytes()));
  require(validate_ipv4(packet) == Ipv4Validity::ok, "valid once the checksum is right");
  check_valid_packet(packet);
  return 0;
}
