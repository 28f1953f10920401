// SPDX-License-Identifier: BSD-3-Clause
// The audit trail (RFC 4303 4, RFC 4301 5 and 9): which drops are reported, and what a report says.
#include "dataplane/drop_sink.h"

#include "dataplane/net/esp.h"
#include "tests/unit/dataplane/stage_lab.h"

namespace culvert {
namespace {

constexpr std::uint32_t kReasonBits = 0xff;

class DropSinkAudit : public StageLab {
 protected:
  // An ESP packet of no length in particular, as it stands while it is checked.
  [[nodiscard]] Packet esp_packet() const {
    const Packet packet = StageLab::packet();
    packet.header<Ipv4Header>(0)->protocol = IpProtocol::esp;
    packet.meta().esp_offset = sizeof(Ipv4Header);
    packet.meta().time_ns = 1'700'000'000'000'000'000;
    *packet.header<EspHeader>(sizeof(Ipv4Header)) = {wire_spi(Spi{0x1002}),
                                                     wire_sequence(SeqNum{77})};
    return packet;
  }
};

TEST_F(DropSinkAudit, ReportsTheDropsThatTheRfcsCallAuditable) {
  constexpr std::array kAuditable = {
      DropReason::esp_in_no_sa,              // RFC 4303 3.4.2
      DropReason::esp_in_replay,             // RFC 4303 4
      DropReason::esp_in_too_old,            // RFC 4303 4
      DropReason::esp_in_icv,                // RFC 4303 3.4.4.1
      DropReason::esp_out_seq_overflow,      // RFC 4303 3.3.3
      DropReason::esp_in_selector_mismatch,  // RFC 4301 5.2 step 5
      DropReason::esp_in_policy,             // RFC 4301 5.2 step 5
      DropReason::spd_in_clear_protected,    // RFC 4301 5.2 step 3b
      DropReason::spd_in_discard,            // RFC 4301 5.2 step 3b
  };
  for (const DropReason reason : kAuditable) {
    drops_.drop(esp_packet(), reason);
    Event event;
    ASSERT_TRUE(events_.take(event)) << kDropInfo[index_of(reason)].name;
    EXPECT_EQ(event.type, EventType::audit);
    EXPECT_EQ(event.value & kReasonBits, index_of(reason));
    EXPECT_FALSE(events_.take(event)) << "one for each";
  }
}

TEST_F(DropSinkAudit, SaysSpiSequenceNumberAddressesAndTime) {
  const Packet packet = esp_packet();
  const std::uint64_t time_ns = packet.meta().time_ns;
  drops_.drop(packet, DropReason::esp_in_icv);
  Event event;
  ASSERT_TRUE(events_.take(event));
  EXPECT_EQ(event.spi, 0x1002u);
  EXPECT_EQ(event.sequence, 77u);
  EXPECT_EQ(event.family, Family::v4);
  EXPECT_EQ(event.address, IpAddress::v4(wire_address(kOurs)));
  EXPECT_EQ(event.peer, IpAddress::v4(wire_address(kFar)));
  EXPECT_EQ(event.time_ns, time_ns);
}

TEST_F(DropSinkAudit, SaysTheFlowLabelOfIpv6) {
  const Packet packet = esp_packet();
  Ipv6Header ip;
  ip.version_class_and_flow = Be32{Ipv6Header::kVersion6 | 0xabcde};
  *packet.header<Ipv6Header>(0) = ip;
  packet.meta().esp_offset = sizeof(Ipv6Header);
  *packet.header<EspHeader>(sizeof(Ipv6Header)) = {wire_spi(Spi{0x1002}),
                                                   wire_sequence(SeqNum{78})};
  drops_.drop(packet, DropReason::esp_in_replay);
  Event event;
  ASSERT_TRUE(events_.take(event));
  EXPECT_EQ(event.family, Family::v6);
  EXPECT_EQ(event.value >> 8, 0xabcdeu);
  EXPECT_EQ(event.sequence, 78u);
}

TEST_F(DropSinkAudit, SaysHowManyReportsWereKeptBack) {
  constexpr int kFlood = 1000;
  for (int i = 0; i < kFlood; ++i) drops_.drop(esp_packet(), DropReason::esp_in_icv);
  Event event;
  int reported = 0;
  while (events_.take(event)) ++reported;
  EXPECT_GT(reported, 0);
  EXPECT_LT(reported, 50);

  const Packet later = esp_packet();
  later.meta().time_ns += 10'000'000'000;
  drops_.drop(later, DropReason::esp_in_icv);
  ASSERT_TRUE(events_.take(event));
  EXPECT_EQ(event.port, kFlood - reported);
}

TEST_F(DropSinkAudit, DoesNotReportWhatIsOrdinary) {
  for (const DropReason reason :
       {DropReason::forward_ttl, DropReason::nat_t_keepalive, DropReason::esp_in_dummy}) {
    drops_.drop(esp_packet(), reason);
    Event event;
    EXPECT_FALSE(events_.take(event)) << kDropInfo[index_of(reason)].name;
  }
}

}  // namespace
}  // namespace culvert
