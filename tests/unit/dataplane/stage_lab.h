// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <gtest/gtest.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "crypto/esp_transform.h"
#include "dataplane/esp_outbound.h"
#include "dataplane/fib.h"
#include "dataplane/icmp_error.h"
#include "dataplane/lanes.h"
#include "dataplane/net/checksum.h"
#include "dataplane/net/ethernet.h"
#include "dataplane/packet.h"
#include "dataplane/port.h"
#include "dataplane/punt.h"
#include "dataplane/qsbr.h"
#include "dataplane/sad.h"
#include "dataplane/shm/regions.h"
#include "dataplane/spd.h"

namespace culvert {

// The tables of a small gateway: one port with 192.0.2.1/24, a peer at 192.0.2.2, and an outbound
// SA and policy for 10.0.0.0/8. One test at a time.
class StageLab : public testing::Test {
 protected:
  static constexpr Ipv4Address kOurs{0xc0000201};
  static constexpr Ipv4Address kPeer{0xc0000202};
  static constexpr Ipv4Address kFar{0x0a020005};

  void SetUp() override {
    ASSERT_TRUE(claim_packet_meta());
    static int pools = 0;
    const std::string number = std::to_string(pools++);
    pool_.reset(rte_pktmbuf_pool_create(("stage" + number).c_str(), 255, 0, 0,
                                        RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY));
    ASSERT_NE(pool_, nullptr) << rte_strerror(rte_errno);
    ASSERT_EQ(create_regions({.max_sas = 4, .max_policies = 4, .window_slots = 2048}, {}, shared_),
              "");
    ASSERT_EQ(regions_.attach(shared_, Side::dataplane), "");
    engine_ = Engine::create();
    ASSERT_NE(engine_, nullptr);
    std::string error;
    sad_ = Sad::create(regions_, *engine_, 1, qsbr_, error);
    ASSERT_NE(sad_, nullptr) << error;
    spd_ = Spd::create(4, 1, qsbr_);
    fib_ = Fib::create("stage" + number, {.max_routes = 64, .max_long_networks = 64}, qsbr_);
    ASSERT_TRUE(spd_ != nullptr && fib_ != nullptr);
    fill_tables();
  }

  void TearDown() override {
    drops_.flush();
    for (const int descriptor : shared_) {
      if (descriptor >= 0) close(descriptor);
    }
  }

  // A UDP packet from us to the far side; data at the IP header, `headroom` bytes into the buffer.
  [[nodiscard]] Packet packet(std::uint16_t headroom = RTE_PKTMBUF_HEADROOM) const {
    return packet_from(*pool_, headroom);
  }
  [[nodiscard]] static Packet packet_from(rte_mempool& pool,
                                          std::uint16_t headroom = RTE_PKTMBUF_HEADROOM) {
    constexpr std::uint16_t kBytes = 100;
    const Packet packet(rte_pktmbuf_alloc(&pool));
    packet.mbuf()->data_off = headroom;
    static_cast<void>(packet.push_back(kBytes));
    std::ranges::fill(packet.bytes(), std::byte{});
    Ipv4Header ip;
    ip.total_length = Be16(kBytes);
    ip.ttl = 64;
    ip.protocol = IpProtocol::udp;
    ip.source = wire_address(kOurs);
    ip.destination = wire_address(kFar);
    ip.checksum = ipv4_header_checksum(ip);
    *packet.header<Ipv4Header>(0) = ip;
    packet.meta() = {.sa = kNoSa.raw()};
    return packet;
  }

  // As Forward leaves it.
  [[nodiscard]] ClearPacket clear(Packet packet) const {
    return {packet, spd_->lookup(Direction::out, flow_of(packet.bytes()))};
  }

  // One with an Ethernet header, as it goes to Linux or to a port.
  [[nodiscard]] Packet frame() const {
    const Packet result = packet();
    static_cast<void>(result.push_front(sizeof(EthernetHeader)));
    *result.header<EthernetHeader>(0) = {.ether_type = wire_ether_type(EtherType::ipv4)};
    return result;
  }

