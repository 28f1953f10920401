// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/reassembly.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "dataplane/net/udp.h"
#include "tests/unit/dataplane/fragment_lab.h"

namespace culvert {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

class FragmentReassembly : public FragmentLab {
 protected:
  void TearDown() override {
    EXPECT_EQ(counters_.held_in.get() - counters_.held_out.get(), reassembly().held());
    reassembly().clear(DropReason::replay_end);
    EXPECT_EQ(counters_.held_in.get(), counters_.held_out.get());
    EXPECT_EQ(given_, taken_ + counters_.merged.get() + dropped()) << "the balance";
    FragmentLab::TearDown();
  }

  Reassembly& reassembly() {
    if (!reassembly_) reassembly_ = std::make_unique<Reassembly>(limits_, 5, drops_);
    return *reassembly_;
  }

  // What comes out; the test frees it.
  std::optional<Packet> give(Packet packet) {
    ++given_;
    const auto result = packet.header<Ipv4Header>(0)->version() == 4
                            ? reassembly().add_ipv4(packet)
                            : reassembly().add_ipv6(packet, walk_ipv6(packet.bytes()));
    if (result) ++taken_;
    return result;
  }
  void give_in_vain(Packet packet) { EXPECT_FALSE(give(packet).has_value()); }

  // A UDP datagram's first fragment, with these ports and four bytes behind the header.
  [[nodiscard]] Packet udp_first(std::uint16_t port, std::uint32_t marker,
                                 std::uint32_t bytes = 24) const {
    const Packet packet = ipv4({.bytes = bytes, .more = true, .protocol = IpProtocol::udp});
    *packet.header<UdpHeader>(sizeof(Ipv4Header)) = {Be16(4500), Be16(port), Be16(48), Be16{}};
    if (auto* at = packet.header<Be32>(sizeof(Ipv4Header) + 8); at != nullptr) *at = Be32(marker);
    return packet;
  }

  std::vector<Packet> handed_on(std::size_t most = 64) {
    const auto lanes = std::make_unique<Lanes>();
    reassembly().hand_on(*lanes, most);
    std::vector<Packet> all;
    for (Lane<Packet>* lane : {&lanes->inner, &lanes->inner6}) {
      all.insert(all.end(), lane->packets().begin(), lane->packets().end());
    }
    taken_ += all.size();
    return all;
  }

  Reassembly::Limits limits_{.buffers = 256};

