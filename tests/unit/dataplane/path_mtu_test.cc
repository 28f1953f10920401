// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path_mtu.h"

#include "tests/unit/dataplane/stage_lab.h"

namespace culvert {
namespace {

constexpr std::uint64_t kNow = 1'700'000'000'000'000'000;
constexpr std::uint64_t kMinute = 60'000'000'000;
constexpr Ipv6Address kOurs6 = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr Ipv6Address kPeer6 = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};

// StageLab's SA 0 sends to 192.0.2.2 with SPI 0x1001; 1 is the same in UDP with 0x1002, 2 IPv6.
class PathMtuLearning : public StageLab {
 protected:
  void SetUp() override {
    StageLab::SetUp();
    SaSpec spec{.generation = 1,
                .direction = Direction::out,
                .transform = static_cast<std::uint8_t>(TransformId::aes128_gcm16),
                .family = Family::v4,
                .spi = 0x1002,
                .src = IpAddress::v4(wire_address(kOurs)),
                .dst = IpAddress::v4(wire_address(kPeer))};
    spec.flags = kSaUdpEncap;
    spec.encap_src_port = Be16{4500};
    spec.encap_dst_port = Be16{4501};
    ASSERT_EQ(sad_->add(SaIndex{1}, spec, {.generation = 1, .key_bytes = 20}), Refusal::none);
    spec.flags = 0;
    spec.family = Family::v6;
    spec.spi = 0x1003;
    spec.src = {kOurs6};
    spec.dst = {kPeer6};
    ASSERT_EQ(sad_->add(SaIndex{2}, spec, {.generation = 1, .key_bytes = 20}), Refusal::none);
    ASSERT_EQ(fib_->address_add(PortId{0}, {kOurs6, 64}), Refusal::none);
    fib_->publish();
    sad_->resolve_next_hops(*fib_, ports_);
  }

  struct Message {
    std::uint32_t mtu = 1400;
    std::uint32_t spi = 0x1001;
    Ipv4Address quoted_source = kOurs;
    Ipv4Address quoted_destination = kPeer;
    Ipv4Address to = kOurs;
    IpProtocol protocol = IpProtocol::esp;
    std::uint16_t source_port = 4500;  // of UDP
    std::uint16_t destination_port = 4501;
    std::uint16_t fragment = 0;
    std::uint8_t code = kIcmpFragmentationNeeded;
    std::size_t cut_bytes = 0;
    std::uint8_t damage = 0;
    std::uint64_t time_ns = kNow;
  };

  // What becomes of "fragmentation needed" from a router.
  std::optional<DropReason> tell(const Message& message) {
    const Packet packet(rte_pktmbuf_alloc(pool_.get()));
    const std::uint16_t bytes = 20 + 8 + 20 + 16;
    static_cast<void>(packet.push_back(bytes));
    std::ranges::fill(packet.bytes(), std::byte{});
    Ipv4Header quoted;
    quoted.total_length = Be16{1500};
    quoted.protocol = message.protocol;
    quoted.flags_and_fragment_offset = Be16{message.fragment};
    quoted.source = wire_address(message.quoted_source);
    quoted.destination = wire_address(message.quoted_destination);
    *packet.header<Ipv4Header>(28) = quoted;
    if (message.protocol == IpProtocol::udp) {
      *packet.header<UdpHeader>(48) = {Be16{message.source_port}, Be16{message.destination_port},
                                       Be16{1480}, Be16{}};
      *packet.header<Be32>(56) = Be32{message.spi};
    } else {
      *packet.header<Be32>(48) = Be32{message.spi};
    }
    packet.truncate(static_cast<std::uint32_t>(bytes - message.cut_bytes));
    IcmpHeader icmp{.type = IcmpType::destination_unreachable, .code = message.code};
    icmp.set_next_hop_mtu(static_cast<std::uint16_t>(message.mtu));
    *packet.header<IcmpHeader>(20) = icmp;
    packet.header<IcmpHeader>(20)->checksum = internet_checksum(packet.bytes().subspan(20));
    packet.bytes()[30] ^= std::byte{message.damage};
    Ipv4Header ip;
    ip.total_length = Be16(static_cast<std::uint16_t>(packet.length()));
    ip.protocol = IpProtocol::icmp;
    ip.source = Be32{0xcb007101};
    ip.destination = wire_address(message.to);
    *packet.header<Ipv4Header>(0) = ip;
    packet.meta() = {.time_ns = message.time_ns, .sa = kNoSa.raw()};
    const auto end = PathMtu(*sad_, *fib_).learn_ipv4(packet);
    rte_pktmbuf_free(packet.mbuf());
    return end;
  }

