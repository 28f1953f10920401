// SPDX-License-Identifier: BSD-3-Clause
#include <chrono>
#include <string>
#include <vector>

#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

using std::chrono::seconds;
using Heard = std::vector<std::string>;

class SaManagerLifetimes : public SaManagerTest {
 protected:
  // Its place in the dataplane, as if it had been installed there.
  SaState& install(const Sa& sa, unsigned key_number_of_it) {
    const SaIndex index = add(sa, key_number(key_number_of_it));
    SaState& state = dataplane_.regions().sa_states()[index.raw()];
    state.generation = control_regions_.sa_specs()[index.raw()].generation;
    indices_.push_back(index);
    recorder_.heard.clear();
    return state;
  }

  void reach(SaState& state, const Sa& sa, std::uint32_t limits) {
    state.life.store(limits);
    const auto* first = dataplane_.regions().sa_states().data();
    manager_->on_event({.type = (limits & kHardLimitReached) != 0 ? EventType::sa_hard_limit
                                                                  : EventType::sa_soft_limit,
                        .sa_index = static_cast<std::uint32_t>(&state - first),
                        .spi = sa.id.spi.raw()});
  }

  void pass(seconds time) {
    now_ += time;
    manager_->poll();
  }

  std::vector<SaIndex> indices_;
};

TEST_F(SaManagerLifetimes, GivesTheDataplaneTheLimitsOfBytesAndPackets) {
  Sa sa = outbound(0x1001);
  sa.lifetimes.soft_bytes = 10;
  sa.lifetimes.hard_packets = 20;
  const SaIndex index = add(sa, key_number(1));
  const SaSpec spec = dataplane_.installed_sas().at(index.raw());
  EXPECT_EQ(spec.soft_bytes, 10u);
  EXPECT_EQ(spec.hard_bytes, kNoLimit);
  EXPECT_EQ(spec.soft_packets, kNoLimit);
  EXPECT_EQ(spec.hard_packets, 20u);
}

TEST_F(SaManagerLifetimes, RaisesTheSoftLimitOncePerPair) {
  SaState& out = install(outbound(0x1001), 1);
  SaState& in = install(inbound(0x1002), 2);
  reach(out, outbound(0x1001), kSoftLimitReached);
  manager_->poll();
  EXPECT_EQ(recorder_.heard, (Heard{"soft limit 4097"}));
  reach(in, inbound(0x1002), kSoftLimitReached);
  manager_->poll();
  restart_control();
  manager_->poll();
  EXPECT_EQ(recorder_.heard, (Heard{"soft limit 4097"}));
}

TEST_F(SaManagerLifetimes, TakesTheSaOfTheSameAgeForThePair) {
  SaState& old_out = install(outbound(0x1001), 1);
  install(inbound(0x1002), 2);
  SaState& new_out = install(outbound(0x2001), 3);
  SaState& new_in = install(inbound(0x2002), 4);
  reach(old_out, outbound(0x1001), kSoftLimitReached);
  reach(new_in, inbound(0x2002), kSoftLimitReached);
  reach(new_out, outbound(0x2001), kSoftLimitReached);
  manager_->poll();
  EXPECT_EQ(recorder_.heard, (Heard{"soft limit 4097", "soft limit 8194"}));
}

TEST_F(SaManagerLifetimes, RemovesWhatReachedItsHardLimit) {
  SaState& state = install(outbound(0x1001), 1);
  reach(state, outbound(0x1001), kSoftLimitReached | kHardLimitReached);
  manager_->poll();
  EXPECT_EQ(recorder_.heard, (Heard{"expired 4097"}));
  EXPECT_FALSE(manager_->find(outbound(0x1001).id));
  EXPECT_FALSE(keys_region_holds(key_number(1)));
}

TEST_F(SaManagerLifetimes, HearsOfALimitWhoseEventWasLost) {
  install(outbound(0x1001), 1).life.store(kSoftLimitReached);
  manager_->poll();
  EXPECT_EQ(recorder_.heard, (Heard{"soft limit 4097"}));
}

TEST_F(SaManagerLifetimes, CountsSecondsFromTheAdditionOn) {
  Sa sa = outbound(0x1001);
  sa.lifetimes.soft_add_expires_seconds = 100;
  sa.lifetimes.hard_add_expires_seconds = 200;
  install(sa, 1);
  pass(seconds(99));
  EXPECT_TRUE(recorder_.heard.empty());
  pass(seconds(1));
  EXPECT_EQ(recorder_.heard, (Heard{"soft limit 4097"}));
  pass(seconds(99));
  EXPECT_TRUE(manager_->find(sa.id));
  pass(seconds(1));
  EXPECT_EQ(recorder_.heard, (Heard{"soft limit 4097", "expired 4097"}));
  EXPECT_FALSE(manager_->find(sa.id));
}

TEST_F(SaManagerLifetimes, GoesOnCountingAfterARestart) {
  Sa sa = outbound(0x1001);
  sa.lifetimes.hard_add_expires_seconds = 200;
  install(sa, 1);
  pass(seconds(150));
  restart_control();
  pass(seconds(50));
  EXPECT_EQ(recorder_.heard, (Heard{"expired 4097"}));
}

TEST_F(SaManagerLifetimes, CountsSecondsFromTheFirstUseOn) {
  Sa sa = outbound(0x1001);
  sa.lifetimes.hard_use_expires_seconds = 50;
  SaState& state = install(sa, 1);
  pass(seconds(300));
  EXPECT_TRUE(recorder_.heard.empty());
  state.first_used_ns.set(static_cast<std::uint64_t>(now_.count()));
  pass(seconds(49));
  EXPECT_TRUE(recorder_.heard.empty());
  pass(seconds(51));
  EXPECT_EQ(recorder_.heard, (Heard{"expired 4097"}));
}

TEST_F(SaManagerLifetimes, LetsGoOfPairsThatAreIdle) {
  idle_seconds_ = 60;
  restart_control();
  install(outbound(0x1001), 1);
  SaState& in = install(inbound(0x1002), 2);
  in.last_used_ns.set(static_cast<std::uint64_t>((now_ + seconds(30)).count()));
  pass(seconds(60));
  EXPECT_TRUE(recorder_.heard.empty()) << "its pair was used";
  pass(seconds(30));
  EXPECT_EQ(recorder_.heard, (Heard{"expired 4097", "expired 4098"}));
}

TEST_F(SaManagerLifetimes, ReportsAPeerThatMoved) {
  Sa sa = inbound(0x1002);
  sa.encap = Encap{.type = Encap::kEspInUdp, .src_port = Be16{4500}, .dst_port = Be16{4500}};
  install(sa, 1);
  manager_->on_event({.type = EventType::peer_moved,
                      .family = Family::v4,
                      .port = 1024,
                      .address = kPeer,
                      .sa_index = indices_.front().raw(),
                      .spi = 0x1002});
  manager_->poll();
  EXPECT_EQ(recorder_.heard, (Heard{"moved to port 1024, 4098"}));
}

TEST_F(SaManagerLifetimes, PassesOverEventsAboutSlotsThatHoldAnotherSa) {
  SaState& state = install(outbound(0x1001), 1);
  reach(state, outbound(0x9999), kSoftLimitReached);
  state.life.store(0);
  manager_->on_event({.type = EventType::sa_hard_limit, .sa_index = 0xffffffff, .spi = 0x1001});
  manager_->poll();
  EXPECT_TRUE(recorder_.heard.empty());
}

}  // namespace
}  // namespace culvert