 private:
  std::unique_ptr<Reassembly> reassembly_;
  std::uint64_t given_ = 0;
  std::uint64_t taken_ = 0;
};

TEST_F(FragmentReassembly, PutsAnIpv4DatagramTogetherWhateverTheOrder) {
  std::vector<Part> parts = {{.begin = 0, .bytes = 552, .more = true},
                             {.begin = 552, .bytes = 552, .more = true},
                             {.begin = 1104, .bytes = 99}};
  std::vector<std::size_t> order = {0, 1, 2};
  std::uint16_t identification = 0;
  do {
    ++identification;
    std::optional<Packet> whole;
    for (const std::size_t i : order) {
      ASSERT_FALSE(whole.has_value());
      parts[i].identification = identification;
      parts[i].time_ns = kSecond + i;
      whole = give(ipv4(parts[i]));
    }
    ASSERT_TRUE(whole.has_value());
    const auto& header = *whole->header<Ipv4Header>(0);
    EXPECT_TRUE(carries(*whole, sizeof header, identification, 0, 1203));
    EXPECT_EQ(validate_ipv4(whole->bytes()), Ipv4Validity::ok);
    EXPECT_FALSE(header.is_fragment());
    EXPECT_EQ(header.total_length.host(), 1223u);
    EXPECT_EQ(whole->meta().time_ns, kSecond + order[2]) << "it came with its last fragment";
    EXPECT_EQ(whole->meta().in_port, 3u);
    free(*whole);
  } while (std::ranges::next_permutation(order).found);
  EXPECT_EQ(counters_.merged.get(), 6u * 2u);
  EXPECT_TRUE(reassembly().is_empty());
}

TEST_F(FragmentReassembly, PutsAnIpv6DatagramTogetherAndTakesTheFragmentHeaderOut) {
  for (const HopByHop options : {HopByHop::no, HopByHop::yes}) {
    for (const bool first_comes_last : {false, true}) {
      std::array packets = {ipv6_fragment({.begin = 0, .bytes = 800, .more = true}, options),
                            ipv6_fragment({.begin = 800, .bytes = 77}, options)};
      if (first_comes_last) std::swap(packets[0], packets[1]);
      give_in_vain(packets[0]);
      const auto whole = give(packets[1]);
      ASSERT_TRUE(whole.has_value());
      const Ipv6Chain chain = walk_ipv6(whole->bytes());
      EXPECT_EQ(validate_ipv6(whole->bytes()), Ipv6Validity::ok);
      EXPECT_EQ(chain.protocol, IpProtocol::esp);
      EXPECT_FALSE(chain.has_fragment_header());
      EXPECT_EQ(whole->header<Ipv6Header>(0)->total_bytes(), whole->length());
      EXPECT_TRUE(carries(*whole, chain.payload_offset, 1, 0, 877));
      free(*whole);
    }
  }
}

TEST_F(FragmentReassembly, TakesTheFragmentHeaderOutOfADatagramInOneFragment) {
  const auto whole = give(ipv6_fragment({.bytes = 100}));
  ASSERT_TRUE(whole.has_value());
  EXPECT_FALSE(walk_ipv6(whole->bytes()).has_fragment_header());
  EXPECT_TRUE(carries(*whole, sizeof(Ipv6Header), 1, 0, 100));
  free(*whole);
}

TEST_F(FragmentReassembly, KeepsDatagramsApart) {
  give_in_vain(ipv4({.bytes = 8, .more = true, .identification = 1}));
  give_in_vain(ipv4({.begin = 8, .bytes = 8, .identification = 2}));
  give_in_vain(ipv4({.begin = 8, .bytes = 8, .identification = 1, .protocol = IpProtocol::udp}));
  give_in_vain(ipv4({.begin = 8, .bytes = 8, .identification = 1, .source = 0xc0000203}));
  EXPECT_EQ(reassembly().held(), 4u);
}

TEST_F(FragmentReassembly, PutsEspInUdpTogetherAlsoWhenTheFirstFragmentComesLast) {
  give_in_vain(ipv4({.begin = 24, .bytes = 24, .protocol = IpProtocol::udp}));
  const auto whole = give(udp_first(kNatTPort, 0x1001));
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->length(), 20u + 48u);
  free(*whole);
}

TEST_F(FragmentReassembly, TakesUdpTooShortToShowItsMarkerForEsp) {
  give_in_vain(udp_first(kNatTPort, 0, 8));
  EXPECT_TRUE(handed_on().empty());
  const auto whole = give(ipv4({.begin = 8, .bytes = 40, .protocol = IpProtocol::udp}));
  ASSERT_TRUE(whole.has_value());
  free(*whole);
}

TEST_F(FragmentReassembly, HandsOtherUdpOnUnchangedInTheOrderOfArrival) {
  struct Case {
    std::uint16_t port;
    std::uint32_t marker;
  };
  for (const Case one : {Case{500, 0x1001}, Case{kNatTPort, 0}}) {  // IKE on both its ports
    const std::array<Packet, 4> fragments = {
        ipv4({.begin = 48, .bytes = 24, .more = true, .protocol = IpProtocol::udp}),
        ipv4({.begin = 24, .bytes = 24, .more = true, .protocol = IpProtocol::udp}),
        udp_first(one.port, one.marker),
        ipv4({.begin = 72, .bytes = 9, .protocol = IpProtocol::udp})};
    give_in_vain(fragments[0]);
    give_in_vain(fragments[1]);
    EXPECT_TRUE(handed_on().empty()) << "nobody knows yet what it is";
    give_in_vain(fragments[2]);
    give_in_vain(fragments[3]);
    EXPECT_EQ(reassembly().held(), 4u);
    const auto first = handed_on(3);
    const auto rest = handed_on();
    ASSERT_EQ(first.size(), 3u);
    ASSERT_EQ(rest.size(), 1u);
    for (std::size_t i = 0; i < 4; ++i) {
      const Packet packet = i < 3 ? first[i] : rest[0];
      EXPECT_EQ(packet.mbuf(), fragments[i].mbuf()) << i;
      EXPECT_TRUE(packet.header<Ipv4Header>(0)->is_fragment());
      free(packet);
    }
    EXPECT_TRUE(reassembly().is_empty()) << "all of the datagram went by";
  }
  EXPECT_EQ(counters_.merged.get(), 0u);
}

