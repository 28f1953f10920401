// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/ip_parse.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/unit/dataplane/net/packet_bytes.h"

namespace culvert {
namespace {

// A right IPv4 packet of `payload_bytes` zeros with `option_words` words of no-operation options.
std::vector<std::byte> ipv4_packet(std::size_t payload_bytes, std::size_t option_words = 0) {
  const std::size_t header_bytes = sizeof(Ipv4Header) + 4 * option_words;
  std::vector<std::byte> packet(header_bytes, std::byte{1});
  Ipv4Header ip;
  ip.version_and_ihl = static_cast<std::uint8_t>(0x40 | header_bytes / 4);
  ip.total_length = Be16{static_cast<std::uint16_t>(header_bytes + payload_bytes)};
  ip.ttl = 64;
  ip.protocol = IpProtocol::udp;
  ip.source = Be32{0xc0000201};
  ip.destination = Be32{0xc0000202};
  std::memcpy(packet.data(), &ip, sizeof(ip));
  ip.checksum = internet_checksum(packet);
  std::memcpy(packet.data(), &ip, sizeof(ip));
  packet.resize(header_bytes + payload_bytes);
  return packet;
}

Ipv4Header& header_of(std::vector<std::byte>& packet) {
  return *mutable_header_at<Ipv4Header>(packet, 0);
}

// Puts the checksum right, so that only the fault under test remains.
void fix_checksum(std::vector<std::byte>& packet) {
  Ipv4Header& ip = header_of(packet);
  ip.checksum = Be16{};
  ip.checksum = ipv4_header_checksum(ip);
}

TEST(ValidateIpv4, AcceptsAHeaderWithoutPayload) {
  EXPECT_EQ(validate_ipv4(ipv4_packet(0)), Ipv4Validity::ok);
}

TEST(ValidateIpv4, AcceptsEveryNumberOfOptions) {
  for (std::size_t words = 0; words <= 10; ++words) {
    EXPECT_EQ(validate_ipv4(ipv4_packet(8, words)), Ipv4Validity::ok) << words;
  }
}

TEST(ValidateIpv4, AcceptsLinkPaddingBehindThePacket) {
  auto packet = ipv4_packet(8);
  packet.resize(46, std::byte{0xee});
  EXPECT_EQ(validate_ipv4(packet), Ipv4Validity::ok);
}

TEST(ValidateIpv4, RefusesEveryTruncation) {
  const auto packet = ipv4_packet(8, 2);
  for (std::size_t size = 0; size < 28; ++size) {
    EXPECT_EQ(validate_ipv4(std::span(packet).first(size)), Ipv4Validity::too_short) << size;
  }
  for (std::size_t size = 28; size < packet.size(); ++size) {
    EXPECT_EQ(validate_ipv4(std::span(packet).first(size)), Ipv4Validity::bad_total_length) << size;
  }
}

TEST(ValidateIpv4, RefusesEveryVersionBut4) {
  for (unsigned version = 0; version < 16; ++version) {
    auto packet = ipv4_packet(8);
    header_of(packet).version_and_ihl = static_cast<std::uint8_t>(version << 4 | 5);
    fix_checksum(packet);
    EXPECT_EQ(validate_ipv4(packet), version == 4 ? Ipv4Validity::ok : Ipv4Validity::bad_version);
  }
}

TEST(ValidateIpv4, RefusesAHeaderLengthBelow20Bytes) {
  for (unsigned ihl = 0; ihl < 5; ++ihl) {
    auto packet = ipv4_packet(8);
    header_of(packet).version_and_ihl = static_cast<std::uint8_t>(0x40 | ihl);
    fix_checksum(packet);
    EXPECT_EQ(validate_ipv4(packet), Ipv4Validity::bad_header_length) << ihl;
  }
}

TEST(ValidateIpv4, RefusesAHeaderLongerThanThePacket) {
  auto packet = ipv4_packet(8);
  header_of(packet).version_and_ihl = 0x48;
  EXPECT_EQ(validate_ipv4(packet), Ipv4Validity::too_short);
}

TEST(ValidateIpv4, RefusesATotalLengthBelowTheHeaderOrBeyondTheBytes) {
  for (const int total : {0, 19, 29, 65535}) {
    auto packet = ipv4_packet(8);
    header_of(packet).total_length = Be16{static_cast<std::uint16_t>(total)};
    fix_checksum(packet);
    EXPECT_EQ(validate_ipv4(packet), Ipv4Validity::bad_total_length) << total;
  }
}

TEST(ValidateIpv4, SeesEveryFlippedBitOfTheHeader) {
  for (std::size_t bit = 0; bit < 24 * 8; ++bit) {
    auto packet = ipv4_packet(8, 1);
    packet[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_NE(validate_ipv4(packet), Ipv4Validity::ok) << bit;
  }
}

TEST(ValidateIpv4, RefusesAWrongChecksum) {
  auto packet = ipv4_packet(8);
  header_of(packet).ttl = 63;
  EXPECT_EQ(validate_ipv4(packet), Ipv4Validity::bad_checksum);
}

const auto kPorts = bytes({0x01, 0xf4, 0x11, 0x94, 0xff});

TEST(TransportPorts, AreThoseOfTheProtocolsThatHavePorts) {
  for (const IpProtocol protocol : {IpProtocol::tcp, IpProtocol::udp, IpProtocol::sctp,
                                    IpProtocol::dccp, IpProtocol::udp_lite}) {
    EXPECT_EQ(transport_ports(protocol, kPorts), (TransportPorts{500, 4500}));
  }
}

TEST(TransportPorts, AreTypeAndCodeOfIcmp) {
  for (const IpProtocol protocol : {IpProtocol::icmp, IpProtocol::icmpv6}) {
    EXPECT_EQ(transport_ports(protocol, bytes({3, 4})), (TransportPorts{3, 4}));
  }
}

TEST(TransportPorts, AreZeroForEveryOtherProtocol) {
  int with_ports = 0;
  for (int protocol = 0; protocol < 256; ++protocol) {
    with_ports += transport_ports(static_cast<IpProtocol>(protocol), kPorts) != TransportPorts{};
  }
  EXPECT_EQ(with_ports, 7);
}

TEST(TransportPorts, AreHiddenWhenThePayloadIsTooShort) {
  EXPECT_EQ(transport_ports(IpProtocol::tcp, std::span(kPorts).first(3)), kHiddenPorts);
  EXPECT_EQ(transport_ports(IpProtocol::icmp, std::span(kPorts).first(1)), kHiddenPorts);
  EXPECT_EQ(transport_ports(IpProtocol::udp, {}), kHiddenPorts);
}

TEST(TransportPorts, AreThereInTheFirstFragmentOnly) {
  Ipv4Header ip;
  ip.protocol = IpProtocol::udp;
  EXPECT_EQ(transport_ports(ip, kPorts), (TransportPorts{500, 4500}));
  ip.flags_and_fragment_offset = Be16{Ipv4Header::kMoreFragments};
  EXPECT_EQ(transport_ports(ip, kPorts), (TransportPorts{500, 4500}));
  ip.flags_and_fragment_offset = Be16{1};
  EXPECT_EQ(transport_ports(ip, kPorts), kHiddenPorts);
}

}  // namespace
}  // namespace culvert
