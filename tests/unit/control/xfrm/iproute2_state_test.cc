// SPDX-License-Identifier: BSD-3-Clause
// Stock iproute2 against the XFRM server: SAs. What it prints is what it prints on a kernel that
// has ESP.
#include <gmock/gmock.h>

#include <string>

#include "tests/unit/control/xfrm/xfrm_fixture.h"

namespace culvert::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kIdentity[] = "src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001";
constexpr char kKey[] = "0x0102030405060708091011121314151617181920";

std::string add(const std::string& more = "") {
  return std::string("xfrm state add ") + kIdentity +
         " reqid 1 mode tunnel aead "
         "'rfc4106(gcm(aes))' " +
         kKey + " 128 " + more;
}
std::string get() {
  return std::string("xfrm state get ") + kIdentity;
}

class Iproute2State : public XfrmFixture {};

TEST_F(Iproute2State, AddedSaIsShownAsGiven) {
  const Outcome added = ip(add());
  EXPECT_EQ(added.output, "");
  EXPECT_EQ(added.status, 0);
  EXPECT_EQ(ip(get()).output,
            "src 192.0.2.1 dst 192.0.2.2\n"
            "\tproto esp spi 0x00001001 reqid 1 mode tunnel\n"
            "\treplay-window 0 \n"
            "\taead rfc4106(gcm(aes)) 0x0102030405060708091011121314151617181920 128\n"
            "\tanti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000\n"
            "\tsel src 0.0.0.0/0 dst 0.0.0.0/0 \n");
}

TEST_F(Iproute2State, EveryOptionComesBack) {
  const Outcome added =
      ip(add("flag noecn extra-flag dont-encap-dscp replay-window 32 "
             "sel src 10.1.0.0/16 dst 10.2.0.0/16 "
             "encap espinudp 4500 4501 0.0.0.0 mark 5 mask 0xff if_id 9 "
             "output-mark 3 mask 0xf tfcpad 16 "
             "limit packet-soft 90 limit packet-hard 100 limit byte-hard 5000 "
             "limit time-soft 10 limit time-hard 20"));
  ASSERT_EQ(added.output, "");
  const Outcome shown = ip("-s xfrm state list");
  EXPECT_THAT(shown.output, HasSubstr("proto esp spi 0x00001001(4097) reqid 1(0x00000001) mode"));
  EXPECT_THAT(shown.output, HasSubstr("flag noecnextra_flag dont-encap-dscp"));
  EXPECT_THAT(shown.output, HasSubstr("replay-window 32 "));
  EXPECT_THAT(shown.output, HasSubstr("mark 0x5/0xff "));
  EXPECT_THAT(shown.output, HasSubstr("output-mark 0x3/0xf"));
  EXPECT_THAT(shown.output, HasSubstr("tfcpad 16"));
  EXPECT_THAT(shown.output, HasSubstr("if_id 0x9"));
  EXPECT_THAT(shown.output, HasSubstr("encap type espinudp sport 4500 dport 4501 addr 0.0.0.0"));
  EXPECT_THAT(shown.output, HasSubstr("sel src 10.1.0.0/16 dst 10.2.0.0/16"));
  EXPECT_THAT(shown.output, HasSubstr("limit: soft (INF)(bytes), hard 5000(bytes)"));
  EXPECT_THAT(shown.output, HasSubstr("limit: soft 90(packets), hard 100(packets)"));
  EXPECT_THAT(shown.output, HasSubstr("expire add: soft 10(sec), hard 20(sec)"));
}

TEST_F(Iproute2State, EsnKeepsTheAskedWindowAndSequenceNumber) {
  ASSERT_EQ(ip(add("flag esn replay-window 128 replay-oseq 5 replay-oseq-hi 1")).output, "");
  const Outcome shown = ip(get());
  EXPECT_THAT(shown.output, HasSubstr("replay-window 0 flag esn"));
  EXPECT_THAT(shown.output, HasSubstr("replay_window 128, bitmap-length 4"));
  EXPECT_THAT(shown.output, HasSubstr("oseq-hi 0x1"));
  EXPECT_THAT(shown.output, HasSubstr("oseq 0x5"));
}

