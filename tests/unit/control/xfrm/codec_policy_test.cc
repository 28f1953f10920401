// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/codec_policy.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <vector>

namespace culvert::xfrm {
namespace {

xfrm_userpolicy_info out_info() {
  xfrm_userpolicy_info info{};
  info.sel.family = AF_INET;
  info.sel.prefixlen_s = 16;
  info.sel.prefixlen_d = 16;
  info.dir = XFRM_POLICY_OUT;
  info.priority = 100;
  return info;
}

xfrm_user_tmpl tunnel() {
  xfrm_user_tmpl wanted{};
  wanted.family = AF_INET;
  wanted.id.proto = IPPROTO_ESP;
  wanted.mode = XFRM_MODE_TUNNEL;
  wanted.reqid = 1;
  return wanted;
}

Result<Policy> parse(const xfrm_userpolicy_info& info, const std::vector<xfrm_user_tmpl>& wanted) {
  SecretBytes datagram;
  MessageWriter writer(datagram);
  writer.begin(XFRM_MSG_NEWPOLICY, NLM_F_REQUEST, 1, 0);
  writer.fixed(info);
  if (!wanted.empty()) writer.attribute(XFRMA_TMPL, std::as_bytes(std::span(wanted)));
  writer.end();
  return parse_policy(*MessageReader(datagram).next());
}

void expect_error(const xfrm_userpolicy_info& info, const std::vector<xfrm_user_tmpl>& wanted,
                  const char* text) {
  const auto parsed = parse(info, wanted);
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, EINVAL);
  EXPECT_EQ(parsed.error().message, text);
}

TEST(PolicyCodec, TakesSelectorPriorityAndTemplates) {
  const auto policy = parse(out_info(), {tunnel(), tunnel()});
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->direction, PolicyDirection::out);
  EXPECT_EQ(policy->priority, 100u);
  EXPECT_EQ(policy->selector.src_prefix_bits, 16);
  ASSERT_EQ(policy->templates.size(), 2u);
  EXPECT_EQ(policy->templates[1].reqid, 1u);
}

TEST(PolicyCodec, ATemplateWithoutFamilyTakesThePolicys) {
  xfrm_user_tmpl wanted = tunnel();
  wanted.family = AF_UNSPEC;
  EXPECT_EQ(parse(out_info(), {wanted})->templates[0].family, Family::v4);
}

TEST(PolicyCodec, TakesSelectorAndTemplatesOfIpv6) {
  xfrm_userpolicy_info info = out_info();
  info.sel.family = AF_INET6;
  info.sel.prefixlen_d = 128;
  info.sel.daddr.a6[3] = 0x01000000;  // ::1
  xfrm_user_tmpl wanted = tunnel();
  wanted.family = AF_INET6;
  wanted.saddr.a6[3] = 0x02000000;
  wanted.id.daddr.a6[3] = 0x03000000;
  const auto policy = parse(info, {wanted, tunnel()});
  ASSERT_TRUE(policy) << policy.error().message;
  EXPECT_EQ(policy->family, Family::v6);
  EXPECT_EQ(policy->selector.family, Family::v6);
  EXPECT_EQ(policy->selector.dst_prefix_bits, 128);
  EXPECT_EQ(policy->selector.dst.bytes[15], 1);
  EXPECT_EQ(policy->templates[0].family, Family::v6);
  EXPECT_EQ(policy->templates[0].src.bytes[15], 2);
  EXPECT_EQ(policy->templates[0].dst.bytes[15], 3);
  EXPECT_EQ(policy->templates[1].family, Family::v4);
}

TEST(PolicyCodec, RefusesWhatTheKernelRefusesInItsWords) {
  xfrm_userpolicy_info info = out_info();
  info.share = 4;
  expect_error(info, {}, "Invalid policy share");
  info = out_info();
  info.action = 2;
  expect_error(info, {}, "Invalid policy action");
  info = out_info();
  info.dir = 3;
  expect_error(info, {}, "Invalid policy direction");
  info = out_info();
  info.index = 10;
  expect_error(info, {}, "Policy index doesn't match direction");
  info = out_info();
  info.sel.family = AF_UNSPEC;
  expect_error(info, {}, "Invalid selector family");
}

