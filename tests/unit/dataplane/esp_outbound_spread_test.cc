// SPDX-License-Identifier: BSD-3-Clause
// Which SA a packet goes by where the policy spreads its flows.
#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "dataplane/esp_outbound.h"
#include "dataplane/flow_cache.h"
#include "dataplane/net/esp.h"
#include "dataplane/net/udp.h"
#include "dataplane/sa_spread.h"
#include "tests/unit/dataplane/stage_lab.h"

namespace culvert {
namespace {

constexpr std::uint16_t kFlows = 60;

class OutboundSpread : public StageLab {
 protected:
  void SetUp() override {
    StageLab::SetUp();
    install(1);
    install(2);
    spread_over({0, 1, 2});
  }

  void install(std::uint32_t index) {
    const SaSpec sa{.generation = 1,
                    .direction = Direction::out,
                    .transform = static_cast<std::uint8_t>(TransformId::aes128_gcm16),
                    .family = Family::v4,
                    .spi = 0x1001 + index,
                    .src = IpAddress::v4(wire_address(kOurs)),
                    .dst = IpAddress::v4(wire_address(kPeer))};
    ASSERT_EQ(sad_->add(SaIndex{index}, sa, {.generation = 1, .key_bytes = 20}), Refusal::none);
    sad_->resolve_next_hops(*fib_, ports_);
  }

  void spread_over(const std::vector<std::uint32_t>& sas) {
    PolicySpec policy = policy_spec(0);
    policy.spreads = 1;
    policy.sa_count = static_cast<std::uint8_t>(sas.size());
    std::ranges::copy(sas, policy.sas.begin());
    ASSERT_EQ(spd_->set(0, policy), Refusal::none);
  }

  [[nodiscard]] Packet packet_of_flow(std::uint16_t port) const {
    const Packet datagram = packet();
    datagram.header<UdpHeader>(sizeof(Ipv4Header))->source_port = Be16(port);
    return datagram;
  }

  // The SPI by which each flow leaves; all in one burst, by the policy that `cache` finds.
  [[nodiscard]] std::map<std::uint16_t, std::uint32_t> spis(FlowCache& cache) {
    for (std::uint16_t flow = 0; flow < kFlows; ++flow) {
      const Packet datagram = packet_of_flow(flow);
      const FlowWords words = flow_of(datagram.bytes());
      FlowVerdict verdict;
      cache.lookup_burst(std::span(&words, 1), std::span(&verdict, 1));
      lanes_.clear.push({datagram, verdict.outbound});
    }
    (*esp_outbound_)(lanes_.clear, lanes_);
    std::map<std::uint16_t, std::uint32_t> found;
    std::uint16_t flow = 0;
    for (const WirePacket& sent : lanes_.wire.packets()) {
      const auto* const esp = rte_pktmbuf_mtod_offset(sent.mbuf(), const Be32*,
                                                      sizeof(EthernetHeader) + sizeof(Ipv4Header));
      found[flow++] = esp->host();
      rte_pktmbuf_free(sent.mbuf());
    }
    lanes_.wire.clear();
    return found;
  }
};

TEST_F(OutboundSpread, GivesEachFlowOneSaAndEachSaFlows) {
  FlowCache cache(*spd_, *fib_, 1);
  const auto first = spis(cache);
  ASSERT_EQ(first.size(), kFlows);
  EXPECT_EQ(spis(cache), first);
  std::map<std::uint32_t, int> flows;
  for (const auto& [flow, spi] : first) ++flows[spi];
  ASSERT_EQ(flows.size(), 3u);
  for (const auto& [spi, count] : flows) EXPECT_GT(count, kFlows / 8) << spi;
}

TEST_F(OutboundSpread, MovesOnlyTheFlowsOfTheSaThatWent) {
  FlowCache cache(*spd_, *fib_, 1);
  const auto before = spis(cache);
  spread_over({0, 2});
  const auto after = spis(cache);
  for (const auto& [flow, spi] : before) {
    if (spi != 0x1002) {
      EXPECT_EQ(after.at(flow), spi);
    }
    EXPECT_NE(after.at(flow), 0x1002u);
  }
}

TEST_F(OutboundSpread, TakesEqualSharesForTheSaThatComes) {
  FlowCache cache(*spd_, *fib_, 1);
  spread_over({0, 2});
  const auto before = spis(cache);
  spread_over({1, 0, 2});
  const auto after = spis(cache);
  std::set<std::uint32_t> gave;
  for (const auto& [flow, spi] : after) {
    if (spi == before.at(flow)) continue;
    EXPECT_EQ(spi, 0x1002u);
    gave.insert(before.at(flow));
  }
  EXPECT_EQ(gave.size(), 2u);
}

// Control may take an SA away before it takes it out of the policy.
TEST_F(OutboundSpread, LeavesOutAnSaThatIsNotInstalled) {
  FlowCache cache(*spd_, *fib_, 1);
  const auto before = spis(cache);
  ASSERT_EQ(sad_->remove(SaIndex{1}, 1), Refusal::none);
  const auto after = spis(cache);
  ASSERT_EQ(after.size(), kFlows);
  for (const auto& [flow, spi] : before) {
    if (spi != 0x1002) {
      EXPECT_EQ(after.at(flow), spi);
    }
    EXPECT_NE(after.at(flow), 0x1002u);
  }
}

TEST_F(OutboundSpread, CountsNoPortsInFragments) {
  const Packet first = packet_of_flow(7);
  const Packet later = packet_of_flow(9);
  first.header<Ipv4Header>(0)->flags_and_fragment_offset = Be16(Ipv4Header::kMoreFragments);
  later.header<Ipv4Header>(0)->flags_and_fragment_offset = Be16(5);
  EXPECT_EQ(spread_hash(first), spread_hash(later));
  const Packet whole = packet_of_flow(7);
  EXPECT_NE(spread_hash(first), spread_hash(whole));
  for (const Packet made : {first, later, whole}) rte_pktmbuf_free(made.mbuf());
}

}  // namespace
}  // namespace culvert