TEST_F(Iproute2State, CountersComeFromTheDataplane) {
  ASSERT_EQ(ip(add()).output, "");
  const auto sa = manager().next_sa(SaIndex{0});
  ASSERT_TRUE(sa);
  SaState& state = dataplane().sa_states()[sa->index.raw()];
  state.generation = sa->generation;
  state.packets.set(3);
  state.bytes.set(4200);
  state.sequence.store(3);
  state.first_used_ns.set(1'000'000'000'000'000'000);
  state.last_used_ns.set(1'000'000'100'000'000'000);
  state.drops[index_of(DropReason::esp_in_replay)].set(7);
  state.drops[index_of(DropReason::esp_in_icv)].set(8);
  const Outcome shown = ip("-s xfrm state");
  EXPECT_THAT(shown.output, HasSubstr("4200(bytes), 3(packets)"));
  EXPECT_THAT(shown.output, HasSubstr("use 2001-09-09"));
  EXPECT_THAT(shown.output, HasSubstr("replay 7 failed 8"));
  EXPECT_THAT(shown.output, HasSubstr("oseq 0x3"));
}

TEST_F(Iproute2State, ASecondAddSaysFileExists) {
  ASSERT_EQ(ip(add()).output, "");
  const Outcome again = ip(add());
  EXPECT_EQ(again.output, "RTNETLINK answers: File exists\n");
  EXPECT_EQ(again.status, 2);
}

TEST_F(Iproute2State, AKeyInUseIsRefusedAndNotShown) {
  ASSERT_EQ(ip(add()).output, "");
  const Outcome other =
      ip("xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1002 mode tunnel "
         "aead 'rfc4106(gcm(aes))' " +
         std::string(kKey) + " 128");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.output, HasSubstr("Error: "));
  EXPECT_THAT(other.output, HasSubstr("key"));
  EXPECT_THAT(other.output, Not(HasSubstr("01020304")));
}

TEST_F(Iproute2State, DeleteWorksOnceAndThenSaysNoSuchProcess) {
  ASSERT_EQ(ip(add()).output, "");
  const std::string command = std::string("xfrm state delete ") + kIdentity;
  EXPECT_EQ(ip(command).status, 0);
  EXPECT_EQ(ip(command).output, "RTNETLINK answers: No such process\n");
  EXPECT_EQ(ip(get()).output, "RTNETLINK answers: No such process\n");
}

TEST_F(Iproute2State, UpdateOfNoSaSaysNoSuchProcess) {
  EXPECT_EQ(ip(std::string("xfrm state update ") + kIdentity +
               " mode tunnel aead 'rfc4106(gcm(aes))' " + kKey + " 128")
                .output,
            "RTNETLINK answers: No such process\n");
}

TEST_F(Iproute2State, WhatIsNotCarriedIsRefusedWithAReason) {
  const Outcome spi =
      ip("xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x20 mode tunnel "
         "aead 'rfc4106(gcm(aes))' " +
         std::string(kKey) + " 128");
  EXPECT_THAT(spi.output, HasSubstr("Error: spi 0x20: reserved, must be at least 256"));
  const Outcome algorithm = ip(std::string("xfrm state add ") + kIdentity +
                               " mode tunnel aead 'rfc7539(chacha20,poly1305)' " + kKey + " 128");
  EXPECT_THAT(algorithm.output, HasSubstr("aead 'rfc7539(chacha20,poly1305)': not known"));
  EXPECT_EQ(algorithm.status, 2);
}

TEST_F(Iproute2State, SeparateAlgorithmsAreShownAsTheKernelShowsThem) {
  const std::string key = "0x000102030405060708090a0b0c0d0e0f";
  ASSERT_EQ(ip(std::string("xfrm state add ") + kIdentity + " mode tunnel enc aes " + key +
               " auth-trunc 'hmac(sha256)' " + key + "101112131415161718191a1b1c1d1e1f 128")
                .output,
            "");
  const std::string list = ip("xfrm state list").output;
  EXPECT_THAT(list,
              HasSubstr("auth-trunc hmac(sha256) " + key + "101112131415161718191a1b1c1d1e1f 128"));
  EXPECT_THAT(list, HasSubstr("enc cbc(aes) " + key));
  ASSERT_EQ(ip("xfrm state flush").output, "");
  ASSERT_EQ(ip(std::string("xfrm state add ") + kIdentity + " mode tunnel enc 'cbc(des3_ede)' " +
               key + "0001020304050607 auth sha1 " + key + "00010203")
                .output,
            "");
  EXPECT_THAT(ip("xfrm state list").output,
              HasSubstr("auth-trunc hmac(sha1) " + key + "00010203 96"));
}

TEST_F(Iproute2State, ListCanBeFiltered) {
  ASSERT_EQ(ip(add()).output, "");
  EXPECT_THAT(ip("xfrm state list src 192.0.2.0/24").output, HasSubstr("0x00001001"));
  EXPECT_THAT(ip("xfrm state list proto esp").output, HasSubstr("0x00001001"));
  EXPECT_EQ(ip("xfrm state list src 198.51.100.0/24").output, "");
  EXPECT_EQ(ip("xfrm state list proto ah").output, "");
}

