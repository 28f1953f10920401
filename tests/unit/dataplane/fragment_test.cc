// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/fragment.h"

#include "dataplane/net/ethernet.h"
#include "tests/unit/dataplane/fragment_lab.h"

namespace culvert {
namespace {

class Fragmentation : public FragmentLab {
 protected:
  Fragmenter& fragmenter() {
    if (!fragmenter_) fragmenter_ = std::make_unique<Fragmenter>(*pool_, drops_, 7);
    return *fragmenter_;
  }

 private:
  std::unique_ptr<Fragmenter> fragmenter_;
};

Ipv4Header header_of(Packet packet) {
  return *packet.header<Ipv4Header>(0);
}

TEST_F(Fragmentation, SplitsAnIpv4PacketIntoPiecesThatFit) {
  const auto pieces = fragmenter().split_ipv4(ipv4({.bytes = 1400}), 576);
  ASSERT_EQ(pieces.size(), 3u);
  constexpr std::size_t kPieceBytes = 552;  // 556 fit, in blocks of 8
  for (std::size_t i = 0; i < 3; ++i) {
    const Ipv4Header header = header_of(pieces[i]);
    const std::size_t bytes = i < 2 ? kPieceBytes : 1400 - 2 * kPieceBytes;
    EXPECT_TRUE(carries(pieces[i], sizeof header, 1, i * kPieceBytes, bytes)) << i;
    EXPECT_EQ(header.total_length.host(), pieces[i].length());
    EXPECT_EQ(header.fragment_offset_bytes(), i * kPieceBytes);
    EXPECT_EQ(header.more_fragments(), i < 2);
    EXPECT_EQ(header.identification.host(), 1u);
    EXPECT_EQ(ipv4_header_checksum(header), Be16{});
  }
  EXPECT_EQ(counters_.split.get(), 2u);
  free(pieces);
}

TEST_F(Fragmentation, ContinuesTheOffsetsOfAFragment) {
  const auto pieces =
      fragmenter().split_ipv4(ipv4({.begin = 800, .bytes = 800, .more = true}), 576);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(header_of(pieces[0]).fragment_offset_bytes(), 800u);
  EXPECT_EQ(header_of(pieces[1]).fragment_offset_bytes(), 1352u);
  EXPECT_TRUE(header_of(pieces[0]).more_fragments());
  EXPECT_TRUE(header_of(pieces[1]).more_fragments()) << "the datagram goes on behind the packet";
  free(pieces);
}

// RFC 791 3.1: LSRR is copied, Internet Timestamp is not.
TEST_F(Fragmentation, CopiesOptionsWithTheCopiedFlagIntoEachPiece) {
  const std::array<std::uint8_t, 16> options = {131, 7, 4, 192, 0, 2, 9, 1,
                                                68,  8, 5, 0,   0, 0, 0, 0};
  const auto pieces = fragmenter().split_ipv4(ipv4({.bytes = 1000}, options), 600);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(header_of(pieces[0]).header_length_bytes(), 36u);
  EXPECT_EQ(header_of(pieces[1]).header_length_bytes(), 28u);
  const std::array<std::uint8_t, 8> copied = {131, 7, 4, 192, 0, 2, 9, 0};
  EXPECT_EQ(std::memcmp(pieces[1].data() + sizeof(Ipv4Header), copied.data(), copied.size()), 0);
  EXPECT_TRUE(carries(pieces[0], 36, 1, 0, 560));
  EXPECT_TRUE(carries(pieces[1], 28, 1, 560, 440));
  EXPECT_EQ(internet_checksum(pieces[1].bytes().first(28)), Be16{});
  free(pieces);
}

TEST_F(Fragmentation, EndsAListOfOptionsWhereItMakesNoSense) {
  struct Case {
    std::vector<std::uint8_t> options;
    std::size_t copied_bytes;
  };
  const std::vector<Case> cases = {
      {{}, 0},
      {{0, 131, 3, 4}, 0},          // behind the end
      {{1, 1, 1, 1}, 0},            // no operation
      {{131, 3, 4, 0}, 4},          // padded to a multiple of 4
      {{131, 0, 4, 0}, 0},          // no length
      {{131, 1, 4, 0}, 0},          // shorter than itself
      {{131, 5, 4, 0}, 0},          // beyond the header
      {{1, 1, 1, 131}, 0},          // no length byte
      {{137, 3, 4, 131, 9, 0}, 4},  // the first is whole
  };
  for (const Case& one : cases) {
    EXPECT_EQ(copied_options(std::as_bytes(std::span(one.options))).length, one.copied_bytes);
  }
}

TEST_F(Fragmentation, GivesEachPieceThePacketsNotesAndRoomForOuterHeaders) {
  const auto pieces = fragmenter().split_ipv4(ipv4({.bytes = 1400, .time_ns = 55}), 576);
  constexpr std::size_t kOuterBytes =
      sizeof(EthernetHeader) + sizeof(Ipv6Header) + 8 /* UDP */ + 8 /* ESP */ + 16 /* IV */;
  for (const Packet piece : pieces) {
    EXPECT_EQ(piece.meta().time_ns, 55u);
    EXPECT_EQ(piece.meta().in_port, 3u);
    EXPECT_GE(rte_pktmbuf_headroom(piece.mbuf()), kOuterBytes);
  }
  free(pieces);
}

TEST_F(Fragmentation, DropsAPacketForWhoseDataThereAreNoBuffers) {
  const Packet packet = ipv4({.bytes = 1400});
  std::vector<rte_mbuf*> taken(kBuffers - 2);  // one is left, two are needed
  ASSERT_EQ(rte_pktmbuf_alloc_bulk(pool_.get(), taken.data(), kBuffers - 2), 0);
  EXPECT_TRUE(fragmenter().split_ipv4(packet, 576).empty());
  EXPECT_EQ(dropped(DropReason::fragment_no_mbuf), 1u);
  EXPECT_EQ(dropped(), 1u);
  EXPECT_EQ(counters_.split.get(), 0u);
  rte_pktmbuf_free_bulk(taken.data(), kBuffers - 2);
}

TEST_F(Fragmentation, DropsAnIpv6PacketWithoutRoomForTheFragmentHeader) {
  const Packet packet = ipv6({.bytes = 1400}, IpProtocol::esp, HopByHop::no);
  static_cast<void>(packet.push_front(rte_pktmbuf_headroom(packet.mbuf())));
  std::memmove(packet.data(), packet.data() + RTE_PKTMBUF_HEADROOM, sizeof(Ipv6Header));
  EXPECT_TRUE(fragmenter().split_ipv6(packet, 1280).empty());
  EXPECT_EQ(dropped(DropReason::fragment_no_mbuf), 1u);
}

TEST_F(Fragmentation, DropsAPacketThatWouldMakeTooManyPieces) {
  for (const std::uint32_t mtu : {0u, 20u, 27u, 28u, 35u}) {  // at most 8 bytes of 1400 in each
    EXPECT_TRUE(fragmenter().split_ipv4(ipv4({.bytes = 1400}), mtu).empty());
  }
  EXPECT_EQ(dropped(DropReason::fragment_too_many), 5u);
  const auto pieces = fragmenter().split_ipv4(ipv4({.bytes = Fragmenter::kMaxPieces * 16}), 36);
  EXPECT_EQ(pieces.size(), Fragmenter::kMaxPieces);
  free(pieces);
}

TEST_F(Fragmentation, DropsAFragmentThatEndsBeyondTheLargestDatagram) {
  EXPECT_TRUE(fragmenter().split_ipv4(ipv4({.begin = 65528, .bytes = 800}), 576).empty());
  EXPECT_EQ(dropped(DropReason::fragment_malformed), 1u);
}

TEST_F(Fragmentation, PutsAFragmentHeaderIntoEachPieceOfAnIpv6Packet) {
  for (const HopByHop options : {HopByHop::no, HopByHop::yes}) {
    const std::uint16_t per_fragment = options == HopByHop::yes ? 48 : 40;
    const auto pieces =
        fragmenter().split_ipv6(ipv6({.bytes = 1500}, IpProtocol::esp, options), 1280);
    ASSERT_EQ(pieces.size(), 2u);
    const std::size_t first_bytes = options == HopByHop::yes ? 1224 : 1232;
    for (std::size_t i = 0; i < 2; ++i) {
      const Ipv6Chain chain = walk_ipv6(pieces[i].bytes());
      EXPECT_EQ(validate_ipv6(pieces[i].bytes()), Ipv6Validity::ok);
      EXPECT_EQ(chain.end, Ipv6ChainEnd::upper_layer);
      EXPECT_EQ(chain.protocol, IpProtocol::esp);
      EXPECT_EQ(chain.fragment_header_offset, per_fragment);
      EXPECT_EQ(chain.fragment_offset_bytes, i * first_bytes);
      EXPECT_EQ(chain.more_fragments, i == 0);
      EXPECT_EQ(chain.fragment_identification, options == HopByHop::yes ? 8u : 7u);
      EXPECT_EQ(pieces[i].header<Ipv6Header>(0)->total_bytes(), pieces[i].length());
      EXPECT_TRUE(carries(pieces[i], per_fragment + 8u, 1, i * first_bytes,
                          i == 0 ? first_bytes : 1500 - first_bytes));
    }
    free(pieces);
  }
  EXPECT_EQ(counters_.split.get(), 2u);
}

TEST_F(Fragmentation, DropsAnIpv6PacketThatIsAFragment) {
  EXPECT_TRUE(fragmenter().split_ipv6(ipv6_fragment({.bytes = 1400, .more = true}), 1280).empty());
  EXPECT_EQ(dropped(DropReason::fragment_malformed), 1u);
}

}  // namespace
}  // namespace culvert
