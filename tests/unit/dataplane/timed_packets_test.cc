// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/timed_packets.h"

#include "dataplane/dummy_packet.h"
#include "dataplane/ip_packet.h"
#include "dataplane/net/udp.h"
#include "tests/unit/dataplane/esp_lab.h"

namespace culvert {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kStart = 1'700'000'000 * kSecond;

using Kind = TimedPackets::Kind;

class TimedPacketsTest : public EspLab {
 protected:
  void add(std::uint16_t keepalive_seconds, std::uint16_t dummies_per_second) {
    add_pair({.flags = kSaUdpEncap,
              .encap_src_port = Be16(4500),
              .encap_dst_port = Be16(4501),
              .keepalive_seconds = keepalive_seconds,
              .dummies_per_second = dummies_per_second});
    timed_ = std::make_unique<TimedPackets>(*sad_);
    timed_->watch(kOut, kStart);
  }

  // What is due at that many milliseconds after the start.
  std::size_t due(std::uint64_t ms, Kind kind) {
    std::array<TimedPackets::Due, 64> found;
    const std::size_t count = timed_->take_due(kStart + ms * 1'000'000, found);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(found[i].sa, kOut);
      EXPECT_EQ(found[i].kind, kind);
    }
    return count;
  }

  void use(std::uint64_t ms) { state(kOut).last_used_ns.set(kStart + ms * 1'000'000); }

  // As the housekeeper asks for it.
  Packet send(Origin origin) {
    const Packet packet(rte_pktmbuf_alloc(pool_.get()));
    packet.meta() = {.sa = kOut.raw(), .origin = origin};
    if (origin == Origin::dummy) {
      make_dummy(packet, *sad_->sa(kOut), 1500);
    } else {
      *packet.push_back(1) = std::byte{kNatKeepaliveByte};
    }
    esp_outbound_->send_own(packet, lanes_);
    drops_.flush();
    const std::vector<Packet> sent = take_sent();
    return sent.empty() ? Packet() : sent.front();
  }

  std::unique_ptr<TimedPackets> timed_;
};

TEST_F(TimedPacketsTest, AreNoneWhereTheSaSaysNone) {
  add(0, 0);
  EXPECT_FALSE(timed_->next_ns());
}

TEST_F(TimedPacketsTest, KeepaliveComesAfterAQuietInterval) {
  add(20, 0);
  EXPECT_EQ(timed_->next_ns(), kStart + 20 * kSecond);
  EXPECT_EQ(due(19'999, Kind::keepalive), 0u);
  EXPECT_EQ(due(20'000, Kind::keepalive), 1u);
  EXPECT_EQ(due(20'000, Kind::keepalive), 0u);
  EXPECT_EQ(due(40'000, Kind::keepalive), 1u);
}

TEST_F(TimedPacketsTest, KeepaliveWaitsWhileTheSaIsUsed) {
  add(20, 0);
  use(15'000);
  EXPECT_EQ(due(20'000, Kind::keepalive), 0u);
  EXPECT_EQ(due(34'999, Kind::keepalive), 0u);
  EXPECT_EQ(due(35'000, Kind::keepalive), 1u);
}

TEST_F(TimedPacketsTest, DummiesComeAtTheirRate) {
  add(0, 100);
  std::size_t count = 0;
  for (std::uint64_t ms = 1; ms <= 1000; ++ms) count += due(ms, Kind::dummy);
  EXPECT_EQ(count, 100u);
}

TEST_F(TimedPacketsTest, DummiesThatAreLateAreNotMadeUpFor) {
  add(0, 100);
  EXPECT_LE(due(5000, Kind::dummy), 11u);
  EXPECT_EQ(due(5000, Kind::dummy), 0u);
}

TEST_F(TimedPacketsTest, AreNotDoubledByAnUpdate) {
  add(0, 10);
  timed_->watch(kOut, kStart);
  EXPECT_EQ(due(100, Kind::dummy), 1u);
}

TEST_F(TimedPacketsTest, EndWithTheirSa) {
  add(20, 10);
  ASSERT_EQ(sad_->remove(kOut, 1), Refusal::none);
  sad_->reclaim();
  EXPECT_EQ(due(60'000, Kind::dummy), 0u);
  EXPECT_FALSE(timed_->next_ns());
}

TEST_F(TimedPacketsTest, KeepaliveIsOneByteBetweenTheEndsOfTheSa) {
  add(20, 0);
  const Packet sent = send(Origin::keepalive);
  ASSERT_NE(sent.mbuf(), nullptr);
  ASSERT_EQ(sent.length(), sizeof(Ipv4Header) + sizeof(UdpHeader) + 1);
  const auto& ip = *sent.header<Ipv4Header>(0);
  EXPECT_EQ(ipv4_header_checksum(ip), Be16{});
  EXPECT_EQ(ip.total_length.host(), sent.length());
  EXPECT_EQ(ip.destination, wire_address(kPeer));
  const auto& udp = *sent.header<UdpHeader>(sizeof(Ipv4Header));
  EXPECT_EQ(udp.source_port.host(), 4500);
  EXPECT_EQ(udp.destination_port.host(), 4501);
  EXPECT_EQ(udp.length.host(), sizeof(UdpHeader) + 1);
  EXPECT_EQ(sent.data()[sent.length() - 1], std::byte{0xff});
  EXPECT_EQ(state(kOut).keepalives.get(), 1u);
  EXPECT_EQ(state(kOut).packets.get(), 0u);
  rte_pktmbuf_free(sent.mbuf());
}

TEST_F(TimedPacketsTest, DummyIsSealedAndEndsAtTheReceiver) {
  add(0, 1);
  const Packet sent = send(Origin::dummy);
  ASSERT_NE(sent.mbuf(), nullptr);
  EXPECT_EQ(state(kOut).sequence.load(), 1u);
  EXPECT_EQ(state(kOut).dummies.get(), 1u);
  EXPECT_EQ(open({sent}), 0u);
  EXPECT_EQ(dropped(DropReason::esp_in_dummy), 1u);
  EXPECT_EQ(state(kIn).dummies.get(), 1u);
}

TEST_F(TimedPacketsTest, DummiesAreOfManyLengthsThatFit) {
  add(0, 1);
  const Sa& sa = *sad_->sa(kOut);
  std::uint32_t shortest = 65535;
  std::uint32_t longest = 0;
  for (int i = 0; i < 500; ++i) {
    const Packet packet(rte_pktmbuf_alloc(pool_.get()));
    make_dummy(packet, sa, 1500);
    shortest = std::min(shortest, packet.length());
    longest = std::max(longest, packet.length());
    rte_pktmbuf_free(packet.mbuf());
  }
  EXPECT_GE(shortest, sizeof(Ipv4Header));
  EXPECT_LE(longest, largest_inner(sa, 1500));
  EXPECT_GT(longest - shortest, 1000u);
}

TEST_F(TimedPacketsTest, AreDroppedWhereTheSaIsGone) {
  add(20, 1);
  ASSERT_EQ(sad_->remove(kOut, 1), Refusal::none);
  const Packet keepalive(rte_pktmbuf_alloc(pool_.get()));
  keepalive.meta() = {.sa = kOut.raw(), .origin = Origin::keepalive};
  esp_outbound_->send_own(keepalive, lanes_);
  drops_.flush();
  EXPECT_EQ(dropped(DropReason::esp_out_no_sa), 1u);
}

}  // namespace
}  // namespace culvert