TEST_F(FragmentReassembly, DropsAFragmentThatComesTwiceAlone) {
  give_in_vain(ipv4({.bytes = 800, .more = true}));
  give_in_vain(ipv4({.bytes = 800, .more = true}));
  EXPECT_EQ(dropped(DropReason::fragment_duplicate), 1u);
  const auto whole = give(ipv4({.begin = 800, .bytes = 8}));
  ASSERT_TRUE(whole.has_value());
  free(*whole);
}

TEST_F(FragmentReassembly, GivesUpADatagramWhoseFragmentsContradict) {
  struct Case {
    std::vector<Part> before;
    Part last_straw;
    const char* what;
  };
  const std::vector<Case> cases = {
      {{{.bytes = 16, .more = true}}, {.begin = 8, .bytes = 16, .more = true}, "overlap behind"},
      {{{.begin = 8, .bytes = 16, .more = true}}, {.bytes = 16, .more = true}, "overlap in front"},
      {{{.begin = 8, .bytes = 8, .more = true}}, {.bytes = 24, .more = true}, "overlap around"},
      {{{.bytes = 24, .more = true}}, {.begin = 8, .bytes = 8, .more = true}, "overlap within"},
      {{{.begin = 8, .bytes = 8}}, {.begin = 16, .bytes = 8, .more = true}, "more behind the end"},
      {{{.begin = 8, .bytes = 8}}, {.begin = 16, .bytes = 8}, "two ends"},
      {{{.begin = 32, .bytes = 8, .more = true}}, {.begin = 8, .bytes = 8}, "end in front of more"},
      {{{.begin = 16, .bytes = 8}}, {.begin = 0, .bytes = 24, .more = true}, "more at the end"},
  };
  std::uint16_t identification = 0;
  std::uint64_t drops = 0;
  for (const Case& one : cases) {
    ++identification;
    for (Part part : one.before) {
      part.identification = identification;
      give_in_vain(ipv4(part));
    }
    Part straw = one.last_straw;
    straw.identification = identification;
    give_in_vain(ipv4(straw));
    EXPECT_EQ(dropped(DropReason::fragment_overlap), drops += one.before.size() + 1) << one.what;
    EXPECT_EQ(reassembly().held(), 0u) << one.what;
    // RFC 5722 4: those not yet received too.
    give_in_vain(ipv4({.begin = 400, .bytes = 8, .identification = identification}));
    EXPECT_EQ(dropped(DropReason::fragment_overlap), ++drops) << one.what;
  }
  EXPECT_EQ(dropped(), drops);
}

TEST_F(FragmentReassembly, GivesUpADatagramOfWhichOnePlaceCameWithOtherBytes) {
  give_in_vain(ipv4({.bytes = 16, .more = true}));
  const Packet other = ipv4({.bytes = 16, .more = true});
  other.bytes()[30] ^= std::byte{1};
  give_in_vain(other);
  EXPECT_EQ(dropped(DropReason::fragment_overlap), 2u);
}

TEST_F(FragmentReassembly, DropsFragmentsThatCannotBePartOfADatagram) {
  give_in_vain(ipv4({.begin = 8, .bytes = 0}));
  give_in_vain(ipv4({.bytes = 0, .more = true}));
  give_in_vain(ipv4({.bytes = 12, .more = true}));
  give_in_vain(ipv4({.begin = 65528, .bytes = 8}));
  give_in_vain(ipv6_fragment({.begin = 65528, .bytes = 800, .more = true}));
  EXPECT_EQ(dropped(DropReason::fragment_malformed), 5u);
  EXPECT_TRUE(reassembly().is_empty()) << "they take no place";
}

TEST_F(FragmentReassembly, GivesUpADatagramThatNoBufferHolds) {
  give_in_vain(ipv4({.bytes = 1000, .more = true}));
  give_in_vain(ipv4({.begin = 1000, .bytes = 1000, .more = true}));
  give_in_vain(ipv4({.begin = 2000, .bytes = 1000}));  // 2048 bytes of room
  EXPECT_EQ(dropped(DropReason::fragment_too_long), 3u);
  give_in_vain(ipv4({.begin = 3000, .bytes = 8}));
  EXPECT_EQ(dropped(DropReason::fragment_too_long), 4u);
}

