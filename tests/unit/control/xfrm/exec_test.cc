// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/exec.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace culvert::xfrm {
namespace {

using ::testing::HasSubstr;

TEST(Exec, SaysThatThereIsNoServer) {
  const Error error = exec_with_xfrm("/nonexistent/xfrm.sock", {"true"}).error;
  EXPECT_EQ(error.code, ECONNREFUSED);
  EXPECT_THAT(error.message, HasSubstr("no XFRM server at /nonexistent/xfrm.sock"));
}

// Root may connect wherever something listens: the refusal is seen by a process of another user.
TEST(Exec, SaysWhoMayConnectWhereItMayNot) {
  std::string folder = ::testing::TempDir() + "culvert-exec-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::string socket_path = folder + "/xfrm.sock";
  ASSERT_EQ(chmod(folder.c_str(), 0), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (getuid() == 0 && setuid(65534) != 0) _exit(2);
    const Error error = exec_with_xfrm(socket_path, {"true"}).error;
    _exit(error.code == EACCES && error.message.find("[control] group") != std::string::npos ? 0
                                                                                             : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(rmdir(folder.c_str()), 0);
}

TEST(Exec, SaysThatTheNamedLibraryIsMissing) {
  const char* const given = getenv("CULVERT_PRELOAD");
  const std::string kept = given == nullptr ? "" : given;
  setenv("CULVERT_PRELOAD", "/nonexistent/lib.so", 1);
  const auto library = find_preload_library();
  setenv("CULVERT_PRELOAD", kept.c_str(), 1);
  ASSERT_FALSE(library);
  EXPECT_THAT(library.error().message, HasSubstr("/nonexistent/lib.so"));
}

TEST(Exec, KeepsWhatIsPreloadedAlready) {
  const char* const given = getenv("LD_PRELOAD");
  const std::string kept = given == nullptr ? "" : given;
  setenv("LD_PRELOAD", "first.so", 1);
  EXPECT_EQ(with_preload("ours.so"), "first.so:ours.so");
  unsetenv("LD_PRELOAD");
  EXPECT_EQ(with_preload("ours.so"), "ours.so");
  if (!kept.empty()) setenv("LD_PRELOAD", kept.c_str(), 1);
}

}  // namespace
}  // namespace culvert::xfrm