TEST(PolicyCodec, RefusesTemplatesThatTheKernelRefuses) {
  expect_error(out_info(), std::vector(7, tunnel()),
               "Template count must be <= XFRM_MAX_DEPTH (6)");
  xfrm_user_tmpl wanted = tunnel();
  wanted.optional = 1;
  expect_error(out_info(), {wanted}, "Mode in optional template not allowed in outbound policy");
  wanted = tunnel();
  wanted.mode = XFRM_MODE_TRANSPORT;
  wanted.family = AF_INET6;
  expect_error(out_info(), {wanted}, "Mode in template doesn't support a family change");
  wanted = tunnel();
  wanted.id.proto = IPPROTO_TCP;
  expect_error(out_info(), {wanted}, "Invalid XFRM protocol in template");
}

TEST(PolicyCodec, TellsANumberFromASelector) {
  const auto name = [](std::uint32_t index) {
    xfrm_userpolicy_id id{};
    id.dir = XFRM_POLICY_FWD;
    id.index = index;
    id.sel.family = AF_INET;
    SecretBytes datagram;
    MessageWriter writer(datagram);
    writer.begin(XFRM_MSG_GETPOLICY, NLM_F_REQUEST, 1, 0);
    writer.fixed(id);
    writer.end();
    return *parse_policy_name(*MessageReader(datagram).next());
  };
  EXPECT_TRUE(std::holds_alternative<PolicyIndex>(name(10)));
  EXPECT_TRUE(std::holds_alternative<PolicyId>(name(0)));
}

SecretBytes migrate_message(const xfrm_userpolicy_id& id, Bytes list) {
  SecretBytes datagram;
  MessageWriter writer(datagram);
  writer.begin(XFRM_MSG_MIGRATE, NLM_F_REQUEST, 1, 0);
  writer.fixed(id);
  if (list.data() != nullptr) writer.attribute(XFRMA_MIGRATE, list);
  writer.end();
  return datagram;
}

xfrm_user_migrate wire_move() {
  xfrm_user_migrate move{};
  move.old_family = AF_INET;
  move.new_family = AF_INET;
  move.old_saddr.a4 = htonl(0xc0000201);
  move.old_daddr.a4 = htonl(0xc0000202);
  move.new_saddr.a4 = htonl(0xc0000201);
  move.new_daddr.a4 = htonl(0xc6336407);
  move.proto = IPPROTO_ESP;
  move.mode = XFRM_MODE_TUNNEL;
  move.reqid = 5;
  return move;
}

TEST(PolicyCodec, ReadsAMigrationAndWritesItAgain) {
  xfrm_userpolicy_id id{};
  id.sel = out_info().sel;
  id.dir = XFRM_POLICY_OUT;
  const xfrm_user_migrate move = wire_move();
  const SecretBytes bytes = migrate_message(id, std::as_bytes(std::span(&move, 1)));
  const auto migration = parse_migration(*MessageReader(bytes).next());
  ASSERT_TRUE(migration) << migration.error().message;
  ASSERT_EQ(migration->moves.size(), 1u);
  EXPECT_EQ(migration->moves.front().reqid, 5u);
  SecretBytes written;
  MessageWriter writer(written);
  writer.begin(XFRM_MSG_MIGRATE, 0, 1, 0);
  write_migration(writer, *migration);
  writer.end();
  const auto again = parse_migration(*MessageReader(written).next());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->moves, migration->moves);
  EXPECT_EQ(again->policy.selector, migration->policy.selector);
}

TEST(PolicyCodec, RefusesMigrationsThatMakeNoSense) {
  xfrm_userpolicy_id id{};
  id.dir = XFRM_POLICY_OUT;
  const auto error = [&id](Bytes list) {
    const SecretBytes bytes = migrate_message(id, list);
    const auto migration = parse_migration(*MessageReader(bytes).next());
    return migration ? std::string() : migration.error().message;
  };
  EXPECT_EQ(error({}), "Missing required MIGRATE attribute");
  xfrm_user_migrate move = wire_move();
  move.new_family = AF_INET6;
  EXPECT_EQ(error(std::as_bytes(std::span(&move, 1))),
            "an SA cannot move from one address family to the other");
  const std::vector<xfrm_user_migrate> many(7, wire_move());
  EXPECT_EQ(error(std::as_bytes(std::span(many))),
            "Too many entries in the MIGRATE attribute's list");
}

}  // namespace
}  // namespace culvert::xfrm
