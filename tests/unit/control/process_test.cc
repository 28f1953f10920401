// SPDX-License-Identifier: BSD-3-Clause
#include "control/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>

namespace culvert {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

struct ShellRun {
  std::vector<std::string> lines;
  int status = -1;
};

ShellRun run_shell(const std::string& script) {
  ShellRun run;
  EventLoop loop;
  ChildProcess child(loop);
  loop.on_signal(SIGCHLD, [&] {
    if (child.reap(run.status)) loop.stop();
  });
  const auto started = child.start({"/bin/sh", "-c", script},
                                   [&](const std::string& line) { run.lines.push_back(line); });
  EXPECT_TRUE(started.has_value());
  loop.run();
  return run;
}

TEST(ChildProcess, HandsOutItsErrorLinesAndItsStatus) {
  const ShellRun run = run_shell("echo one >&2; printf 'two' >&2; exit 3");
  EXPECT_THAT(run.lines, ElementsAre("one", "two"));
  EXPECT_EQ(exit_text(run.status), "ended with status 3");
}

TEST(ChildProcess, HandsOutItsOutputToo) {
  EXPECT_THAT(run_shell("echo one; echo two >&2; echo three").lines,
              ElementsAre("one", "two", "three"));
}

TEST(ChildProcess, NamesTheSignalThatKilledIt) {
  EXPECT_EQ(exit_text(run_shell("kill -9 $$").status), "was killed by signal 9 (Killed)");
}

TEST(ChildProcess, EndsAChildThatIgnoresSigtermByForce) {
  EventLoop loop;
  ChildProcess child(loop);
  std::string line;
  ASSERT_TRUE(child
                  .start({"/bin/sh", "-c", "trap '' TERM; echo up >&2; while :; do sleep 1; done"},
                         [&](const std::string& text) { line = text; })
                  .has_value());
  while (line.empty()) loop.run_once(milliseconds{100});
  child.end(milliseconds{50});
  EXPECT_FALSE(child.running());
}

TEST(FindProgram, SaysWhatItLookedFor) {
  const auto found = find_program("no-such-program-of-ours");
  ASSERT_FALSE(found.has_value());
  EXPECT_THAT(found.error().message, testing::HasSubstr("no-such-program-of-ours"));
}

}  // namespace
}  // namespace culvert
