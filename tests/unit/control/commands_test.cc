// SPDX-License-Identifier: BSD-3-Clause
#include "control/commands.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace culvert
