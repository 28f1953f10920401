// SPDX-License-Identifier: BSD-3-Clause
// What leaves without a policy that says so: IKE, where Linux sends it.
#include "dataplane/esp_outbound.h"

#include "dataplane/net/udp.h"
#include "tests/unit/dataplane/stage_lab.h"

namespace culvert {
namespace {

constexpr Be32 kNonEspMarker{};  // RFC 3948 2.2

class OutboundIke : public StageLab {
 protected:
  // A datagram to the peer, which no policy covers; `start` are the first bytes behind UDP.
  void sends(Origin origin, std::uint16_t source_port, Be32 start) {
    const Packet datagram = packet();
    auto& ip = *datagram.header<Ipv4Header>(0);
    ip.destination = wire_address(kPeer);
    ip.checksum = ipv4_header_checksum(ip);
    datagram.header<UdpHeader>(sizeof ip)->source_port = Be16(source_port);
    *datagram.header<Be32>(sizeof ip + sizeof(UdpHeader)) = start;
    datagram.meta().origin = origin;
    lanes_.clear.push(clear(datagram));
    (*esp_outbound_)(lanes_.clear, lanes_);
    for (const WirePacket& sent : lanes_.wire.packets()) {
      rte_pktmbuf_free(sent.mbuf());
      ++left_;
    }
    lanes_.wire.clear();
  }

  std::size_t left_ = 0;
};

TEST_F(OutboundIke, OfLinuxLeavesInClear) {
  sends(Origin::linux_, 500, Be32(0x12345678));
  sends(Origin::linux_, kNatTPort, kNonEspMarker);
  EXPECT_EQ(left_, 2u);
}

TEST_F(OutboundIke, IsNotEspInUdp) {
  sends(Origin::linux_, kNatTPort, Be32(0x1001));
  EXPECT_EQ(left_, 0u);
  EXPECT_EQ(dropped(DropReason::spd_out_discard), 1u);
}

TEST_F(OutboundIke, IsNotAnyOtherDatagram) {
  sends(Origin::linux_, 501, kNonEspMarker);
  EXPECT_EQ(left_, 0u);
  EXPECT_EQ(dropped(DropReason::spd_out_discard), 1u);
}

TEST_F(OutboundIke, OfOthersNeedsAPolicy) {
  sends(Origin::wire, 500, Be32(0x12345678));
  sends(Origin::wire, kNatTPort, kNonEspMarker);
  EXPECT_EQ(left_, 0u);
  EXPECT_EQ(dropped(DropReason::spd_out_discard), 2u);
}

}  // namespace
}  // namespace culvert