TEST_F(FragmentReassembly, FillsABufferToItsEnd) {
  give_in_vain(ipv4({.bytes = 1600, .more = true}));
  const auto whole = give(ipv4({.begin = 1600, .bytes = 428}));
  ASSERT_TRUE(whole.has_value());
  EXPECT_TRUE(carries(*whole, sizeof(Ipv4Header), 1, 0, 2028));
  free(*whole);
}

TEST_F(FragmentReassembly, DropsWhatIsNotCompleteInTime) {
  give_in_vain(ipv4({.bytes = 8, .more = true}));
  reassembly().expire(3 * kSecond - 1);
  EXPECT_EQ(dropped(), 0u);
  // The fragment that is too late begins anew.
  give_in_vain(ipv4({.begin = 8, .bytes = 8, .time_ns = 3 * kSecond}));
  EXPECT_EQ(dropped(DropReason::fragment_timeout), 1u);
  EXPECT_EQ(reassembly().held(), 1u);
  reassembly().expire(5 * kSecond);
  EXPECT_EQ(dropped(DropReason::fragment_timeout), 2u);
  EXPECT_TRUE(reassembly().is_empty());
}

TEST_F(FragmentReassembly, WaitsNoLongerWhenTheClockWasSetBack) {
  give_in_vain(ipv4({.bytes = 8, .more = true, .time_ns = 1000 * kSecond}));
  reassembly().expire(10 * kSecond);
  EXPECT_EQ(dropped(), 0u);
  reassembly().expire(12 * kSecond);
  EXPECT_EQ(dropped(DropReason::fragment_timeout), 1u);
}

// RFC 3168 5.3.
TEST_F(FragmentReassembly, MergesTheEcnOfFragments) {
  struct Case {
    Ecn first;
    Ecn second;
    std::optional<Ecn> merged;
  };
  const std::vector<Case> cases = {
      {Ecn::not_ect, Ecn::not_ect, Ecn::not_ect},
      {Ecn::ect0, Ecn::ect0, Ecn::ect0},
      {Ecn::ect1, Ecn::ect1, Ecn::ect1},
      {Ecn::ce, Ecn::ce, Ecn::ce},
      {Ecn::ect0, Ecn::ce, Ecn::ce},
      {Ecn::ce, Ecn::ect1, Ecn::ce},
      {Ecn::ect0, Ecn::ect1, Ecn::ect0},
      {Ecn::not_ect, Ecn::ect0, Ecn::not_ect},
      {Ecn::ect1, Ecn::not_ect, Ecn::not_ect},
      {Ecn::ce, Ecn::not_ect, std::nullopt},
      {Ecn::not_ect, Ecn::ce, std::nullopt},
  };
  for (const Case& one : cases) {
    give_in_vain(ipv4({.bytes = 8, .more = true, .ecn = one.first}));
    const auto four = give(ipv4({.begin = 8, .bytes = 8, .ecn = one.second}));
    give_in_vain(ipv6_fragment({.bytes = 8, .more = true, .ecn = one.first}));
    const auto six = give(ipv6_fragment({.begin = 8, .bytes = 8, .ecn = one.second}));
    ASSERT_EQ(four.has_value(), one.merged.has_value());
    ASSERT_EQ(six.has_value(), one.merged.has_value());
    if (!four) continue;
    EXPECT_EQ(four->header<Ipv4Header>(0)->ecn(), *one.merged);
    EXPECT_EQ(four->header<Ipv4Header>(0)->dscp(), Dscp{10});
    EXPECT_EQ(validate_ipv4(four->bytes()), Ipv4Validity::ok);
    EXPECT_EQ(six->header<Ipv6Header>(0)->ecn(), *one.merged);
    free(*four);
    free(*six);
  }
  EXPECT_EQ(dropped(DropReason::fragment_ecn), 8u);
}

TEST_F(FragmentReassembly, GivesOneSourceAQuarterOfTheDatagramsAndDropsItsOwnOldest) {
  give_in_vain(ipv4({.bytes = 8, .more = true, .source = 0x0a000001}));
  for (std::uint16_t i = 0; i < 200; ++i) {
    give_in_vain(ipv4({.bytes = 8, .more = true, .identification = i, .source = 0x0a000002}));
  }
  EXPECT_EQ(dropped(DropReason::fragment_limit), 200u - 64u);
  EXPECT_EQ(reassembly().held(), 65u);
  // Its newest and the other source's are there.
  for (const Part& part :
       {Part{.begin = 8, .bytes = 8, .source = 0x0a000001},
        Part{.begin = 8, .bytes = 8, .identification = 199, .source = 0x0a000002}}) {
    const auto whole = give(ipv4(part));
    ASSERT_TRUE(whole.has_value());
    free(*whole);
  }
}

