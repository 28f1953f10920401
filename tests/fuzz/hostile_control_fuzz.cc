// SPDX-License-Identifier: BSD-3-Clause
// A control gone mad beside a dataplane that forwards: it writes anything, at any time, into what
// it shares with it. The dataplane refuses, counts, and every packet of the SAs that nobody asked
// to change comes out right all the time; what is in order works as before once the storm is over.
//
//   hostile_control_fuzz ROUNDS [SEED]
//
// First each strike comes between two rounds of traffic, the same ones for the same seed; then the
// storm and the housekeeper have a thread of their own, and strike into everything.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "bench/throughput_gateway.h"
#include "bench/throughput_traffic.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/hostile_control.h"

namespace culvert {
namespace {

using fuzz::require;

constexpr std::uint32_t kTunnels = 8;
constexpr std::uint32_t kPolicies = 100;  // of a direction: what the gateway has at least
constexpr std::uint32_t kMaxSas = 4096;
constexpr std::uint64_t kStrikesPerRound = 300;
// Of some thirty. A storm that provokes fewer does not reach what it is to reach.
constexpr std::size_t kFewestKinds = 18;

void require_no_error(const std::string& error) {
  if (error.empty()) return;
  std::fprintf(stderr, "fuzz: %s\n", error.c_str());
  std::abort();
}

// Both directions; every packet must come out, and be what it should.
class CheckedTraffic {
 public:
  CheckedTraffic(ThroughputGateway& gateway, const TunnelKind& tunnels)
      : gateway_(gateway), tunnels_(tunnels) {}

  void run() {
    for (const auto direction : {TrafficDirection::seal, TrafficDirection::open}) {
      // The numbers of before are used; as many packets as there are need as many new ones at most.
      Traffic traffic(gateway_,
                      {.direction = direction, .tunnels = tunnels_, .last_sequence = packets_});
      traffic.prepare();
      if (!traffic.through_gateway()) {
        std::fprintf(stderr, "fuzz: packets are missing; dropped: %s\n", gateway_.drops().c_str());
        std::abort();
      }
      require(traffic.came_out_right(), "every packet is right");
      packets_ += Traffic::kPackets;
    }
  }
  [[nodiscard]] std::uint64_t packets() const { return packets_; }

 private:
  ThroughputGateway& gateway_;
  TunnelKind tunnels_;
  std::uint64_t packets_ = 0;
};

void storm(HostileControl& hostile, Housekeeper& housekeeper) {
  for (std::uint64_t i = 0; i < kStrikesPerRound; ++i) {
    hostile.strike();
    if (i % 4 == 0) housekeeper.run_once();
    if (i % 64 == 0) hostile.hear();
  }
  housekeeper.run_once();
  hostile.hear();
  hostile.calm();
}

void run(std::uint64_t rounds, std::uint64_t seed) {
  ThroughputGateway gateway;
  require_no_error(gateway.start({.use_huge_pages = 0, .max_sas = kMaxSas}));
  const TunnelKind tunnels{.transform = TransformId::aes128_gcm16, .count = kTunnels};
  require_no_error(gateway.set_tunnels(tunnels));
  CheckedTraffic traffic(gateway, tunnels);
  traffic.run();

  const Untouched sas{kTunnels, kMaxSas / 2, kTunnels, 1};
  const Untouched policies{kPolicies, kMaxSas / 2, kPolicies, 1};
  HostileControl hostile(gateway.control_side(), sas, policies, seed);
  Dataplane& dataplane = gateway.dataplane();
  for (std::uint64_t round = 0; round < rounds; ++round) {
    storm(hostile, dataplane.housekeeper());
    traffic.run();
  }
  const std::uint64_t in_turn = traffic.packets();

  std::atomic<bool> is_over{false};
  dataplane.qsbr().start(0);
  std::thread other([&] {
    for (std::uint64_t round = 0; round < rounds; ++round) storm(hostile, dataplane.housekeeper());
    is_over.store(true);
  });
  while (!is_over.load()) {
    traffic.run();
    dataplane.qsbr().quiescent(0);
  }
  dataplane.qsbr().offline(0);
  other.join();

  // Tunnels in place of those there were: removals and additions through the same rings.
  gateway.take_rings_up();
  require_no_error(gateway.set_tunnels(tunnels));
  CheckedTraffic(gateway, tunnels).run();

  for (std::size_t i = 0; i < kRefusalText.size(); ++i) {
    std::printf("%10llu  %s\n", static_cast<unsigned long long>(hostile.refusals()[i]),
                kRefusalText[i]);
  }
  std::printf("%llu answers, %zu kinds of refusal, %llu packets between strikes, %llu at once\n",
              static_cast<unsigned long long>(hostile.answers()), hostile.kinds_of_refusal(),
              static_cast<unsigned long long>(in_turn),
              static_cast<unsigned long long>(traffic.packets() - in_turn));
  require(hostile.kinds_of_refusal() >= kFewestKinds, "the storm provokes many kinds of refusal");
  require(hostile.refusals()[0] > rounds, "the storm asks for things that are in order, too");
  require(in_turn >= rounds * Traffic::kPackets, "traffic was looked at in every round");
}

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: %s ROUNDS [SEED]\n", argv[0]);
    return 2;
  }
  culvert::run(std::strtoull(argv[1], nullptr, 10),
               argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 1);
  return 0;
}
