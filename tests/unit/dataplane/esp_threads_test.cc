// SPDX-License-Identifier: BSD-3-Clause
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/esp_inbound.h"
#include "dataplane/flow_cache.h"
#include "tests/unit/dataplane/stage_lab.h"

namespace culvert {
namespace {

constexpr std::uint32_t kWorkers = 2;
constexpr std::size_t kRounds = 250;
constexpr std::size_t kPackets = 32;  // in a round
constexpr std::uint32_t kWindow = 32768;
// No packet can fall out of the window, however long a thread has to wait for a core.
static_assert(kWorkers * kRounds * kPackets < kWindow);

class EspThreads : public StageLab {
 protected:
  static constexpr MacAddress kOneMac{{2, 0, 0, 0, 0, 2}};
  static constexpr MacAddress kOtherMac{{2, 0xff, 0xff, 0xff, 0xff, 3}};

  // The stages of one worker, as it has them; buffers are its own, as DPDK's rings of free buffers
  // are not made for ThreadSanitizer's eyes.
  struct Stages {
    Stages(EspThreads& lab, std::uint32_t number)
        : id(number),
          pool(rte_pktmbuf_pool_create(("esp_threads" + std::to_string(number)).c_str(), 127, 0, 0,
                                       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY)),
          drops(counters, events),
          engine(Engine::create()),
          icmp_errors(lab.ports_, *lab.spd_, *lab.fib_, *pool, drops),
          fragmenter(*pool, drops, 0),
          outbound({.sad = *lab.sad_,
                    .fib = *lab.fib_,
                    .spd = *lab.spd_,
                    .ports = lab.ports_,
                    .policy_states = lab.regions_.policy_states(),
                    .writers = Writers::several,
                    .default_policy = lab.default_policy_,
                    .icmp_errors = icmp_errors,
                    .fragmenter = fragmenter,
                    .splitting = lab.splitting_,
                    .engine = *engine,
                    .events = events,
                    .drops = drops}),
          inbound(*lab.sad_, *lab.fib_, *engine, Writers::several, events, drops),
          flow_cache(*lab.spd_, *lab.fib_, id) {}

    std::uint32_t id;
    std::unique_ptr<rte_mempool, FreePool> pool;
    WorkerCounters counters;
    WorkerEvents events;
    DropSink drops;
    std::unique_ptr<Engine> engine;
    IcmpErrors icmp_errors;
    Fragmenter fragmenter;
    EspOutbound outbound;
    EspInbound inbound;
    FlowCache flow_cache;
    Lanes lanes;
    std::size_t opened = 0;
    std::size_t misdirected = 0;
  };

  void SetUp() override {
    StageLab::SetUp();
    ASSERT_EQ(sad_->add(SaIndex{1}, inbound_spec(0), {.generation = 1, .key_bytes = 20}),
              Refusal::none);
  }

  static SaSpec outbound_spec(std::uint32_t reqid) {
    return {.generation = 1,
            .direction = Direction::out,
            .transform = static_cast<std::uint8_t>(TransformId::aes128_gcm16),
            .family = Family::v4,
            .spi = 0x1001,
            .reqid = reqid,
            .src = IpAddress::v4(wire_address(kOurs)),
            .dst = IpAddress::v4(wire_address(kPeer))};
  }
  // The other end of it, here too.
  static SaSpec inbound_spec(std::uint32_t reqid) {
    SaSpec spec = outbound_spec(reqid);
    spec.direction = Direction::in;
    spec.replay_window = kWindow;
    return spec;
  }

