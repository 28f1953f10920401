// SPDX-License-Identifier: BSD-3-Clause
#include <cerrno>
#include <string>
#include <vector>

#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

const IpAddress kElsewhere = ipv4(198, 51, 100, 7);
const Encap kEncap{.type = Encap::kEspInUdp, .src_port = Be16{4500}, .dst_port = Be16{4501}};

class SaManagerMoves : public SaManagerTest {
 protected:
  [[nodiscard]] SaSpec spec(SaIndex index) { return dataplane_.installed_sas().at(index.raw()); }
  [[nodiscard]] PolicySpec pushed(const Policy& policy) {
    return dataplane_.policies().at(policy.slot);
  }
  [[nodiscard]] Policy put(const Policy& policy) {
    const Result<Policy> added = manager_->add_policy(policy);
    EXPECT_TRUE(added) << added.error().message;
    return added ? *added : Policy{};
  }
  [[nodiscard]] static Policy in_policy() {
    Policy policy = out_policy(1);
    policy.direction = PolicyDirection::in;
    std::swap(policy.selector.src, policy.selector.dst);
    std::swap(policy.templates.front().src, policy.templates.front().dst);
    return policy;
  }
  // Of the outbound policy's SAs, to another peer.
  [[nodiscard]] static Migration to_elsewhere() {
    const Policy policy = out_policy(1);
    return {.policy = {.direction = policy.direction, .selector = policy.selector},
            .moves = {{.family = Family::v4,
                       .old_src = kOurs,
                       .old_dst = kPeer,
                       .new_src = kOurs,
                       .new_dst = kElsewhere,
                       .reqid = 1}}};
  }
  void peer_comes_from(SaIndex index, std::uint32_t spi, const IpAddress& address,
                       std::uint16_t port) {
    manager_->on_event({.type = EventType::peer_moved,
                        .family = Family::v4,
                        .port = port,
                        .address = address,
                        .sa_index = index.raw(),
                        .spi = spi});
    manager_->poll();
  }
};

TEST_F(SaManagerMoves, MigrateMovesSasAndTemplateAndKeepsTheSlot) {
  const Policy policy = put(out_policy(1));
  const SaIndex older = add(outbound(0x1001), key_number(1));
  const SaIndex newer = add(outbound(0x1002), key_number(2));
  const SaIndex other = add(outbound(0x1003, 2), key_number(3));  // another reqid
  recorder_.heard.clear();
  const Result<void> moved = manager_->migrate(to_elsewhere());
  ASSERT_TRUE(moved) << moved.error().message;
  for (const SaIndex index : {older, newer}) EXPECT_EQ(spec(index).dst, kElsewhere);
  EXPECT_EQ(spec(other).dst, kPeer);
  const PolicySpec after = pushed(policy);
  ASSERT_EQ(after.sa_count, 2);
  EXPECT_EQ(after.sas[0], newer.raw()) << "the newest is tried first";
  EXPECT_EQ(after.sas[1], older.raw());
  EXPECT_TRUE(manager_->find({.family = Family::v4, .dst = kElsewhere, .spi = Spi{0x1001}}));
  EXPECT_FALSE(manager_->find(outbound(0x1001).id));
  EXPECT_EQ(recorder_.heard.back(), "migrated 1");
}

TEST_F(SaManagerMoves, MigrateRefusesWhatXfrmMigrateRefuses) {
  EXPECT_EQ(manager_->migrate(to_elsewhere()).error().code, ENOENT);
  static_cast<void>(put(out_policy(1)));
  Migration to_nowhere = to_elsewhere();
  to_nowhere.moves.front().new_dst = {};
  EXPECT_EQ(manager_->migrate(to_nowhere).error().code, EINVAL);
  Migration twice = to_elsewhere();
  twice.moves.push_back(twice.moves.front());
  EXPECT_EQ(manager_->migrate(twice).error().code, EINVAL);
  Migration others = to_elsewhere();
  others.moves.front().old_dst = ipv4(203, 0, 113, 1);
  EXPECT_EQ(manager_->migrate(others).error().code, ENODATA);
}