TEST_F(FragmentReassembly, GivesOneSourceAQuarterOfTheBuffers) {
  for (std::uint16_t datagram = 0; datagram < 10; ++datagram) {
    for (std::uint32_t i = 0; i < 20; ++i) {
      give_in_vain(ipv4({.begin = 8 * i, .bytes = 8, .more = true, .identification = datagram}));
    }
  }
  EXPECT_LE(reassembly().held(), 64u);
  EXPECT_EQ(dropped(DropReason::fragment_limit), 200u - reassembly().held());
}

TEST_F(FragmentReassembly, GivesUpADatagramOfTooManyFragments) {
  for (std::uint32_t i = 0; i < 65; ++i) {
    give_in_vain(ipv4({.begin = 8 * i, .bytes = 8, .more = true}));
  }
  EXPECT_EQ(dropped(DropReason::fragment_limit), 65u);
  EXPECT_EQ(reassembly().held(), 0u);
}

TEST_F(FragmentReassembly, CountsAnIpv6NetworkOf64BitsAsOneSource) {
  for (std::uint16_t i = 0; i < 100; ++i) {
    const Packet packet = ipv6_fragment({.bytes = 8, .more = true});
    packet.header<Ipv6Header>(0)->source[15] = static_cast<std::uint8_t>(i);
    give_in_vain(packet);
  }
  EXPECT_EQ(reassembly().held(), 64u);
}

// A flood from everywhere, as fast as it likes: what waits is bounded, and a datagram whose
// fragments come close together gets through.
TEST_F(FragmentReassembly, LetsADatagramThroughAFloodFromManySources) {
  std::uint32_t flood = 0x0b000000;
  std::size_t completed = 0;
  for (std::uint16_t round = 0; round < 100; ++round) {
    give_in_vain(ipv4({.bytes = 800, .more = true, .identification = round}));
    for (int i = 0; i < 150; ++i) {
      give_in_vain(ipv4({.bytes = 8, .more = true, .source = ++flood}));
      ASSERT_LE(reassembly().held(), 256u);
    }
    const auto whole = give(ipv4({.begin = 800, .bytes = 100, .identification = round}));
    completed += whole.has_value() ? 1 : 0;
    if (whole) free(*whole);
    drops_.flush();
  }
  EXPECT_EQ(completed, 100u);
  EXPECT_GT(dropped(DropReason::fragment_limit), 0u);
}

TEST_F(FragmentReassembly, BoundsTheBuffersOfWhatIsHandedOn) {
  give_in_vain(udp_first(53, 0));
  for (std::uint32_t i = 0; i < 300; ++i) {
    give_in_vain(
        ipv4({.begin = 24 + 8 * i, .bytes = 8, .more = true, .protocol = IpProtocol::udp}));
  }
  EXPECT_EQ(reassembly().held(), 256u);
  EXPECT_EQ(dropped(DropReason::fragment_limit), 301u - 256u);
}

TEST_F(FragmentReassembly, TakesUdpAndEspOnly) {
  EXPECT_TRUE(Reassembly::takes(IpProtocol::esp));
  EXPECT_TRUE(Reassembly::takes(IpProtocol::udp));
  EXPECT_FALSE(Reassembly::takes(IpProtocol::tcp));
  const Packet fragment = ipv6_fragment({.begin = 8, .bytes = 8, .protocol = IpProtocol::tcp});
  EXPECT_FALSE(Reassembly::takes_ipv6(fragment, walk_ipv6(fragment.bytes())));
  *fragment.header<IpProtocol>(sizeof(Ipv6Header)) = IpProtocol::esp;
  EXPECT_TRUE(Reassembly::takes_ipv6(fragment, walk_ipv6(fragment.bytes())));
  free(fragment);
  const Packet whole = ipv6({.bytes = 8}, IpProtocol::esp, HopByHop::no);
  EXPECT_FALSE(Reassembly::takes_ipv6(whole, walk_ipv6(whole.bytes())));
  free(whole);
}

}  // namespace
}  // namespace culvert
