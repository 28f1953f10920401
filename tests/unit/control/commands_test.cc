// SPDX-License-Identifier: BSD-3-Clause
#include "control/commands.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace culvert {
namespace {

using Words = std::vector<std::string>;

TEST(CommandWords, LoseTheDashesBeforeTheCommandToRun) {
  EXPECT_EQ(command_words({"exec", "--", "sh", "-c", "x"}), (Words{"exec", "sh", "-c", "x"}));
  EXPECT_EQ(command_words({"exec", "--instance", "west", "--", "sh"}),
            (Words{"exec", "--instance", "west", "sh"}));
  EXPECT_EQ(command_words({"ip", "--instance=west", "--", "xfrm"}),
            (Words{"ip", "--instance=west", "xfrm"}));
}

TEST(CommandWords, KeepTheDashesThatBelongToTheCommandToRun) {
  const Words inner{"exec", "git", "log", "--", "file"};
  EXPECT_EQ(command_words(inner), inner);
  EXPECT_EQ(command_words({"exec", "--", "git", "--", "file"}),
            (Words{"exec", "git", "--", "file"}));
}

TEST(CommandWords, AreLeftAloneInEveryOtherCommand) {
  for (const Words& words : {Words{}, Words{"exec"}, Words{"exec", "--instance"},
                             Words{"show", "sa", "--"}, Words{"exec", "--instance", "west"}}) {
    EXPECT_EQ(command_words(words), words);
  }
}

class UsageFault : public ::testing::Test {
 protected:
  UsageFault() {
    app_.require_subcommand(1);
    CLI::App* show = app_.add_subcommand("show");
    show->require_subcommand(1);
    show->add_subcommand("sa");
    show->add_subcommand("drops");
    app_.add_subcommand("up")->add_option("--config")->required();
  }
  std::string fault_of(std::vector<std::string> words) {
    std::reverse(words.begin(), words.end());
    try {
      app_.parse(words);
    } catch (const CLI::ParseError& error) {
      return usage_fault(app_, error);
    }
    return "";
  }

  CLI::App app_;
};

TEST_F(UsageFault, NamesTheUnknownCommandAndThoseThereAre) {
  EXPECT_EQ(fault_of({"shwo"}), "\"shwo\": no such command; there are show, up");
  EXPECT_EQ(fault_of({"show", "sas"}), "\"sas\": no such command; there are sa, drops");
  EXPECT_EQ(fault_of({"show"}), "a command is missing; there are sa, drops");
  EXPECT_EQ(fault_of({}), "a command is missing; there are show, up");
}

TEST_F(UsageFault, LeavesOtherFaultsInTheParsersWords) {
  EXPECT_EQ(fault_of({"up"}), "--config is required");
  EXPECT_EQ(fault_of({"show", "sa", "--what"}), "The following argument was not expected: --what");
}

// Of a whole command line; nothing listens anywhere.
class ExitCode : public ::testing::Test {
 protected:
  int of(std::vector<std::string> words) {
    CLI::App app;
    Action action;
    add_run_commands(app, action);
    add_show_commands(app, action);
    add_policy_commands(app, action);
    add_trace_command(app, action);
    std::reverse(words.begin(), words.end());
    try {
      app.parse(words);
    } catch (const CLI::ParseError&) {
      return kExitUsage;
    }
    return action();
  }
};

TEST_F(ExitCode, IsTwoForWordsThatCannotBeRight) {
  const Words wrong[] = {
      {"show", "sa", "--spi", "zz"},
      {"show", "sa", "--spi", "0x100000000"},
      {"show", "ports", "--instance", "a/b"},
      {"down", "--instance", ""},
      {"policy", "add", "--action", "discard"},
      {"policy", "add", "--direction", "out", "--action", "discard", "--src", "zz"},
      {"policy", "delete"},
      {"trace", "--src", "zz"},
      {"trace", "--proto", "zz"},
      {"trace", "--src", "10.1.0.1", "--dst", "2001:db8::1"},
      {"replay", "-c", "none.toml", "--in", "wan=none.pcap", "--seed", "-1"},
  };
  for (const Words& words : wrong) EXPECT_EQ(of(words), kExitUsage) << words.back();
}

TEST_F(ExitCode, IsThreeForRightOnesWithoutAnInstance) {
  const Words right[] = {
      {"show", "sa", "--spi", "0x1001", "--instance", "no-such"},
      {"policy", "add", "--direction", "out", "--action", "discard", "--instance", "no-such"},
      {"policy", "delete", "--index", "1", "--instance", "no-such"},
      {"trace", "--src", "10.1.0.0/24", "--proto", "icmp", "--instance", "no-such"},
      {"down", "--instance", "no-such"},
  };
  for (const Words& words : right) EXPECT_EQ(of(words), kExitNotRunning) << words.back();
}

}  // namespace
}  // namespace culvert