TEST_F(Iproute2State, CountFlushAndDeleteAllWork) {
  ASSERT_EQ(ip(add()).output, "");
  EXPECT_THAT(ip("xfrm state count").output, HasSubstr("SAD count 1"));
  EXPECT_THAT(ip("-s xfrm state count").output, HasSubstr("buckets count"));
  EXPECT_EQ(ip("xfrm state flush").output, "");
  EXPECT_THAT(ip("xfrm state count").output, HasSubstr("SAD count 0"));
  ASSERT_EQ(ip(add()).output, "");
  EXPECT_EQ(ip("xfrm state deleteall").output, "");
  EXPECT_EQ(ip("xfrm state list").output, "");
}

TEST_F(Iproute2State, MarksTellSasApart) {
  const std::string other_key =
      " mode tunnel aead 'rfc4106(gcm(aes))' "
      "0xff02030405060708091011121314151617181920 128";
  ASSERT_EQ(ip(add("mark 1 mask 0xff")).output, "");
  ASSERT_EQ(ip(std::string("xfrm state add ") + kIdentity + other_key + " mark 2 mask 0xff").output,
            "");
  EXPECT_THAT(ip("xfrm state count").output, HasSubstr("SAD count 2"));
  EXPECT_THAT(ip(get() + " mark 2 mask 0xff").output, HasSubstr("0xff0203"));
}

TEST_F(Iproute2State, AllocatedSpiLiesInTheRangeAndBecomesAnSa) {
  const Outcome larval =
      ip("xfrm state allocspi src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel "
         "reqid 1 min 0x1001 max 0x1001");
  EXPECT_THAT(larval.output, HasSubstr("proto esp spi 0x00001001 reqid 1 mode tunnel"));
  const Outcome again =
      ip("xfrm state allocspi src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel "
         "reqid 1 min 0x1001 max 0x1001");
  EXPECT_EQ(again.status, 2);
  const Outcome updated = ip(std::string("xfrm state update ") + kIdentity +
                             " reqid 1 mode tunnel aead 'rfc4106(gcm(aes))' " + kKey + " 128");
  EXPECT_EQ(updated.output, "");
  EXPECT_THAT(ip(get()).output, HasSubstr("rfc4106(gcm(aes))"));
}

TEST_F(Iproute2State, ADumpLargerThanTheSocketIsComplete) {
  std::string batch;
  for (int i = 0; i < 2000; ++i) {
    char line[200];
    snprintf(line, sizeof(line),
             "xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi %#x mode tunnel "
             "aead rfc4106(gcm(aes)) 0x%08x05060708091011121314151617181920 128\n",
             0x2000 + i, i);
    batch += line;
  }
  const auto file = directory() / "batch";
  FILE* out = fopen(file.c_str(), "w");
  ASSERT_NE(out, nullptr);
  fputs(batch.c_str(), out);
  fclose(out);
  ASSERT_EQ(ip("-batch " + file.string()).output, "");
  EXPECT_EQ(run("ip xfrm state list | grep -c 'proto esp'").output, "2000\n");
  // A reader that rests holds the dump up, not the server.
  EXPECT_EQ(run("ip xfrm state list | { sleep 1; grep -c 'proto esp'; }").output, "2000\n");
}

TEST_F(Iproute2State, MonitorHearsOfChanges) {
  start("timeout 10 stdbuf -oL ip xfrm monitor SA");
  pump(std::chrono::milliseconds(300));
  // The monitor's own output file is that of later programs too: they print nothing here.
  const std::filesystem::path kept = directory() / "kept";
  std::filesystem::rename(directory() / "output", kept);
  ASSERT_EQ(ip(add()).status, 0);
  ASSERT_EQ(ip(std::string("xfrm state delete ") + kIdentity).status, 0);
  ASSERT_EQ(ip(add()).status, 0);
  ASSERT_EQ(ip("xfrm state flush").status, 0);
  pump(std::chrono::milliseconds(100));
  std::filesystem::rename(kept, directory() / "output");
  const Outcome monitor = end();
  EXPECT_THAT(monitor.output, HasSubstr("spi 0x00001001 reqid 1 mode tunnel"));
  EXPECT_THAT(monitor.output, HasSubstr("Deleted src 192.0.2.1 dst 192.0.2.2"));
  EXPECT_THAT(monitor.output, HasSubstr("Flushed state"));
  // As net/xfrm: what went is told as it was.
  const std::string deleted = monitor.output.substr(monitor.output.find("Deleted src"));
  EXPECT_THAT(deleted.substr(0, deleted.find("Flushed")),
              HasSubstr(std::string("aead rfc4106(gcm(aes)) ") + kKey + " 128"));
}

}  // namespace
}  // namespace culvert::test
