// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "dataplane/esp_inbound.h"
#include "tests/unit/dataplane/stage_lab.h"

namespace culvert {

// Both ends of an SA in one gateway: what slot 2 seals, slot 3 opens.
class EspLab : public StageLab {
 protected:
  static constexpr SaIndex kOut{2};
  static constexpr SaIndex kIn{3};

  // `shared` is what both ends have alike, in tunnel mode from us to the peer.
  void add_pair(SaSpec shared, std::uint32_t window = 64) {
    shared.generation = 1;
    shared.transform = static_cast<std::uint8_t>(TransformId::aes128_gcm16);
    shared.family = Family::v4;
    shared.spi = 0x2001;
    shared.src = IpAddress::v4(wire_address(kOurs));
    shared.dst = IpAddress::v4(wire_address(kPeer));
    spec_ = shared;
    spec_.direction = Direction::out;
    const KeySlot key{.generation = 1, .key_bytes = 20, .key = {std::byte{7}}};
    ASSERT_EQ(sad_->add(kOut, spec_, key), Refusal::none);
    shared.direction = Direction::in;
    shared.replay_window = window;
    ASSERT_EQ(sad_->add(kIn, shared, key), Refusal::none);
    sad_->resolve_next_hops(*fib_, ports_);
    PolicySpec policy = policy_spec(0);
    policy.sas = {kOut.raw()};
    ASSERT_EQ(spd_->set(0, policy), Refusal::none);
  }

  // Moves the sender on to this last number.
  void skip_to(std::uint64_t sequence) {
    spec_.sequence = sequence;
    ASSERT_EQ(sad_->update(kOut, spec_), Refusal::none);
    sad_->reclaim();
  }

  // What left by the port, without Ethernet headers.
  std::vector<Packet> take_sent() {
    std::vector<Packet> sent;
    for (const WirePacket& wire : lanes_.wire.packets()) {
      sent.emplace_back(wire.mbuf());
      sent.back().pull_front(sizeof(EthernetHeader));
    }
    lanes_.wire.clear();
    return sent;
  }

  Packet sealed() {
    lanes_.clear.push(clear(packet()));
    (*esp_outbound_)(lanes_.clear, lanes_);
    const std::vector<Packet> sent = take_sent();
    EXPECT_EQ(sent.size(), 1u);
    return sent.empty() ? Packet() : sent.front();
  }

  // In one burst; returns how many were opened.
  std::size_t open(const std::vector<Packet>& packets) {
    const bool is_udp = sad_->sa(kIn)->is_udp_encapsulated();
    for (const Packet packet : packets) {
      packet.meta() = {.sa = kNoSa.raw(),
                       .esp_offset = is_udp ? std::uint16_t{28} : std::uint16_t{20},
                       .is_udp_encapsulated = is_udp ? std::uint8_t{1} : std::uint8_t{0}};
      lanes_.esp.push(packet);
    }
    inbound_(lanes_.esp, lanes_);
    const std::size_t count = lanes_.inner.packets().size();
    for (const Packet opened : lanes_.inner.packets()) rte_pktmbuf_free(opened.mbuf());
    lanes_.inner.clear();
    drops_.flush();
    return count;
  }

  [[nodiscard]] SaState& state(SaIndex index) const { return regions_.sa_states()[index.raw()]; }

  SaSpec spec_;

 private:
  // The lab's tables are there when tests run.
  struct Stage {
    EspLab& lab;
    std::unique_ptr<EspInbound> stage;
    void operator()(Lane<Packet>& lane, Lanes& lanes) {
      if (stage == nullptr) {
        stage = std::make_unique<EspInbound>(*lab.sad_, *lab.fib_, *lab.engine_, Writers::one,
                                             lab.events_, lab.drops_);
      }
      (*stage)(lane, lanes);
    }
  };
  Stage inbound_{*this, nullptr};
};

}  // namespace culvert
