// SPDX-License-Identifier: BSD-3-Clause
#include "control/xfrm/exec.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <stdlib.h>

namespace culvert::xfrm {
namespace {

using ::testing::HasSubstr;

TEST(Exec, SaysThatThereIsNoServer) {
  const Error error = exec_with_xfrm("/nonexistent/xfrm.sock", {"true"});
  EXPECT_EQ(error.code, ECONNREFUSED);
  EXPECT_THAT(error.message, HasSubstr("no XFRM server at /nonexistent/xfrm.sock"));
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
