// SPDX-License-Identifier: BSD-3-Clause
// Drops for want of room, which no packet can provoke by what it says.
#include "dataplane/housekeeper.h"
#include "dataplane/mirror.h"
#include "dataplane/punt.h"
#include "dataplane/requests.h"
#include "dataplane/tx.h"
#include "tests/unit/dataplane/stage_lab.h"

namespace culvert {
namespace {

using EspOutboundStage = StageLab;
using PuntStage = StageLab;
using TxStage = StageLab;
using HousekeeperThread = StageLab;

TEST_F(EspOutboundStage, SealsWhatHasRoomForHeadersAndTrailer) {
  lanes_.clear.push(clear(packet()));
  (*esp_outbound_)(lanes_.clear, lanes_);
  ASSERT_EQ(lanes_.wire.packets().size(), 1u);
  EXPECT_EQ(sad_->state(SaIndex{0}).packets.get(), 1u);
  rte_pktmbuf_free(lanes_.wire.packets().front().mbuf());
}

TEST_F(EspOutboundStage, DropsWhatHasNoHeadroomForTheHeadersOrNoTailroomForTheTrailer) {
  // Needed: 14 Ethernet, 20 IP, 8 ESP, 8 IV in front; 16 padding, 2 trailer, 16 ICV behind.
  constexpr std::uint16_t kPacketBytes = 100;
  lanes_.clear.push(clear(packet(49)));
  lanes_.clear.push(clear(packet(RTE_MBUF_DEFAULT_BUF_SIZE - kPacketBytes - 33)));

  (*esp_outbound_)(lanes_.clear, lanes_);
  EXPECT_EQ(dropped(DropReason::esp_out_no_room), 2u);
  const SaState& state = sad_->state(SaIndex{0});
  EXPECT_EQ(state.packets.get(), 0u);
  EXPECT_EQ(state.sequence.load(), 0u) << "no sequence number is used up";
  EXPECT_TRUE(lanes_.wire.empty());
}

TEST_F(PuntStage, DropsWhatTheRingToTheHousekeeperDoesNotTake) {
  const Ring to_housekeeper = ring("punt_full", 4);
  Bell bell;
  Punt punt({.to_housekeeper = to_housekeeper.get(), .housekeeper_bell = &bell}, drops_);
  for (int i = 0; i < 5; ++i) lanes_.punt.push(frame());
  punt.send(lanes_);
  EXPECT_EQ(dropped(DropReason::punt_ring_full), 2u);
  EXPECT_TRUE(lanes_.punt.empty());
  EXPECT_EQ(drain(*to_housekeeper), 3u);
}

TEST_F(TxStage, DropsWhatTheRelayToTheQueuesOwnerDoesNotTake) {
  const Ring relay = ring("tx_full", 8);
  std::array<PortCounters, 1> port_counters;
  Bell bell;
  Tx tx({{.relay = relay.get(), .bell = &bell}}, nullptr, port_counters, drops_);
  for (int i = 0; i < 10; ++i) esp_outbound_->bypass_frame(frame(), lanes_);
  tx.send(lanes_.wire);
  EXPECT_EQ(dropped(DropReason::tx_ring_full), 3u);
  EXPECT_EQ(counters_.sent.get(), 0u) << "the queue's owner counts what it sends";
  EXPECT_EQ(drain(*relay), 7u);
}

TEST_F(HousekeeperThread, DropsWhatTheMirrorDoesNotTake) {
  const Ring to_housekeeper = ring("to_mirror", 8);
  const Ring to_worker = ring("from_mirror", 8);
  Bell bell;
  TraceRecords records;
  TraceSwitch traces;
  const std::array rings = {
      HousekeeperRings{to_housekeeper.get(), to_worker.get(), &bell, &bell, &events_, &records}};
  std::array<Mirror, 1> mirrors;  // not open: as one that Linux has taken away
  Requests requests({.regions = regions_,
                     .ports = ports_,
                     .sad = *sad_,
                     .spd = *spd_,
                     .fib = *fib_,
                     .default_policy = default_policy_,
                     .splitting = splitting_,
                     .traces = traces,
                     .quiescence = qsbr_});
  const Clock clock(Clock::Source::system);
  Housekeeper housekeeper({.regions = regions_,
                           .ports = ports_,
                           .mirrors = mirrors,
                           .rings = rings,
                           .requests = requests,
                           .sad = *sad_,
                           .fib = *fib_,
                           .clock = clock,
                           .pool = *pool_,
                           .bell = bell,
                           .request_bell = -1,
                           .state_bell = -1},
                          nullptr);
  ASSERT_EQ(rte_ring_enqueue(to_housekeeper.get(), frame().mbuf()), 0);
  EXPECT_EQ(housekeeper.run_once(), 1u);
  const WorkerCounters& row = regions_.state().workers[kMaxWorkers];
  EXPECT_EQ(row.drops[index_of(DropReason::punt_no_mirror)].get(), 1u);
  EXPECT_EQ(row.punted.get(), 0u);
}

}  // namespace
}  // namespace culvert
