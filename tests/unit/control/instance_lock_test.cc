// SPDX-License-Identifier: BSD-3-Clause
#include "control/instance_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/api/paths.h"

namespace culvert {
namespace {

class InstanceLockTest : public testing::Test {
 protected:
  InstanceLockTest() {
    std::string pattern = testing::TempDir() + "culvert-lock-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    setenv("CULVERT_RUNTIME_DIR", folder_.c_str(), 1);
  }
  ~InstanceLockTest() override {
    unsetenv("CULVERT_RUNTIME_DIR");
    std::filesystem::remove_all(folder_);
  }

  std::filesystem::path folder_;
};

// What another process finds: locks of one process do not hinder itself.
int in_child(const std::function<int()>& function) {
  const pid_t child = fork();
  if (child == 0) _exit(function());
  int status = 0;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

TEST_F(InstanceLockTest, KeepsASecondProcessOutAndTellsItTheFirst) {
  const auto lock = InstanceLock::take("west", "");
  ASSERT_TRUE(lock.has_value());
  const pid_t self = getpid();
  EXPECT_EQ(in_child([&] {
              const auto owner = running_instance("west");
              return owner && *owner == self ? 1 : 0;
            }),
            1);
  EXPECT_EQ(in_child([] {
              const auto second = InstanceLock::take("west", "");
              return second ? 0 : second.error().code;
            }),
            EEXIST);
}

TEST_F(InstanceLockTest, LeavesOtherInstancesAlone) {
  const auto west = InstanceLock::take("west", "");
  ASSERT_TRUE(west.has_value());
  EXPECT_EQ(in_child([] { return InstanceLock::take("east", "") ? 1 : 0; }), 1);
}

TEST_F(InstanceLockTest, RemovesTheDirectoryAtTheEnd) {
  {
    const auto lock = InstanceLock::take("west", "");
    ASSERT_TRUE(lock.has_value());
    EXPECT_TRUE(std::filesystem::exists(folder_ / "west"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "west"));
  EXPECT_EQ(*running_instance("west"), 0);
}

TEST_F(InstanceLockTest, RefusesNamesThatLeaveTheDirectory) {
  for (const char* name : {"", "..", "a/b", "a b", "01234567890123456789012345678901"}) {
    EXPECT_FALSE(instance_dir(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace culvert