  // The same by ICMPv6 "packet too big", about SA 2.
  std::optional<DropReason> tell_ipv6(std::uint32_t mtu, std::uint32_t spi = 0x1003,
                                      std::uint8_t damage = 0) {
    const Packet packet(rte_pktmbuf_alloc(pool_.get()));
    static_cast<void>(packet.push_back(40 + 8 + 40 + 8));
    std::ranges::fill(packet.bytes(), std::byte{});
    *packet.header<Ipv6Header>(48) = {.payload_length = Be16{1460},
                                      .next_header = IpProtocol::esp,
                                      .source = kOurs6,
                                      .destination = kPeer6};
    *packet.header<Be32>(88) = Be32{spi};
    *packet.header<Icmpv6Header>(40) = {.type = Icmpv6Type::packet_too_big, .word = Be32{mtu}};
    Ipv6Header ip{.payload_length = Be16{56}, .next_header = IpProtocol::icmpv6};
    ip.source = kPeer6;
    ip.destination = kOurs6;
    *packet.header<Ipv6Header>(0) = ip;
    packet.header<Icmpv6Header>(40)->checksum = transport_checksum(
        ip.source, ip.destination, IpProtocol::icmpv6, packet.bytes().subspan(40));
    packet.bytes()[95] ^= std::byte{damage};
    packet.meta() = {.time_ns = kNow, .sa = kNoSa.raw()};
    const auto end = PathMtu(*sad_, *fib_).learn_ipv6(packet, walk_ipv6(packet.bytes()));
    rte_pktmbuf_free(packet.mbuf());
    return end;
  }

