// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/ipv6_parse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "dataplane/net/checksum.h"
#include "tests/unit/dataplane/net/packet_bytes.h"

namespace culvert {
namespace {

constexpr Ipv6Address kSource{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr Ipv6Address kDestination{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};

// A right IPv6 packet whose first next header is `first`.
std::vector<std::byte> ipv6_packet(IpProtocol first, const std::vector<std::byte>& payload) {
  Ipv6Header ip;
  ip.payload_length = Be16{static_cast<std::uint16_t>(payload.size())};
  ip.next_header = first;
  ip.hop_limit = 64;
  ip.source = kSource;
  ip.destination = kDestination;
  std::vector<std::byte> packet(sizeof ip + payload.size());
  std::memcpy(packet.data(), &ip, sizeof ip);
  std::copy(payload.begin(), payload.end(), packet.begin() + sizeof ip);
  return packet;
}

Ipv6Header& header_of(std::vector<std::byte>& packet) {
  return *mutable_header_at<Ipv6Header>(packet, 0);
}

// One extension header of 8 * (1 + extra) bytes.
std::vector<std::byte> extension(IpProtocol next, unsigned extra = 0) {
  std::vector<std::byte> result(8 + 8 * std::size_t{extra});
  result[0] = static_cast<std::byte>(next);
  result[1] = static_cast<std::byte>(extra);
  return result;
}

std::vector<std::byte> fragment_header(IpProtocol next, unsigned offset_and_more) {
  return bytes({static_cast<unsigned>(next), 0, offset_and_more >> 8, offset_and_more & 0xff,  //
                0x12, 0x34, 0x56, 0x78});
}

std::vector<std::byte> joined(std::initializer_list<std::vector<std::byte>> parts) {
  std::vector<std::byte> result;
  for (const auto& part : parts) result.insert(result.end(), part.begin(), part.end());
  return result;
}

const auto kUdp = bytes({0x01, 0xf4, 0x11, 0x94, 0, 8, 0, 0});

using enum IpProtocol;

TEST(ValidateIpv6, AcceptsAHeaderWithoutPayload) {
  EXPECT_EQ(validate_ipv6(ipv6_packet(no_next_header, {})), Ipv6Validity::ok);
}

TEST(ValidateIpv6, AcceptsLinkPaddingBehindThePacket) {
  auto packet = ipv6_packet(udp, kUdp);
  packet.resize(packet.size() + 6, std::byte{0xee});
  EXPECT_EQ(validate_ipv6(packet), Ipv6Validity::ok);
}

TEST(ValidateIpv6, RefusesEveryTruncation) {
  const auto packet = ipv6_packet(udp, kUdp);
  for (std::size_t size = 0; size < packet.size(); ++size) {
    EXPECT_EQ(validate_ipv6(std::span(packet).first(size)),
              size < 40 ? Ipv6Validity::too_short : Ipv6Validity::bad_payload_length)
        << size;
  }
}

TEST(ValidateIpv6, RefusesEveryVersionBut6) {
  for (std::uint32_t version = 0; version < 16; ++version) {
    auto packet = ipv6_packet(udp, kUdp);
    header_of(packet).version_class_and_flow = Be32{version << 28 | 0x0ff00001};
    EXPECT_EQ(validate_ipv6(packet), version == 6 ? Ipv6Validity::ok : Ipv6Validity::bad_version);
  }
}

TEST(ValidateIpv6, RefusesAJumbogram) {
  auto packet = ipv6_packet(hop_by_hop, joined({extension(udp), kUdp}));
  EXPECT_EQ(validate_ipv6(packet), Ipv6Validity::ok);
  header_of(packet).payload_length = Be16{};
  EXPECT_EQ(validate_ipv6(packet), Ipv6Validity::jumbogram);
}

TEST(ValidateIpv6, RefusesAMulticastSource) {
  auto packet = ipv6_packet(udp, kUdp);
  header_of(packet).source[0] = 0xff;
  EXPECT_EQ(validate_ipv6(packet), Ipv6Validity::bad_source);
}

TEST(WalkIpv6, EndsAtOnceWithoutExtensionHeaders) {
  for (const IpProtocol protocol : {tcp, udp, icmpv6, esp, ah, ipip, ipv6, no_next_header}) {
    const Ipv6Chain chain = walk_ipv6(ipv6_packet(protocol, kUdp));
    EXPECT_EQ(chain.end, Ipv6ChainEnd::upper_layer);
    EXPECT_EQ(chain.protocol, protocol);
    EXPECT_EQ(chain.payload_offset, 40);
    EXPECT_EQ(chain.esp_offset, 40);
    EXPECT_EQ(chain.esp_next_header_offset, 6);
    EXPECT_FALSE(chain.has_fragment_header());
    EXPECT_FALSE(chain.is_fragment());
  }
}

// RFC 4303 3.1.1: each line is a chain of headers, and where ESP goes in it.
TEST(WalkIpv6, FindsThePlaceOfEspBehindWhatIsForTheWay) {
  struct Case {
    const char* story;
    IpProtocol first;
    std::vector<std::byte> payload;
    int payload_offset, esp_offset, esp_next_header_offset;
  };
  const auto dst = ipv6_destination_options;
  const auto route = ipv6_routing;
  const auto frag = ipv6_fragment;
  const Case cases[] = {
      {"hop-by-hop", hop_by_hop, joined({extension(udp, 1), kUdp}), 56, 56, 40},
      {"routing", route, joined({extension(udp, 2), kUdp}), 64, 64, 40},
      {"fragment", frag, joined({fragment_header(udp, 1), kUdp}), 48, 48, 40},
      {"destination options", dst, joined({extension(udp), kUdp}), 48, 40, 6},
      {"destination options for the way", dst, joined({extension(route), extension(udp), kUdp}), 56,
       56, 48},
      {"hop-by-hop, then for the end", hop_by_hop, joined({extension(dst), extension(udp), kUdp}),
       56, 48, 40},
      {"all of them", hop_by_hop,
       joined({extension(dst), extension(route, 2), extension(frag), fragment_header(dst, 1),
               extension(udp, 1), kUdp}),
       104, 88, 80},
      {"two of them for the end", dst, joined({extension(dst), extension(udp), kUdp}), 56, 40, 6},
  };
  for (const Case& c : cases) {
    const auto packet = ipv6_packet(c.first, c.payload);
    const Ipv6Chain chain = walk_ipv6(packet);
    EXPECT_EQ(chain.end, Ipv6ChainEnd::upper_layer) << c.story;
    EXPECT_EQ(chain.protocol, udp) << c.story;
    EXPECT_EQ(chain.payload_offset, c.payload_offset) << c.story;
    EXPECT_EQ(chain.esp_offset, c.esp_offset) << c.story;
    EXPECT_EQ(chain.esp_next_header_offset, c.esp_next_header_offset) << c.story;
    EXPECT_EQ(transport_ports(chain, packet), (TransportPorts{500, 4500})) << c.story;
  }
}

TEST(WalkIpv6, ReadsTheFragmentHeader) {
  const auto packet = ipv6_packet(ipv6_fragment, joined({fragment_header(udp, 0x05a9), kUdp}));
  const Ipv6Chain chain = walk_ipv6(packet);
  EXPECT_EQ(chain.fragment_header_offset, 40);
  EXPECT_EQ(chain.fragment_offset_bytes, 1448);
  EXPECT_EQ(chain.fragment_identification, 0x12345678u);
  EXPECT_TRUE(chain.more_fragments);
  EXPECT_TRUE(chain.is_fragment());
}

TEST(WalkIpv6, TakesAnAtomicFragmentForAWholeDatagram) {
  const auto packet = ipv6_packet(ipv6_fragment, joined({fragment_header(udp, 0), kUdp}));
  const Ipv6Chain chain = walk_ipv6(packet);
  EXPECT_TRUE(chain.has_fragment_header());
  EXPECT_FALSE(chain.is_fragment());
  EXPECT_EQ(transport_ports(chain, packet), (TransportPorts{500, 4500}));
}

// What follows it is the middle of something.
TEST(WalkIpv6, DoesNotLookBehindTheHeaderOfALaterFragment) {
  const auto packet = ipv6_packet(
      ipv6_fragment, joined({fragment_header(ipv6_destination_options, 8), extension(udp), kUdp}));
  const Ipv6Chain chain = walk_ipv6(packet);
  EXPECT_EQ(chain.end, Ipv6ChainEnd::upper_layer);
  EXPECT_EQ(chain.protocol, ipv6_destination_options);
  EXPECT_EQ(chain.payload_offset, 48);
}

TEST(WalkIpv6, KnowsNoPortsOfALaterFragment) {
  const auto packet = ipv6_packet(ipv6_fragment, joined({fragment_header(udp, 8), kUdp}));
  const Ipv6Chain chain = walk_ipv6(packet);
  EXPECT_EQ(chain.protocol, udp);
  EXPECT_EQ(transport_ports(chain, packet), kHiddenPorts);
}

TEST(WalkIpv6, RefusesEveryTruncationOfExtensionHeaders) {
  const auto payload = joined({extension(ipv6_routing, 1), extension(ipv6_fragment, 2),
                               fragment_header(ipv6_destination_options, 1), extension(udp, 3)});
  for (std::size_t size = 0; size <= payload.size(); ++size) {
    const auto packet = ipv6_packet(hop_by_hop, std::vector(payload.data(), payload.data() + size));
    const Ipv6Chain chain = walk_ipv6(packet);
    EXPECT_EQ(chain.end,
              size == payload.size() ? Ipv6ChainEnd::upper_layer : Ipv6ChainEnd::truncated)
        << size;
    if (size < payload.size()) {
      EXPECT_EQ(transport_ports(chain, packet), kHiddenPorts);
    }
  }
}

TEST(WalkIpv6, RefusesHopByHopOptionsBehindAnythingElse) {
  const auto packet =
      ipv6_packet(ipv6_destination_options, joined({extension(hop_by_hop), extension(udp), kUdp}));
  EXPECT_EQ(walk_ipv6(packet).end, Ipv6ChainEnd::misplaced);
}

TEST(WalkIpv6, RefusesASecondFragmentHeader) {
  const auto packet = ipv6_packet(
      ipv6_fragment, joined({fragment_header(ipv6_fragment, 1), fragment_header(udp, 0), kUdp}));
  EXPECT_EQ(walk_ipv6(packet).end, Ipv6ChainEnd::misplaced);
}

TEST(WalkIpv6, TakesEightExtensionHeadersAndNoMore) {
  for (const std::size_t count : {8u, 9u}) {
    std::vector<std::byte> payload;
    for (std::size_t i = 0; i < count; ++i) {
      payload = joined({payload, extension(i + 1 == count ? udp : ipv6_destination_options)});
    }
    const Ipv6Chain chain = walk_ipv6(ipv6_packet(ipv6_destination_options, payload));
    EXPECT_EQ(chain.end, count == 8 ? Ipv6ChainEnd::upper_layer : Ipv6ChainEnd::too_many_headers);
  }
}

TEST(TransportPortsOfIpv6, AreTypeAndCodeOfIcmpv6) {
  const auto packet = ipv6_packet(icmpv6, bytes({2, 0, 0, 0, 0, 0, 5, 0}));
  EXPECT_EQ(transport_ports(walk_ipv6(packet), packet), (TransportPorts{2, 0}));
}

TEST(Ipv6Scope, IsToldFromTheFirstBits) {
  struct Case {
    Ipv6Address address;
    bool multicast, link_local, link_local_multicast, one_host;
  };
  constexpr Case kCases[] = {
      {{}, false, false, false, false},                                                // ::
      {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, false, false, false, false},  // ::1
      {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, false, false, false, true},
      {kSource, false, false, false, true},
      {{0xfc}, false, false, false, true},  // unique local
      {{0xfe, 0x80}, false, true, false, false},
      {{0xfe, 0xbf}, false, true, false, false},  // fe80::/10
      {{0xfe, 0xc0}, false, false, false, true},
      {{0xff, 0x02}, true, false, true, false},
      {{0xff, 0x11}, true, false, true, false},  // transient, of the node
      {{0xff, 0x05}, true, false, false, false},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(is_multicast(c.address), c.multicast);
    EXPECT_EQ(is_link_local(c.address), c.link_local);
    EXPECT_EQ(is_link_local_multicast(c.address), c.link_local_multicast);
    EXPECT_EQ(is_one_host(c.address), c.one_host);
  }
}

}  // namespace
}  // namespace culvert
