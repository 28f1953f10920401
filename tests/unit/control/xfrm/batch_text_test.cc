// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/batch_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace culvert::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using xfrm::batch_commands;
using xfrm::BatchCommand;
using xfrm::BatchFault;
using xfrm::without_keys;

TEST(BatchCommands, HaveTheLinesOnWhichTheyEnd) {
  const auto commands = batch_commands(
      "# a comment\n\nxfrm state flush\n  xfrm policy flush # and more\nxfrm state \\\n list\n"
      "xfrm policy list");
  std::vector<std::uint32_t> lines;
  for (const BatchCommand& command : commands.taken) lines.push_back(command.line);
  EXPECT_THAT(lines, ElementsAre(3, 4, 6, 7));
  EXPECT_THAT(commands.others, SizeIs(0));
}

TEST(BatchCommands, HaveTheirBytes) {
  const std::string_view text =
      "# first\nxfrm state flush\n\nroute list\nxfrm policy \\\nflush # all\nxfrm state list";
  const auto commands = batch_commands(text);
  std::vector<std::string_view> taken;
  for (const BatchCommand& command : commands.taken) {
    taken.push_back(text.substr(command.start, command.end - command.start));
  }
  EXPECT_THAT(
      taken, ElementsAre("xfrm state flush\n", "xfrm policy \\\nflush # all\n", "xfrm state list"));
  ASSERT_THAT(commands.others, SizeIs(1));
  EXPECT_EQ(text.substr(commands.others[0].start, 10), "route list");
}

TEST(BatchCommands, OfOtherSortsAreFaultsWithTheirLines) {
  const auto commands = batch_commands(
      "xfrm state flush\nroute add default via 192.0.2.1\nxfrm monitor\nxfrm\nx s flush\n"
      "# comment \\\nroute list\nxfrm\\\n state \\\n\nroute list\n");
  std::vector<std::uint32_t> lines;
  for (const BatchFault& fault : commands.faults) lines.push_back(fault.line);
  EXPECT_THAT(lines, ElementsAre(2, 3, 4, 5, 7, 11));
  EXPECT_THAT(commands.faults[0].message, HasSubstr("\"route add\": only"));
}

TEST(BatchCommands, DoNotShowAKeyThatBeginsALine) {
  const auto commands = batch_commands("0x0102030405060708091011121314151617181920 128\n");
  ASSERT_THAT(commands.faults, SizeIs(1));
  EXPECT_THAT(commands.faults[0].message, Not(HasSubstr("01020304")));
}

// Words of iproute2, and what must not be in what we make of them.
TEST(WithoutKeys, NamesTheirPositionsInstead) {
  constexpr std::string_view kKey = "0x0102030405060708091011121314151617181920";
  const std::string key(kKey);
  struct Case {
    std::string command;
    std::string said;
    std::string becomes;
  };
  const Case cases[] = {
      {"xfrm state add aead rfc4106(gcm(aes)) " + key + " 128",
       "Error: argument \"" + key + "\" is wrong: ALGO-KEYMAT value is invalid",
       "Error: argument (word 6 of the line, not shown) is wrong: ALGO-KEYMAT value is invalid"},
      {"xfrm state add aead " + key + " rfc4106(gcm(aes)) 128",
       "Error: argument \"" + key + "\" is wrong: too long",
       "Error: argument (word 5 of the line, not shown) is wrong: too long"},
      {"xfrm state add aead hunter2 " + key + " 128",
       "Error: argument \"hunter2\" is wrong: no such thing",
       "Error: argument (word 5 of the line, not shown) is wrong: no such thing"},
      {"xfrm state add \\\n # a comment\n" + key + " 128", "Unknown: " + key + "?",
       "Unknown: (word 4 of the line, not shown)?"},
      {"xfrm state add enc cbc(aes) in-plain-letters", "what is in-plain-letters",
       "what is (word 6 of the line, not shown)"},
      {"", "Error: " + key, "Error: (not shown)"},
      {"xfrm state add spi 0x20 aead cbc(x) k 128", "Error: 0x20: reserved.\nCommand failed -:3\n",
       "Error: 0x20: reserved."},
  };
  for (const Case& item : cases) EXPECT_EQ(without_keys(item.said, item.command), item.becomes);
}

}  // namespace
}  // namespace culvert::test
