// SPDX-License-Identifier: BSD-3-Clause
#include <cerrno>

#include "tests/unit/control/sa_manager_fixture.h"

namespace culvert {
namespace {

using SaManagerSad = SaManagerTest;

TEST_F(SaManagerSad, InstallsAnSaInTheDataplaneWithItsKey) {
  const SaIndex index = add(outbound(0x1001), key_number(1));
  const auto installed = dataplane_.installed_sas();
  ASSERT_EQ(installed.size(), 1u);
  const SaSpec& spec = installed.begin()->second;
  EXPECT_EQ(installed.begin()->first, index.raw());
  EXPECT_EQ(spec.direction, Direction::out);
  EXPECT_EQ(spec.transform, static_cast<std::uint8_t>(TransformId::aes128_gcm16));
  EXPECT_EQ(spec.spi, 0x1001u);
  EXPECT_EQ(spec.replay_window, 32u);
  EXPECT_TRUE(constant_time_equal(manager_->key_of(index), key_number(1).bytes()));
}

TEST_F(SaManagerSad, TakesTheDirectionFromTheEndThatIsOurs) {
  EXPECT_EQ(manager_->direction_of(add(outbound(0x1001), key_number(1))), Direction::out);
  EXPECT_EQ(manager_->direction_of(add(inbound(0x1002), key_number(2))), Direction::in);
}

TEST_F(SaManagerSad, TakesTheDirectionThatWasGivenBeforeAll) {
  Sa sa = outbound(0x1001);
  sa.direction = SaDirection::in;
  EXPECT_EQ(manager_->direction_of(add(sa, key_number(1))), Direction::in);
}

TEST_F(SaManagerSad, RefusesAnSaThatIsForNobodyHere) {
  const Sa sa = gcm_sa(0x1001, kPeer, ipv4(198, 51, 100, 1));
  const Result<Sa> added = manager_->add(sa, key_number(1));
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().code, EADDRNOTAVAIL);
  EXPECT_NE(added.error().message.find("198.51.100.1"), std::string::npos);
}

TEST_F(SaManagerSad, RefusesWhatNetXfrmRefuses) {
  struct Case {
    const char* what;
    void (*spoil)(Sa&);
    int code;
  };
  const Case cases[] = {
      {"SPI in the reserved range", [](Sa& sa) { sa.id.spi = Spi{0x20}; }, EINVAL},
      {"AH", [](Sa& sa) { sa.id.protocol = 51; }, EPROTONOSUPPORT},
      {"no protocol at all", [](Sa& sa) { sa.id.protocol = 17; }, EINVAL},
      {"IPv6 inside transport mode",
       [](Sa& sa) {
         sa.mode = XfrmMode::transport;
         sa.selector.family = Family::v6;
       },
       EINVAL},
      {"no family", [](Sa& sa) { sa.id.family = Family::none; }, EINVAL},
      {"BEET mode", [](Sa& sa) { sa.mode = XfrmMode::beet; }, EPROTONOSUPPORT},
      {"a mode that is none", [](Sa& sa) { sa.mode = XfrmMode{9}; }, EINVAL},
      {"an unknown AEAD", [](Sa& sa) { sa.aead->name = "gcm(aes)"; }, ENOSYS},
      {"an ICV that is too short", [](Sa& sa) { sa.aead->icv_bits = 32; }, ENOSYS},
      {"a key of another length", [](Sa& sa) { sa.aead->key_bits = 128; }, EINVAL},
      {"no algorithm", [](Sa& sa) { sa.aead.reset(); }, EINVAL},
      {"AEAD and auth", [](Sa& sa) { sa.auth = sa.aead; }, EINVAL},
      {"ESN without the long window", [](Sa& sa) { sa.flags = kStateEsn; }, EINVAL},
      {"a prefix of 33 bits",
       [](Sa& sa) { sa.selector = {.family = Family::v4, .src_prefix_bits = 33}; }, EINVAL},
      {"IKE-less UDP encapsulation of the draft", [](Sa& sa) { sa.encap = Encap{.type = 1}; },
       EINVAL},
  };
  for (const Case& entry : cases) {
    Sa sa = outbound(0x1001);
    entry.spoil(sa);
    EXPECT_EQ(add_error(sa, key_number(1)), entry.code) << entry.what;
  }
  EXPECT_EQ(manager_->sad_counts().sas, 0u);
  EXPECT_TRUE(dataplane_.take_requests().empty());
}

TEST_F(SaManagerSad, SaysWhatIsWrongWithAReservedSpi) {
  const Result<Sa> added = manager_->add(outbound(0x20), key_number(1));
  ASSERT_FALSE(added);
  EXPECT_EQ(added.error().message, "spi 0x20: reserved, must be at least 256");
}

TEST_F(SaManagerSad, ReadsEsnWindowsAsTheKernelDoes) {
  struct Case {
    std::uint32_t window;
    std::uint32_t bitmap_words;
    std::uint8_t info_window;
    int code;
    std::uint32_t effective;
  };
  const Case cases[] = {
      {64, 2, 0, 0, 64},      {1, 1, 0, 0, 32},      {32768, 1024, 0, 0, 32768},
      {0, 1, 0, EINVAL, 0},   {65, 2, 0, EINVAL, 0}, {32769, 1025, 0, EINVAL, 0},
      {64, 2, 32, EINVAL, 0},
  };
  std::uint32_t spi = 0x1000;
  for (const Case& entry : cases) {
    Sa sa = inbound(++spi);
    sa.flags = kStateEsn;
    sa.info_window = entry.info_window;
    sa.replay = ReplayAsked{
        .is_esn_struct = true, .window = entry.window, .bitmap_words = entry.bitmap_words};
    const Result<Sa> added = manager_->add(sa, key_number(spi));
    EXPECT_EQ(added ? 0 : added.error().code, entry.code) << entry.window;
    if (added) {
      EXPECT_EQ(manager_->figures(added->index).window, entry.effective);
    }
  }
}

TEST_F(SaManagerSad, RefusesASecondSaWithTheSameIdentity) {
  static_cast<void>(add(outbound(0x1001), key_number(1)));
  EXPECT_EQ(add_error(outbound(0x1001), key_number(2)), EEXIST);
  EXPECT_EQ(manager_->sad_counts().sas, 1u);
}

TEST_F(SaManagerSad, TellsSasApartByMark) {
  Sa seven = outbound(0x1001);
  seven.id.mark = {7, 0xff};
  Sa eight = seven;
  eight.id.mark.value = 8;
  const SaIndex index_of_seven = add(seven, key_number(1));
  const SaIndex index_of_eight = add(eight, key_number(2));
  EXPECT_EQ(manager_->find(seven.id)->index, index_of_seven);
  EXPECT_EQ(manager_->find(eight.id)->index, index_of_eight);
  EXPECT_FALSE(manager_->find(outbound(0x1001).id));
}

TEST_F(SaManagerSad, AnswersEveryAttributeAsGiven) {
  Sa sa = inbound(0x1001, 77);
  sa.id.mark = {1, 3};
  sa.if_id = 9;
  sa.flags = kStateEsn | kStateNoPathMtu;
  sa.extra_flags = kExtraDontEncapDscp;
  sa.info_window = 0;
  sa.replay = ReplayAsked{true, 128, 4, 0, 0, 0, 0};
  sa.encap = Encap{2, Be16{4500}, Be16{4500}, ipv4(10, 9, 8, 7)};
  sa.coaddr = ipv4(1, 2, 3, 4);
  sa.tfcpad = 100;
  sa.set_mark = Mark{5, 6};
  sa.mtimer_thresh = 30;
  sa.lifetimes.hard_bytes = 1'000'000;
  sa.lifetimes.soft_use_expires_seconds = 60;
  sa.selector = {.family = Family::v4,
                 .protocol = 17,
                 .src_prefix_bits = 24,
                 .dst_prefix_bits = 16,
                 .src_port = Be16{5},
                 .src_port_mask = Be16{0xffff},
                 .src = ipv4(10, 2, 0, 0),
                 .dst = ipv4(10, 1, 0, 0)};
  sa.direction = SaDirection::in;
  sa.aead->key_bits = 288;
  const SaIndex index = add(sa, key_number(1, 36));
  Sa expected = sa;
  expected.index = index;
  expected.generation = manager_->sa_at(index)->generation;
  expected.add_time_seconds = 1'700'000'000;
  EXPECT_EQ(*manager_->find(sa.id), expected);
}

TEST_F(SaManagerSad, WipesTheKeyWhenTheDataplaneHasLetGo) {
  const Sa sa = outbound(0x1001);
  static_cast<void>(add(sa, key_number(1)));
  EXPECT_TRUE(keys_region_holds(key_number(1)));
  ASSERT_TRUE(manager_->remove(sa.id));
  EXPECT_FALSE(keys_region_holds(key_number(1)));
  EXPECT_TRUE(dataplane_.installed_sas().empty());
  EXPECT_EQ(manager_->remove(sa.id).error().code, ESRCH);
}

TEST_F(SaManagerSad, KeepsTheSlotUntilTheDataplaneHasLetGo) {
  const Sa sa = outbound(0x1001);
  const SaIndex index = add(sa, key_number(1));
  set_timeout(std::chrono::milliseconds(100));
  dataplane_.stop();
  EXPECT_EQ(manager_->remove(sa.id).error().code, ETIMEDOUT);
  EXPECT_TRUE(keys_region_holds(key_number(1)));
  dataplane_.start();
  client_->check_incarnation();
  manager_->poll();
  EXPECT_FALSE(keys_region_holds(key_number(1)));
  EXPECT_FALSE(manager_->sa_at(index).has_value());
}

TEST_F(SaManagerSad, GivesASlotTheNextGenerationEachTime) {
  std::vector<std::uint32_t> generations;
  for (std::uint32_t i = 0; i < 130; ++i) {  // more than there are slots
    const Sa sa = outbound(0x1001);
    const SaIndex index = add(sa, key_number(i));
    if (index == SaIndex{0}) generations.push_back(manager_->sa_at(index)->generation);
    ASSERT_TRUE(manager_->remove(sa.id));
  }
  EXPECT_EQ(generations, (std::vector<std::uint32_t>{1, 2, 3}));
}

TEST_F(SaManagerSad, SaysWhenTheTableIsFull) {
  for (std::uint32_t i = 0; i < 64; ++i) {
    static_cast<void>(add(outbound(0x1000 + i), key_number(i)));
  }
  EXPECT_EQ(add_error(outbound(0x2000), key_number(99)), ENOBUFS);
}

TEST_F(SaManagerSad, TakesBackWhatTheDataplaneRefuses) {
  dataplane_.set_refuse([](const Request& request) {
    return request.op == RequestOp::sa_add ? Refusal::no_window_memory : Refusal::none;
  });
  EXPECT_EQ(add_error(outbound(0x1001), key_number(1)), ENOBUFS);
  EXPECT_EQ(manager_->sad_counts().sas, 0u);
  EXPECT_FALSE(keys_region_holds(key_number(1)));
  EXPECT_TRUE(recorder_.heard.empty());
  dataplane_.set_refuse(nullptr);
  static_cast<void>(add(outbound(0x1001), key_number(1)));
}

TEST_F(SaManagerSad, ChangesOnlyWhatALiveSaMayChange) {
  Sa sa = outbound(0x1001);
  sa.encap = Encap{2, Be16{4500}, Be16{4500}, {}};
  const SaIndex index = add(sa, key_number(1));
  Sa moved = sa;
  moved.encap->dst_port = Be16{1027};
  moved.lifetimes.hard_packets = 5;
  moved.reqid = 99;
  ASSERT_TRUE(manager_->update(moved, key_number(1)));
  const Sa now = *manager_->sa_at(index);
  EXPECT_EQ(now.encap->dst_port, Be16{1027});
  EXPECT_EQ(now.lifetimes.hard_packets, 5u);
  EXPECT_EQ(now.reqid, 1u);
  EXPECT_EQ(dataplane_.installed_sas().at(index.raw()).encap_dst_port, Be16{1027});
  moved.encap.reset();
  EXPECT_EQ(manager_->update(moved, key_number(1)).error().code, EINVAL);
  EXPECT_EQ(manager_->update(outbound(0x1002), key_number(1)).error().code, ESRCH);
}

TEST_F(SaManagerSad, FlushesAllOrThoseOfTheProtocol) {
  static_cast<void>(add(outbound(0x1001), key_number(1)));
  static_cast<void>(add(inbound(0x1002), key_number(2)));
  EXPECT_EQ(*manager_->flush_sas(51), 0u);
  EXPECT_EQ(*manager_->flush_sas(0), 2u);
  EXPECT_EQ(*manager_->flush_sas(0), 0u);
  EXPECT_TRUE(dataplane_.installed_sas().empty());
  EXPECT_EQ(recorder_.heard, (std::vector<std::string>{"added 4097", "added 4098", "flushed 0"}));
}

TEST_F(SaManagerSad, WalksTheSasByIndex) {
  static_cast<void>(add(outbound(0x1001), key_number(1)));
  static_cast<void>(add(outbound(0x1002), key_number(2)));
  static_cast<void>(add(outbound(0x1003), key_number(3)));
  ASSERT_TRUE(manager_->remove(outbound(0x1002).id));
  std::vector<std::uint32_t> spis;
  for (auto sa = manager_->next_sa(SaIndex{0}); sa;
       sa = manager_->next_sa(SaIndex{sa->index.raw() + 1})) {
    spis.push_back(sa->id.spi.raw());
  }
  EXPECT_EQ(spis, (std::vector<std::uint32_t>{0x1001, 0x1003}));
}

TEST_F(SaManagerSad, ReadsWhatTheDataplaneCounted) {
  const SaIndex index = add(inbound(0x1001), key_number(1));
  SaState& state = dataplane_.regions().sa_states()[index.raw()];
  state.packets.add(3);
  state.bytes.add(300);
  state.last_used_ns.set(42);
  state.drops[index_of(DropReason::esp_in_replay)].add(2);
  state.sequence.store(5);
  state.window[0].store(0b101001);  // 5, 3 and the 0 that is always set
  const SaFigures figures = manager_->figures(index);
  EXPECT_EQ(figures.packets, 3u);
  EXPECT_EQ(figures.bytes, 300u);
  EXPECT_EQ(figures.last_used_ns, 42u);
  EXPECT_EQ(figures.sequence, 5u);
  EXPECT_EQ(figures.drops[index_of(DropReason::esp_in_replay)], 2u);
  EXPECT_EQ(manager_->replay_bitmap(index), (std::vector<std::uint32_t>{0b101}));
}

TEST_F(SaManagerSad, MovesASequenceNumberOnlyUp) {
  const SaIndex index = add(outbound(0x1001), key_number(1));
  const SaId id = outbound(0x1001).id;
  static_cast<void>(dataplane_.take_requests());
  ASSERT_TRUE(manager_->advance(id, 5000));
  EXPECT_EQ(dataplane_.installed_sas().at(index.raw()).sequence, 5000u);
  ASSERT_EQ(dataplane_.take_requests().size(), 1u);
  ASSERT_TRUE(manager_->advance(id, 4999));
  EXPECT_TRUE(dataplane_.take_requests().empty());
  EXPECT_EQ(manager_->advance(inbound(0x1002).id, 1).error().code, ESRCH);
}

TEST_F(SaManagerSad, HasNoWindowOnlyWithoutAFloor) {
  const auto window_of = [this](const Sa& sa, unsigned key) {
    const SaIndex index = add(sa, key_number(key));
    return dataplane_.installed_sas().at(index.raw()).replay_window;
  };
  Sa sa = inbound(0x1002);
  sa.info_window = 0;
  EXPECT_EQ(window_of(sa, 1), 32u);
  window_floor_ = 0;
  restart_control();
  sa.id.spi = Spi{0x1003};
  EXPECT_EQ(window_of(sa, 2), 0u);
  sa.id.spi = Spi{0x1004};
  sa.info_window = 8;
  EXPECT_EQ(window_of(sa, 3), 32u);
}

}  // namespace
}  // namespace culvert
