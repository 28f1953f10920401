// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "control/dataplane_client.h"
#include "control/sa_manager.h"
#include "tests/unit/control/fake_dataplane.h"

namespace culvert {

inline IpAddress ipv4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  return IpAddress{{a, b, c, d}};
}
inline const IpAddress kOurs = ipv4(192, 0, 2, 1);
inline const IpAddress kPeer = ipv4(192, 0, 2, 2);

// AES-128 key and salt, different for each number.
inline Key key_number(unsigned number, std::size_t bytes = 20) {
  std::array<std::byte, 64> raw{};
  for (std::size_t i = 0; i < bytes; ++i) raw[i] = std::byte(number + 3 * i);
  Key key;
  EXPECT_TRUE(key.assign(std::span(raw).first(bytes)));
  return key;
}

inline Sa gcm_sa(std::uint32_t spi, const IpAddress& src, const IpAddress& dst,
                 std::uint32_t reqid = 1) {
  Sa sa;
  sa.id = {.family = Family::v4, .dst = dst, .spi = Spi{spi}};
  sa.src = src;
  sa.reqid = reqid;
  sa.info_window = 32;
  sa.aead = Algorithm{AlgorithmKind::aead, "rfc4106(gcm(aes))", 160, 128};
  return sa;
}
inline Sa outbound(std::uint32_t spi, std::uint32_t reqid = 1) {
  return gcm_sa(spi, kOurs, kPeer, reqid);
}
inline Sa inbound(std::uint32_t spi, std::uint32_t reqid = 1) {
  return gcm_sa(spi, kPeer, kOurs, reqid);
}

// Protects 10.<net>.0.0/16 to 10.2.0.0/16 by SAs to the peer.
inline Policy out_policy(std::uint8_t net, std::uint32_t reqid = 1) {
  Policy policy;
  policy.direction = PolicyDirection::out;
  policy.selector = {.family = Family::v4,
                     .src_prefix_bits = 16,
                     .dst_prefix_bits = 16,
                     .src = ipv4(10, net, 0, 0),
                     .dst = ipv4(10, 2, 0, 0)};
  policy.templates = {Template{.family = Family::v4, .dst = kPeer, .src = kOurs, .reqid = reqid}};
  return policy;
}

class Recorder final : public SaListener {
 public:
  void on_sa_added(const Sa& sa) override { note("added", sa.id.spi.raw()); }
  void on_sa_updated(const Sa& sa) override { note("updated", sa.id.spi.raw()); }
  void on_sa_deleted(const Sa& sa) override { note("deleted", sa.id.spi.raw()); }
  void on_sa_expired(const Sa& sa, SaExpiry expiry) override {
    note(expiry == SaExpiry::hard ? "expired" : "soft limit", sa.id.spi.raw());
  }
  void on_sa_peer_moved(const Sa& sa, const PeerEndpoint& peer) override {
    note("moved to port " + std::to_string(peer.port.host()) + ",", sa.id.spi.raw());
  }
  void on_migrated(const Migration& migration) override {
    note("migrated", static_cast<std::uint32_t>(migration.moves.size()));
  }
  void on_sas_flushed(std::uint8_t protocol) override { note("flushed", protocol); }
  void on_policy_added(const Policy& policy) override { note("policy added", policy.slot); }
  void on_policy_deleted(const Policy& policy) override { note("policy deleted", policy.slot); }
  std::vector<std::string> heard;

 private:
  void note(const std::string& what, std::uint32_t number) {
    heard.push_back(what + " " + std::to_string(number));
  }
};

// Control over regions that outlive it, and a fake dataplane on the other side.
class SaManagerTest : public ::testing::Test {
 protected:
  SaManagerTest() {
    EXPECT_EQ(control_regions_.attach(dataplane_.descriptors(), Side::control), "");
    restart_control();
  }

  void restart_control() {
    manager_.reset();
    client_.reset();
    client_ =
        std::make_unique<DataplaneClient>(control_regions_, dataplane_.descriptors(), timeout_);
    manager_ = std::make_unique<SaManager>(control_regions_, *client_, options());
    manager_->add_listener(&recorder_);
  }

  SaManagerOptions options() {
    SaManagerOptions options;
    options.floor_storage = FloorStorage::in_memory;
    options.default_verdict = default_verdict_;
    options.idle_seconds = idle_seconds_;
    options.follows_peers = follows_peers_;
    options.df = df_;
    options.keepalive_seconds = keepalive_seconds_;
    options.dummies_per_second = dummies_per_second_;
    options.window_floor = window_floor_;
    options.allowed = allowed_;
    options.spreads_xfrm_policies = spreads_xfrm_policies_;
    options.is_our_address = [](Family, const IpAddress& address) { return address == kOurs; };
    options.now = [this] { return now_; };
    return options;
  }

  // For tests in which the dataplane is dead, so that they need not wait long to hear it.
  // Everything else waits long enough for a machine with much to do.
  void set_timeout(std::chrono::milliseconds timeout) {
    timeout_ = timeout;
    restart_control();
  }

  void commit_dataplane() {
    ASSERT_TRUE(client_->push({.op = RequestOp::commit}));
    ASSERT_TRUE(client_->finish(0));
  }

  [[nodiscard]] SaIndex add(const Sa& sa, const Key& key) {
    const Result<Sa> added = manager_->add(sa, key);
    EXPECT_TRUE(added) << added.error().message;
    return added ? added->index : kNoSa;
  }
  [[nodiscard]] int add_error(const Sa& sa, const Key& key) {
    const Result<Sa> added = manager_->add(sa, key);
    return added ? 0 : added.error().code;
  }

  // The key's bytes, wherever in the keys region.
  [[nodiscard]] bool keys_region_holds(const Key& key) {
    for (const KeySlot& slot : control_regions_.keys()) {
      if (std::equal(key.bytes().begin(), key.bytes().end(), slot.key.begin())) return true;
    }
    return false;
  }

  std::chrono::milliseconds timeout_{10'000};
  std::uint64_t idle_seconds_ = 0;
  bool follows_peers_ = false;
  DfBit df_ = DfBit::copy;
  std::uint16_t keepalive_seconds_ = 0;
  std::uint16_t dummies_per_second_ = 0;
  std::uint32_t window_floor_ = kMinReplayWindow;
  PolicyVerdict default_verdict_ = PolicyVerdict::block;
  std::uint8_t allowed_ = 0;
  bool spreads_xfrm_policies_ = false;
  std::chrono::nanoseconds now_ = std::chrono::seconds(1'700'000'000);
  FakeDataplane dataplane_;
  Regions control_regions_;
  Recorder recorder_;
  std::unique_ptr<DataplaneClient> client_;
  std::unique_ptr<SaManager> manager_;
};

}  // namespace culvert