  // Seals a burst, and opens it again.
  void run_round(Stages& stages) {
    for (std::size_t i = 0; i < kPackets; ++i) {
      const Packet packet = packet_from(*stages.pool);
      const FlowWords flow = flow_of(packet.bytes());
      FlowVerdict verdict;
      stages.flow_cache.lookup_burst({&flow, 1}, {&verdict, 1});
      stages.lanes.clear.push({packet, verdict.outbound});
    }
    stages.outbound(stages.lanes.clear, stages.lanes);
    for (const WirePacket& sent : stages.lanes.wire.packets()) {
      const Packet sealed(sent.mbuf());
      const MacAddress mac = sealed.header<EthernetHeader>(0)->destination;
      if (mac != kOneMac && mac != kOtherMac) ++stages.misdirected;
      sealed.pull_front(sizeof(EthernetHeader));
      sealed.meta() = {.sa = kNoSa.raw(), .esp_offset = sizeof(Ipv4Header)};
      stages.lanes.esp.push(sealed);
    }
    stages.lanes.wire.clear();
    stages.inbound(stages.lanes.esp, stages.lanes);
    stages.opened += stages.lanes.inner.packets().size();
    for (const Packet opened : stages.lanes.inner.packets()) rte_pktmbuf_free(opened.mbuf());
    stages.lanes.inner.clear();
    stages.drops.flush();
  }

  void work(Stages& stages, std::atomic<std::uint32_t>& running) {
    qsbr_.start(stages.id);
    for (std::size_t round = 0; round < kRounds; ++round) {
      run_round(stages);
      qsbr_.quiescent(stages.id);
      if (round % 8 == 0) {  // asleep
        qsbr_.offline(stages.id);
        std::this_thread::yield();
        qsbr_.online(stages.id);
      }
    }
    qsbr_.offline(stages.id);
    running.fetch_sub(1);
  }

  // What a housekeeper may do meanwhile to the SAs, the policy and the next hop.
  void change_tables(std::uint32_t round) {
    ASSERT_EQ(sad_->update(SaIndex{0}, outbound_spec(round)), Refusal::none);
    ASSERT_EQ(sad_->update(SaIndex{1}, inbound_spec(round)), Refusal::none);
    ASSERT_EQ(spd_->set(0, policy_spec(round % 7)), Refusal::none);
    ASSERT_EQ(fib_->neighbor_set(PortId{0}, kPeer, round % 2 == 0 ? kOneMac : kOtherMac),
              Refusal::none);
    ASSERT_EQ(fib_->route_add({Ipv4Address{0x0b000000}, 24}, kPeer, PortId{0}), Refusal::none);
    fib_->publish();
    ASSERT_EQ(fib_->route_delete({Ipv4Address{0x0b000000}, 24}), Refusal::none);
    fib_->publish();
    sad_->resolve_next_hops(*fib_, ports_);
    qsbr_.wait();
    sad_->reclaim();
  }
};

// The stages of two workers share one SA for each direction, while the housekeeper changes all of
// it: every packet is sealed under a number of its own, opened once, and sent to the peer.
TEST_F(EspThreads, TwoWorkersSealAndOpenForOneSaWhileItIsChanged) {
  std::vector<std::unique_ptr<Stages>> workers;
  for (std::uint32_t i = 0; i < kWorkers; ++i) {
    workers.push_back(std::make_unique<Stages>(*this, i));
    ASSERT_NE(workers.back()->pool, nullptr);
  }
  std::atomic<std::uint32_t> running{kWorkers};
  std::vector<std::thread> threads;
  for (const auto& worker : workers) {
    threads.emplace_back([this, &worker, &running] { work(*worker, running); });
  }
  for (std::uint32_t round = 1; running.load() != 0; ++round) {
    change_tables(round);
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();

  constexpr std::uint64_t kEach = kRounds * kPackets;
  for (const auto& worker : workers) {
    EXPECT_EQ(worker->opened, kEach);
    EXPECT_EQ(worker->misdirected, 0u);
    for (std::size_t i = 0; i < kDropReasons; ++i) {
      EXPECT_EQ(worker->counters.drops[i].get(), 0u) << "drop reason " << i;
    }
  }
  for (const std::uint32_t index : {0u, 1u}) {
    const SaState& state = sad_->state(SaIndex{index});
    EXPECT_EQ(state.packets.get(), kWorkers * kEach);
    EXPECT_EQ(state.sequence.load(), kWorkers * kEach);
  }
  EXPECT_EQ(regions_.policy_states()[0].packets.get(), kWorkers * kEach);
}

}  // namespace
}  // namespace culvert
