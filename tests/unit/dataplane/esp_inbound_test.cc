// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/esp_inbound.h"

#include "dataplane/net/udp.h"
#include "tests/unit/dataplane/esp_lab.h"

namespace culvert {
namespace {

constexpr std::uint64_t kSubspace = std::uint64_t{1} << 32;

class EsnResyncTest : public EspLab {
 protected:
  void SetUp() override {
    EspLab::SetUp();
    add_pair({.flags = kSaEsn});
    ASSERT_EQ(open({sealed()}), 1u);
  }

  std::size_t open_one_by_one(std::uint32_t packets) {
    std::size_t opened = 0;
    for (std::uint32_t i = 0; i < packets; ++i) opened += open({sealed()});
    return opened;
  }
};

TEST_F(EsnResyncTest, FindsTheHighHalfAfterLossOfSubspaces) {
  skip_to(3 * kSubspace + 5);
  EXPECT_EQ(open_one_by_one(EsnResync::kTrigger), 0u);
  EXPECT_EQ(dropped(DropReason::esp_in_icv), EsnResync::kTrigger);
  EXPECT_EQ(open_one_by_one(10), 10u);
  EXPECT_EQ(state(kIn).sequence.load(), state(kOut).sequence.load());
}

TEST_F(EsnResyncTest, GivesUpBeyondItsTries) {
  skip_to((EsnResync::kTries + 1) * kSubspace + 5);
  EXPECT_EQ(open_one_by_one(EsnResync::kTrigger + 10), 0u);
}

TEST_F(EsnResyncTest, TakesOneOfABurst) {
  skip_to(2 * kSubspace + 5);
  EXPECT_EQ(open_one_by_one(EsnResync::kTrigger), 0u);
  EXPECT_EQ(open({sealed(), sealed(), sealed()}), 1u);
  EXPECT_EQ(open({sealed(), sealed(), sealed()}), 3u);
}

TEST_F(EsnResyncTest, LeavesGoodPacketsAmongForgedOnesAlone) {
  for (std::uint32_t i = 0; i < 2 * EsnResync::kTrigger; ++i) {
    const Packet forged = sealed();
    forged.data()[60] ^= std::byte{1};
    EXPECT_EQ(open({forged}), 0u);
  }
  const Packet forged = sealed();
  forged.data()[60] ^= std::byte{1};
  EXPECT_EQ(open({forged, sealed()}), 1u);
  EXPECT_EQ(state(kIn).refused_in_a_row.load(), 0u);
}

TEST_F(EsnResyncTest, DoesNotAcceptANumberTwice) {
  skip_to(2 * kSubspace + 5);
  EXPECT_EQ(open_one_by_one(EsnResync::kTrigger), 0u);
  const Packet first = sealed();
  const Packet copy(rte_pktmbuf_copy(first.mbuf(), pool_.get(), 0, UINT32_MAX));
  EXPECT_EQ(open({first}), 1u);
  EXPECT_EQ(open({copy}), 0u);
  EXPECT_EQ(dropped(DropReason::esp_in_replay), 1u);
}

class MovedPeer : public EspLab {
 protected:
  static constexpr Be32 kElsewhere{0xc0000209};

  void SetUp() override {
    EspLab::SetUp();
    add_pair({.flags = kSaUdpEncap, .encap_src_port = Be16(4500), .encap_dst_port = Be16(4500)});
    ASSERT_EQ(open({sealed()}), 1u);
  }

  // The same packet as if it came from another place.
  [[nodiscard]] Packet copy_from(Packet original, Be32 source) const {
    const Packet copy(rte_pktmbuf_copy(original.mbuf(), pool_.get(), 0, UINT32_MAX));
    copy.header<Ipv4Header>(0)->source = source;
    return copy;
  }

  std::vector<IpAddress> reported() {
    std::vector<IpAddress> addresses;
    for (Event event; events_.take(event);) {
      if (event.type == EventType::peer_moved) addresses.push_back(event.address);
    }
    return addresses;
  }
};

TEST_F(MovedPeer, IsReportedOnce) {
  open({copy_from(sealed(), kElsewhere)});
  open({copy_from(sealed(), kElsewhere)});
  EXPECT_EQ(reported(), std::vector{IpAddress::v4(kElsewhere)});
}

TEST_F(MovedPeer, IsNotBelievedOfTheSecondCopyInABurst) {
  const Packet original = sealed();
  EXPECT_EQ(open({original, copy_from(original, kElsewhere)}), 1u);
  EXPECT_TRUE(reported().empty());
}

TEST_F(MovedPeer, IsBelievedOfTheCopyThatCameFirst) {
  const Packet original = sealed();
  EXPECT_EQ(open({copy_from(original, kElsewhere), original}), 1u);
  EXPECT_EQ(reported(), std::vector{IpAddress::v4(kElsewhere)});
}

TEST_F(MovedPeer, IsNotBelievedOfALatePacket) {
  const Packet late = sealed();
  open({sealed()});
  EXPECT_EQ(open({copy_from(late, kElsewhere)}), 1u);
  EXPECT_TRUE(reported().empty());
}

}  // namespace
}  // namespace culvert