  // Of policy 0.
  [[nodiscard]] static PolicySpec policy_spec(std::uint32_t priority) {
    PolicySpec policy{.generation = 1,
                      .direction = Direction::out,
                      .action = PolicyAction::protect,
                      .sa_count = 1,
                      .priority = priority};
    policy.selector.family = Family::v4;
    policy.selector.dst = IpAddress::v4(Be32{0x0a000000});
    policy.selector.dst_prefix_bits = 8;
    return policy;
  }

  [[nodiscard]] std::uint64_t dropped(DropReason reason) const {
    return counters_.drops[index_of(reason)].get();
  }

  struct FreePool {
    void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
  };
  struct FreeRing {
    void operator()(rte_ring* ring) const { rte_ring_free(ring); }
  };
  using Ring = std::unique_ptr<rte_ring, FreeRing>;

  // A ring for one packet less than `slots`, a power of two.
  [[nodiscard]] static Ring ring(const char* name, unsigned slots) {
    return Ring(rte_ring_create(name, slots, SOCKET_ID_ANY, 0));
  }

  // Frees what lies in it and returns how many there were.
  static std::size_t drain(rte_ring& ring) {
    rte_mbuf* mbuf = nullptr;
    std::size_t count = 0;
    for (; rte_ring_dequeue(&ring, reinterpret_cast<void**>(&mbuf)) == 0; ++count) {
      rte_pktmbuf_free(mbuf);
    }
    return count;
  }

  std::unique_ptr<rte_mempool, FreePool> pool_;
  Descriptors shared_ = {-1, -1, -1, -1, -1, -1};
  Regions regions_;
  Qsbr qsbr_{2};
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Sad> sad_;
  std::unique_ptr<Spd> spd_;
  std::unique_ptr<Fib> fib_;
  std::array<Port, 1> ports_{};
  DefaultPolicy default_policy_{PolicyAction::discard};
  EspOutbound::Splitting splitting_;
  WorkerCounters counters_;
  WorkerEvents events_;
  DropSink drops_{counters_, events_};
  std::unique_ptr<IcmpErrors> icmp_errors_;
  std::unique_ptr<Fragmenter> fragmenter_;
  std::unique_ptr<EspOutbound> esp_outbound_;
  Lanes lanes_;

 private:
  void fill_tables() {
    ASSERT_EQ(fib_->address_add(PortId{0}, {kOurs, 24}), Refusal::none);
    ASSERT_EQ(fib_->neighbor_set(PortId{0}, kPeer, MacAddress{{2, 0, 0, 0, 0, 2}}), Refusal::none);
    fib_->publish();
    SaSpec sa{.generation = 1,
              .direction = Direction::out,
              .transform = static_cast<std::uint8_t>(TransformId::aes128_gcm16),
              .family = Family::v4,
              .spi = 0x1001,
              .src = IpAddress::v4(wire_address(kOurs)),
              .dst = IpAddress::v4(wire_address(kPeer))};
    ASSERT_EQ(sad_->add(SaIndex{0}, sa, {.generation = 1, .key_bytes = 20}), Refusal::none);
    sad_->resolve_next_hops(*fib_, ports_);
    ASSERT_EQ(spd_->set(0, policy_spec(0)), Refusal::none);
    icmp_errors_ = std::make_unique<IcmpErrors>(ports_, *spd_, *fib_, *pool_, drops_);
    fragmenter_ = std::make_unique<Fragmenter>(*pool_, drops_, 0);
    esp_outbound_ = std::make_unique<EspOutbound>(
        EspOutbound::Context{.sad = *sad_,
                             .fib = *fib_,
                             .spd = *spd_,
                             .ports = ports_,
                             .policy_states = regions_.policy_states(),
                             .writers = Writers::one,
                             .default_policy = default_policy_,
                             .icmp_errors = *icmp_errors_,
                             .fragmenter = *fragmenter_,
                             .splitting = splitting_,
                             .engine = *engine_,
                             .events = events_,
                             .drops = drops_});
  }
};

}  // namespace culvert