TEST_F(SaManagerMoves, MigrateIntoATakenPlaceChangesNothing) {
  const Policy policy = put(out_policy(1));
  const SaIndex older = add(outbound(0x1001), key_number(1));
  const SaIndex newer = add(outbound(0x1002), key_number(2));
  const SaIndex in_the_way = add(gcm_sa(0x1002, kOurs, kElsewhere, 9), key_number(3));
  EXPECT_EQ(manager_->migrate(to_elsewhere()).error().code, EEXIST);
  for (const SaIndex index : {older, newer}) EXPECT_EQ(spec(index).dst, kPeer);
  EXPECT_EQ(spec(in_the_way).dst, kElsewhere);
  EXPECT_EQ(pushed(policy).sas[0], newer.raw());
  EXPECT_TRUE(manager_->find(outbound(0x1001).id));
}

TEST_F(SaManagerMoves, FollowsAPeerInBothDirectionsAtOnce) {
  follows_peers_ = true;
  restart_control();
  const Policy out = put(out_policy(1));
  const Policy in = put(in_policy());
  Sa sa = outbound(0x1001);
  sa.encap = kEncap;
  const SaIndex out_sa = add(sa, key_number(1));
  sa = inbound(0x1002);
  sa.encap = Encap{.type = Encap::kEspInUdp, .src_port = Be16{4501}, .dst_port = Be16{4500}};
  const SaIndex in_sa = add(sa, key_number(2));
  peer_comes_from(in_sa, 0x1002, kElsewhere, 61000);
  EXPECT_EQ(spec(out_sa).dst, kElsewhere);
  EXPECT_EQ(spec(out_sa).encap_dst_port.host(), 61000);
  EXPECT_EQ(spec(out_sa).encap_src_port.host(), 4500);
  EXPECT_EQ(spec(in_sa).src, kElsewhere);
  EXPECT_EQ(spec(in_sa).encap_src_port.host(), 61000);
  EXPECT_EQ(pushed(out).sas[0], out_sa.raw());
  EXPECT_EQ(pushed(out).template_dst, kElsewhere);
  EXPECT_EQ(pushed(in).template_src, kElsewhere);
}

TEST_F(SaManagerMoves, FollowsNobodyUnlessAsked) {
  Sa sa = inbound(0x1002);
  sa.encap = kEncap;
  const SaIndex index = add(sa, key_number(2));
  peer_comes_from(index, 0x1002, kElsewhere, 61000);
  EXPECT_EQ(spec(index).src, kPeer);
}

TEST_F(SaManagerMoves, KeepaliveAndDummiesAreOfOutboundSas) {
  keepalive_seconds_ = 20;
  dummies_per_second_ = 5;
  df_ = DfBit::set;
  restart_control();
  Sa sa = outbound(0x1001);
  EXPECT_EQ(spec(add(sa, key_number(1))).keepalive_seconds, 0) << "without encapsulation";
  sa.id.spi = Spi{0x1002};
  sa.encap = kEncap;
  const SaSpec usual = spec(add(sa, key_number(2)));
  EXPECT_EQ(usual.keepalive_seconds, 20);
  EXPECT_EQ(usual.dummies_per_second, 5);
  EXPECT_NE(usual.flags & kSaSetDf, 0u);
  sa.id.spi = Spi{0x1003};
  sa.nat_keepalive_seconds = 7;
  sa.flags = kStateNoPathMtu;
  const SaSpec own = spec(add(sa, key_number(3)));
  EXPECT_EQ(own.keepalive_seconds, 7);
  EXPECT_EQ(own.flags & (kSaSetDf | kSaNoPathMtu), kSaNoPathMtu);
  Sa in = inbound(0x1004);
  in.encap = kEncap;
  EXPECT_EQ(spec(add(in, key_number(4))).keepalive_seconds, 0);
  in.id.spi = Spi{0x1005};
  in.nat_keepalive_seconds = 20;
  EXPECT_EQ(add_error(in, key_number(5)), EINVAL);
  sa.id.spi = Spi{0x1006};
  sa.encap.reset();
  EXPECT_EQ(add_error(sa, key_number(6)), EINVAL);
}

}  // namespace
}  // namespace culvert
