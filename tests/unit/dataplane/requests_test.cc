// SPDX-License-Identifier: BSD-3-Clause
// What control may ask for, and what is refused: requests are as hostile as packets.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/unit/dataplane/requests_fixture.h"

namespace culvert {
namespace {

TEST_F(HostileRequests, AnSaThatIsInOrderIsAddedAndDeletedAndItsKeyWiped) {
  write_sa();
  EXPECT_EQ(ask(sa_add()), Refusal::none);
  ASSERT_NE(sad_->sa(SaIndex{3}), nullptr);
  const ExpandedKey* key = sad_->sa(SaIndex{3})->key;
  EXPECT_EQ(ask(sa_add()), Refusal::slot_in_use);
  EXPECT_EQ(ask({.op = RequestOp::sa_delete, .index = 3, .generation = 7}), Refusal::none);
  EXPECT_EQ(sad_->sa(SaIndex{3}), nullptr);
  const ExpandedKey zero{};
  EXPECT_EQ(std::memcmp(key, &zero, sizeof zero), 0);
  EXPECT_EQ(ask({.op = RequestOp::sa_delete, .index = 3, .generation = 7}), Refusal::slot_empty);
}

// Workers may use the SA, and with it the slot's key and record, until the deletion is
// acknowledged.
TEST_F(HostileRequests, ASlotIsInUseUntilTheDeletionOfItsSaIsAcknowledged) {
  write_sa();
  ASSERT_EQ(ask(sa_add()), Refusal::none);
  ASSERT_TRUE(writer_->push(
      {.sequence = ++sequence_, .op = RequestOp::sa_delete, .index = 3, .generation = 7}));
  theirs_.sa_specs()[3].generation = 8;
  theirs_.keys()[3].generation = 8;
  Request again = {.sequence = ++sequence_, .op = RequestOp::sa_add, .index = 3, .generation = 8};
  ASSERT_TRUE(writer_->push(again));
  EXPECT_EQ(requests_->poll(), 2u);
  for (const Refusal expected : {Refusal::none, Refusal::slot_in_use}) {
    Completion completion;
    ASSERT_TRUE(reader_->pop(completion));
    EXPECT_EQ(completion.refusal, expected);
  }
  EXPECT_EQ(sad_->sa(SaIndex{3}), nullptr);
  EXPECT_EQ(ask(again), Refusal::none);
  ASSERT_NE(sad_->sa(SaIndex{3}), nullptr);
  EXPECT_NE(sad_->sa(SaIndex{3})->key->transform, TransformId::none);
}

TEST_F(HostileRequests, EachFieldOfAnSaOutOfRangeIsRefusedByItsName) {
  struct Case {
    Refusal refusal;
    void (*damage)(SaSpec& spec, KeySlot& key, Request& request);
  };
  const Case cases[] = {
      {Refusal::bad_index, [](SaSpec&, KeySlot&, Request& r) { r.index = kMaxSas; }},
      {Refusal::bad_index, [](SaSpec&, KeySlot&, Request& r) { r.index = 0xffffffff; }},
      {Refusal::bad_generation, [](SaSpec&, KeySlot&, Request& r) { r.generation = 8; }},
      {Refusal::bad_enum, [](SaSpec& s, KeySlot&, Request&) { s.direction = Direction{9}; }},
      {Refusal::bad_enum, [](SaSpec& s, KeySlot&, Request&) { s.mode = SaMode{9}; }},
      {Refusal::bad_enum, [](SaSpec& s, KeySlot&, Request&) { s.flags = 0x80000000; }},
      {Refusal::bad_family, [](SaSpec& s, KeySlot&, Request&) { s.family = Family{9}; }},
      {Refusal::bad_spi, [](SaSpec& s, KeySlot&, Request&) { s.spi = 255; }},
      {Refusal::bad_transform, [](SaSpec& s, KeySlot&, Request&) { s.transform = 0; }},
      {Refusal::bad_transform, [](SaSpec& s, KeySlot&, Request&) { s.transform = 255; }},
      {Refusal::bad_window, [](SaSpec& s, KeySlot&, Request&) { s.replay_window = 31; }},
      {Refusal::bad_window, [](SaSpec& s, KeySlot&, Request&) { s.replay_window = 32769; }},
      {Refusal::bad_key, [](SaSpec&, KeySlot& k, Request&) { k.generation = 6; }},
      {Refusal::bad_key, [](SaSpec&, KeySlot& k, Request&) { k.key_bytes = 19; }},
      {Refusal::bad_key, [](SaSpec&, KeySlot& k, Request&) { k.key_bytes = 0xffffffff; }},
      {Refusal::bad_selector,
       [](SaSpec& s, KeySlot&, Request&) {
         s.selector.family = Family::v4;
         s.selector.src_prefix_bits = 33;
       }},
  };
  for (const Case& one : cases) {
    write_sa();
    Request request = sa_add();
    one.damage(theirs_.sa_specs()[3], theirs_.keys()[3], request);
    EXPECT_EQ(ask(request), one.refusal) << "case " << &one - cases;
    EXPECT_EQ(sad_->sa(SaIndex{3}), nullptr) << "case " << &one - cases;
  }
  write_sa();
  EXPECT_EQ(ask(sa_add()), Refusal::none);
}

TEST_F(HostileRequests, AnSaOfIpv6HasItsOwnOuterHeaderAndItsNextHop) {
  constexpr IpAddress kOurs{{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  constexpr IpAddress kPeer{{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};
  EXPECT_EQ(ask({.op = RequestOp::address_add,
                 .family = Family::v6,
                 .prefix_bits = 64,
                 .port = 1,
                 .address = kOurs}),
            Refusal::none);
  write_sa();
  SaSpec& spec = theirs_.sa_specs()[3];
  spec.direction = Direction::out;
  spec.family = Family::v6;
  spec.src = kOurs;
  spec.dst = kPeer;
  spec.flags = kSaUdpEncap;
  spec.selector.family = Family::v6;
  spec.selector.dst_prefix_bits = 129;
  EXPECT_EQ(ask(sa_add()), Refusal::bad_selector);
  spec.selector.dst_prefix_bits = 128;
  ASSERT_EQ(ask(sa_add()), Refusal::none);
  const Sa& sa = *sad_->sa(SaIndex{3});
  EXPECT_EQ(sa.family, Family::v6);
  EXPECT_EQ(sa.outer_source(), kOurs);
  EXPECT_EQ(sa.outer_destination(), kPeer);
  EXPECT_EQ(sa.outer_ipv6.next_header, IpProtocol::udp);
  EXPECT_EQ(sa.outer_ipv6.hop_limit, 64);
  EXPECT_EQ(sa.outer_ipv6.version(), 6);
  EXPECT_EQ(sa.outer_bytes, 40 + 8 + 8 + 8);
  const Adjacency next_hop = fib_->adjacency(AdjacencyIndex{sa.adjacency.load()});
  EXPECT_EQ(next_hop.kind, AdjacencyKind::on_link);
  EXPECT_EQ(next_hop.port, PortId{1});
  EXPECT_EQ(ask({.op = RequestOp::neighbor_set,
                 .family = Family::v6,
                 .port = 1,
                 .mac = {2, 0, 0, 0, 0, 9},
                 .address = kPeer}),
            Refusal::none);
  ASSERT_EQ(requests_->learned_neighbors().size(), 1u);
  EXPECT_EQ(requests_->learned_neighbors()[0].family, Family::v6);
  EXPECT_EQ(requests_->learned_neighbors()[0].address, kPeer);
  EXPECT_EQ(fib_->adjacency(AdjacencyIndex{sa.adjacency.load()}).kind, AdjacencyKind::resolved);
  spec.family = Family::v4;
  EXPECT_EQ(ask({.op = RequestOp::sa_update, .index = 3, .generation = 7}), Refusal::bad_enum);
}

TEST_F(HostileRequests, InboundSasOfBothFamiliesAreFoundByTheirDestination) {
  write_sa();
  SaSpec& spec = theirs_.sa_specs()[3];
  spec.family = Family::v6;
  spec.dst.bytes[15] = 1;  // and the IPv4 address in its first four bytes
  ASSERT_EQ(ask(sa_add()), Refusal::none);
  const SaKey key{spec.dst, Spi{spec.spi}, Family::v6};
  EXPECT_EQ(sad_->table().find(key), SaIndex{3});
  EXPECT_EQ(sad_->table().find({spec.dst, Spi{spec.spi}, Family::v4}), kNoSa);
  const SaKey moved{.destination = spec.src, .spi = Spi{spec.spi}, .family = Family::v6};
  spec.dst = spec.src;
  ASSERT_EQ(ask({.op = RequestOp::sa_update, .index = 3, .generation = 7}), Refusal::none);
  EXPECT_EQ(sad_->table().find(key), kNoSa);
  EXPECT_EQ(sad_->table().find(moved), SaIndex{3});
}

TEST_F(HostileRequests, PoliciesRoutesAndNeighborsOutOfRangeAreRefusedByTheirNames) {
  PolicySpec& policy = theirs_.policy_specs()[2];
  policy = {.generation = 1, .direction = Direction::out, .action = PolicyAction::protect};
  policy.selector.family = Family::v4;
  const Request set{.op = RequestOp::policy_set, .index = 2, .generation = 1};
  policy.sa_count = 9;
  EXPECT_EQ(ask(set), Refusal::bad_enum);
  policy.sa_count = 1;
  policy.sas[0] = kMaxSas;
  EXPECT_EQ(ask(set), Refusal::bad_sa_set);
  policy.sas[0] = 0;
  policy.selector.dst_port = Be16{2};
  policy.ranges = {.dst_port_last = Be16{1}, .fields = kRangeDstPort};
  EXPECT_EQ(ask(set), Refusal::bad_range);
  policy.ranges = {};
  EXPECT_EQ(ask(set), Refusal::none);
  EXPECT_EQ(ask({.op = RequestOp::policy_set, .index = kMaxPolicies, .generation = 1}),
            Refusal::bad_index);
  EXPECT_EQ(ask({.op = RequestOp::policy_delete, .index = 2, .generation = 5}),
            Refusal::bad_generation);
  EXPECT_EQ(ask({.op = RequestOp::policy_default, .action = PolicyAction::protect}),
            Refusal::bad_enum);
  EXPECT_EQ(ask({.op = RequestOp::address_add, .family = Family::v4, .prefix_bits = 33}),
            Refusal::bad_prefix);
  EXPECT_EQ(ask({.op = RequestOp::address_add, .family = Family::v4, .port = 2}),
            Refusal::bad_port);
  EXPECT_EQ(ask({.op = RequestOp::address_add, .family = Family::v6, .prefix_bits = 129}),
            Refusal::bad_prefix);
  for (const RequestOp op :
       {RequestOp::address_add, RequestOp::route_add, RequestOp::neighbor_set}) {
    EXPECT_EQ(ask({.op = op, .family = Family{5}}), Refusal::bad_family);
    EXPECT_EQ(ask({.op = op, .family = Family::none}), Refusal::bad_family);
    EXPECT_EQ(ask({.op = op, .family = Family::v6, .port = 2}), Refusal::bad_port);
  }
  EXPECT_EQ(ask({.op = RequestOp::route_add, .family = Family::v4, .port = 0xffff}),
            Refusal::bad_port);
  EXPECT_EQ(ask({.op = RequestOp::neighbor_set, .family = Family::v4, .port = 77}),
            Refusal::bad_port);
  EXPECT_EQ(ask({.op = RequestOp::esp_options, .index = 0x10000}), Refusal::bad_enum);
  EXPECT_EQ(ask({.op = RequestOp::esp_options, .generation = 2}), Refusal::bad_enum);
  EXPECT_EQ(ask({.op = RequestOp{200}}), Refusal::unknown_op);
}

TEST_F(HostileRequests, TurnsATraceOnAndOff) {
  TraceFilter& filter = theirs_.requests().trace;
  EXPECT_EQ(ask({.op = RequestOp::trace, .generation = 7}), Refusal::bad_generation);
  filter = {.generation = 7, .family = Family{5}};
  EXPECT_EQ(ask({.op = RequestOp::trace, .generation = 7}), Refusal::bad_family);
  EXPECT_EQ(traces_.filter(), nullptr);
  filter = {.generation = 7, .spi = 0x1001};
  EXPECT_EQ(ask({.op = RequestOp::trace, .generation = 7}), Refusal::none);
  ASSERT_NE(traces_.filter(), nullptr);
  EXPECT_EQ(traces_.filter()->spi, 0x1001u);
  filter = {};
  EXPECT_EQ(ask({.op = RequestOp::trace}), Refusal::none);
  EXPECT_EQ(traces_.filter(), nullptr);
}

TEST_F(HostileRequests, ChangesWhatIsDoneWithLongPackets) {
  EXPECT_EQ(ask({.op = RequestOp::esp_options, .index = 1300, .generation = 1}), Refusal::none);
  EXPECT_TRUE(splitting_.is_after_esp.load());
  EXPECT_EQ(splitting_.mss.load(), 1300);
  EXPECT_EQ(ask({.op = RequestOp::esp_options, .index = kMssUntouched}), Refusal::none);
  EXPECT_FALSE(splitting_.is_after_esp.load());
  EXPECT_EQ(splitting_.mss.load(), kMssUntouched);
}

TEST_F(HostileRequests, AProducerIndexThatMakesNoSenseIsPassedOver) {
  theirs_.requests().requests_produced.store(1'000'000'000'000);
  EXPECT_EQ(requests_->poll(), 0u);
  theirs_.requests().requests_produced.store(3);
  EXPECT_EQ(requests_->poll(), 0u);
}

TEST_F(HostileRequests, RandomBytesNeverDoMoreThanTheySay) {
  std::mt19937_64 random(42);
  const auto scribble = [&random](auto& value) {
    for (std::size_t i = 0; i < sizeof value; ++i) {
      reinterpret_cast<std::uint8_t*>(&value)[i] = static_cast<std::uint8_t>(random() % 12);
    }
  };
  for (int round = 0; round < 3000; ++round) {
    for (SaSpec& spec : theirs_.sa_specs().first(4)) scribble(spec);
    for (KeySlot& key : theirs_.keys().first(4)) scribble(key);
    for (PolicySpec& policy : theirs_.policy_specs().first(4)) scribble(policy);
    Request request;
    scribble(request);
    request.index %= 5;
    static_cast<void>(ask(request));
  }
}

}  // namespace
}  // namespace culvert