  [[nodiscard]] std::uint32_t mtu_of(std::uint32_t index, std::uint64_t now_ns = kNow) const {
    const Sa& sa = *sad_->sa(SaIndex{index});
    return effective_mtu(sa, now_ns);
  }
};

TEST_F(PathMtuLearning, LearnsFromIcmpThatQuotesEspOfOurs) {
  EXPECT_EQ(mtu_of(0), 1500u);
  EXPECT_EQ(tell({.mtu = 1400}), DropReason::icmp_in_path_mtu);
  EXPECT_EQ(mtu_of(0), 1400u);
  EXPECT_EQ(tell({.mtu = 576}), DropReason::icmp_in_path_mtu);
  EXPECT_EQ(mtu_of(0), 576u);
  EXPECT_EQ(mtu_of(1), 1500u) << "another SA's";
}

TEST_F(PathMtuLearning, LearnsFromIcmpThatQuotesEspInUdp) {
  EXPECT_EQ(tell({.spi = 0x1002, .protocol = IpProtocol::udp}), DropReason::icmp_in_path_mtu);
  EXPECT_EQ(mtu_of(1), 1400u);
}

TEST_F(PathMtuLearning, LearnsFromIcmpv6) {
  EXPECT_EQ(tell_ipv6(1280), DropReason::icmp_in_path_mtu);
  EXPECT_EQ(mtu_of(2), 1280u);
}

TEST_F(PathMtuLearning, RefusesFiguresBelowWhatEveryHostTakes) {
  for (const std::uint32_t mtu : {0u, 68u, 575u}) {
    EXPECT_EQ(tell({.mtu = mtu}), DropReason::icmp_in_mtu_too_low) << mtu;
  }
  for (const std::uint32_t mtu : {0u, 576u, 1279u}) {
    EXPECT_EQ(tell_ipv6(mtu), DropReason::icmp_in_mtu_too_low) << mtu;
  }
  EXPECT_EQ(mtu_of(0), 1500u);
  EXPECT_EQ(mtu_of(2), 1500u);
}

TEST_F(PathMtuLearning, RefusesFiguresAboveTheOneInUse) {
  EXPECT_EQ(tell({.mtu = 1501}), DropReason::icmp_in_mtu_not_lower);
  EXPECT_EQ(tell_ipv6(0xffffffff), DropReason::icmp_in_mtu_not_lower);
  EXPECT_EQ(tell({.mtu = 1400}), DropReason::icmp_in_path_mtu);
  EXPECT_EQ(tell({.mtu = 1401}), DropReason::icmp_in_mtu_not_lower);
  EXPECT_EQ(mtu_of(0), 1400u);
}

TEST_F(PathMtuLearning, RefusesWhatQuotesNoSaOfOurs) {
  const std::array refused = {
      Message{.spi = 0x2001},
      Message{.quoted_destination = kFar},
      Message{.spi = 0x1001, .protocol = IpProtocol::udp},  // sends without UDP
      Message{.spi = 0x1002},                               // sends with it
      Message{.spi = 0x1002, .protocol = IpProtocol::udp, .destination_port = 4500},
      Message{.spi = 0x1002, .protocol = IpProtocol::udp, .destination_port = 4502},
  };
  for (const Message& message : refused) {
    EXPECT_EQ(tell(message), DropReason::icmp_in_no_sa);
  }
  EXPECT_EQ(tell_ipv6(1280, 0x1001), DropReason::icmp_in_no_sa);
}

TEST_F(PathMtuLearning, RefusesAWrongChecksum) {
  EXPECT_EQ(tell({.damage = 1}), DropReason::icmp_in_bad_checksum);
  EXPECT_EQ(tell_ipv6(1280, 0x1003, 1), DropReason::icmp_in_bad_checksum);
  EXPECT_EQ(mtu_of(0), 1500u);
}

TEST_F(PathMtuLearning, LeavesOtherIcmpToLinux) {
  const std::array others = {
      Message{.code = kIcmpHostUnreachable},
      Message{.protocol = IpProtocol::tcp},
      Message{.spi = 0, .protocol = IpProtocol::udp},  // IKE
      Message{.spi = 0x1002, .protocol = IpProtocol::udp, .source_port = 1, .destination_port = 2},
      Message{.fragment = 100},                    // no first fragment
      Message{.cut_bytes = 13},                    // ends inside the SPI
      Message{.cut_bytes = 17},                    // ends inside the IP header
      Message{.quoted_source = kPeer},             // about somebody else's packet
      Message{.quoted_source = kFar, .to = kFar},  // on its way to another host
  };
  for (const Message& message : others) EXPECT_EQ(tell(message), std::nullopt);
  EXPECT_EQ(mtu_of(0), 1500u);
}

TEST_F(PathMtuLearning, ForgetsWhatIsTenMinutesOld) {
  EXPECT_EQ(tell({.mtu = 1400}), DropReason::icmp_in_path_mtu);
  EXPECT_EQ(mtu_of(0, kNow + 9 * kMinute), 1400u);
  EXPECT_EQ(mtu_of(0, kNow + 11 * kMinute), 1500u);
  EXPECT_EQ(mtu_of(0, kNow), 1500u) << "for good";
  EXPECT_EQ(tell({.mtu = 1450, .time_ns = kNow + 12 * kMinute}), DropReason::icmp_in_path_mtu);
  EXPECT_EQ(mtu_of(0, kNow + 12 * kMinute), 1450u);
}

TEST_F(PathMtuLearning, TakesALargerFigureOnceTheOldOneIsForgotten) {
  EXPECT_EQ(tell({.mtu = 1000}), DropReason::icmp_in_path_mtu);
  EXPECT_EQ(tell({.mtu = 1450, .time_ns = kNow + 11 * kMinute}), DropReason::icmp_in_path_mtu);
  EXPECT_EQ(mtu_of(0, kNow + 11 * kMinute), 1450u);
}

TEST_F(PathMtuLearning, CountsTenMinutesFromTheLastReport) {
  EXPECT_EQ(tell({.mtu = 1400}), DropReason::icmp_in_path_mtu);
  EXPECT_EQ(tell({.mtu = 1400, .time_ns = kNow + 9 * kMinute}), DropReason::icmp_in_path_mtu);
  EXPECT_EQ(mtu_of(0, kNow + 18 * kMinute), 1400u);
}

TEST_F(PathMtuLearning, StartsAnewWhenThePeerMoves) {
  EXPECT_EQ(tell({.mtu = 1400}), DropReason::icmp_in_path_mtu);
  SaSpec spec{.generation = 1,
              .direction = Direction::out,
              .transform = static_cast<std::uint8_t>(TransformId::aes128_gcm16),
              .family = Family::v4,
              .spi = 0x1001,
              .src = IpAddress::v4(wire_address(kOurs)),
              .dst = IpAddress::v4(Be32{0xc0000203})};
  ASSERT_EQ(sad_->update(SaIndex{0}, spec), Refusal::none);
  EXPECT_EQ(mtu_of(0), 1500u);
  EXPECT_EQ(tell({.mtu = 1400}), DropReason::icmp_in_no_sa) << "its old address";
  EXPECT_EQ(tell({.mtu = 1300, .quoted_destination = Ipv4Address{0xc0000203}}),
            DropReason::icmp_in_path_mtu);
  EXPECT_EQ(mtu_of(0), 1300u);
}

TEST_F(PathMtuLearning, FindsNoSaThatWasRemoved) {
  ASSERT_EQ(sad_->remove(SaIndex{0}, 1), Refusal::none);
  EXPECT_EQ(tell({}), DropReason::icmp_in_no_sa);
  sad_->reclaim();
}

}  // namespace
}  // namespace culvert
